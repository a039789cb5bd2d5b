"""The workbook, read back: text stays text, and what a CSM fills in is checked."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.utils import range_boundaries

from health.presentation.wording import LISTS
from health.workbook.book import EMPTY, write_workbook
from health.workbook.columns import OUTCOMES, list_columns
from tests.health.sample_run import AS_OF, HOSTILE, SampleRun, sample_run

TITLES = {kind.flag: kind.title for kind in LISTS}


@pytest.fixture(scope="module")
def sample() -> SampleRun:
    return sample_run()


@pytest.fixture(scope="module")
def book(sample: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> Workbook:
    return read_back(sample, tmp_path_factory.mktemp("book"))


def read_back(sample: SampleRun, folder: Path) -> Workbook:
    path = folder / "flags.xlsx"
    write_workbook(path, *sample.parts)
    return load_workbook(BytesIO(path.read_bytes()))


def rows_of(book: Workbook, title: str) -> pd.DataFrame:
    head, *rows = book[title].iter_rows(values_only=True)
    return pd.DataFrame(rows, columns=list(head))


def test_a_summary_and_a_sheet_for_every_list(book: Workbook) -> None:
    assert book.sheetnames == ["Summary", *TITLES.values(), "All accounts"]


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: kind.flag)
def test_every_flag_is_there_once_with_its_money(book: Workbook, sample: SampleRun, kind) -> None:
    own = sample.flags[sample.flags["flag"] == kind.flag].set_index("account_id")
    if own.empty:
        assert book[kind.title]["A1"].value == EMPTY
        return
    rows = rows_of(book, kind.title)
    assert sorted(rows["Account id"]) == sorted(own.index)
    if kind.value:
        expected = own.loc[rows["Account id"], "value"]
        np.testing.assert_allclose(rows[f"{kind.value} (USD)"].astype(float), expected)
    for _, mine in rows.groupby("CSM"):
        assert mine["Rank"].is_monotonic_increasing


def test_hostile_names_are_text_and_no_formula_or_link(book: Workbook) -> None:
    names = {cell.value: cell for cell in book["At risk"]["C"]}
    for name in HOSTILE:
        assert names[name].data_type == "s"
        assert names[name].hyperlink is None
    assert {cell.data_type for sheet in book for row in sheet for cell in row} <= {"s", "n", "d"}


def test_head_stands_still_and_filters(book: Workbook, sample: SampleRun) -> None:
    for flag in sample.flags["flag"].unique():
        sheet = book[TITLES[flag]]
        assert sheet.freeze_panes == "D2"
        area = range_boundaries(sheet.auto_filter.ref)
        assert area == (1, 1, sheet.max_column, sheet.max_row)


def test_outcome_takes_the_known_answers_in_every_row(book: Workbook, sample: SampleRun) -> None:
    for flag in sample.flags["flag"].unique():
        sheet = book[TITLES[flag]]
        (rule,) = sheet.data_validations.dataValidation
        assert (rule.type, rule.formula1) == ("list", f'"{",".join(OUTCOMES)}"')
        (area,) = rule.sqref.ranges
        assert sheet.cell(1, area.min_col).value == "Outcome"
        assert (area.min_row, area.max_row) == (2, sheet.max_row)
        assert rows_of(book, TITLES[flag])[["Outcome", "Notes"]].isna().all(axis=None)


def test_bands_carry_a_letter_and_money_a_bar(book: Workbook) -> None:
    sheet = book["At risk"]
    assert set(rows_of(book, "At risk")["Band"]) <= {"R red", "Y yellow", "G green", None}
    kinds = sorted({rule.type for area in sheet.conditional_formatting for rule in area.rules})
    assert kinds == ["cellIs", "dataBar"]


def test_figures_have_formats_and_dates_are_dates(book: Workbook) -> None:
    sheet = book["At risk"]
    heads = {cell.value: cell.column for cell in sheet[1]}
    assert "%" in sheet.cell(2, heads["Chance of leaving"]).number_format
    assert sheet.cell(2, heads["MRR (USD)"]).number_format == "#,##0"
    since = sheet.cell(2, heads["Since"])
    assert since.is_date
    assert since.value <= AS_OF


def test_summary_counts_the_book_and_explains_every_column(
    book: Workbook, sample: SampleRun
) -> None:
    rows = {row[0]: row[1:] for row in book["Summary"].iter_rows(values_only=True)}
    assert rows["All accounts"][0] == len(sample.scores)
    assert rows["All accounts"][1] == pytest.approx(sample.scores["mrr"].sum())
    for name, title in (("red", "R  Red"), ("yellow", "Y  Yellow"), ("green", "G  Green")):
        assert rows[title][0] == (sample.scores["health_band"] == name).sum()
    for flag, title in TITLES.items():
        assert rows[title][0] == (sample.flags["flag"] == flag).sum()
    columns = {column.title for kind in LISTS for column in list_columns(kind, sample.run)}
    assert columns <= set(rows)


def test_the_same_run_gives_the_same_bytes(sample: SampleRun, tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(tmp_path / name, *sample.parts)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_no_published_probability_leaves_blanks(sample: SampleRun, tmp_path: Path) -> None:
    unknown = [
        column
        for column in sample.scores
        if column.endswith(("_probability", "_base_rate", "_loss", "_value"))
        or column.startswith(("clv", "health_"))
    ]
    scores = sample.scores.assign(**dict.fromkeys(unknown, np.nan))
    blanks = dict.fromkeys(("value", "probability", "base_rate"), np.nan)
    flags = sample.flags.assign(**blanks, since=pd.NaT, csm=None)
    bare = SampleRun(scores, sample.reasons, flags, sample.run)
    rows = rows_of(read_back(bare, tmp_path), "At risk")
    assert len(rows) == (flags["flag"] == "at_risk").sum()
    blank = ["Chance of leaving", "Usual", "Band", "Health", "Since", "CSM"]
    assert rows[blank].isna().all(axis=None)


def test_empty_lists_say_so(sample: SampleRun, tmp_path: Path) -> None:
    empty = SampleRun(sample.scores, sample.reasons, sample.flags.iloc[:0], sample.run)
    book = read_back(empty, tmp_path)
    assert [book[title]["A1"].value for title in TITLES.values()] == [EMPTY] * len(TITLES)


def test_a_sheet_has_no_more_rows_than_excel_shows_and_the_summary_says_so(
    sample: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("book", "summary"):
        monkeypatch.setattr(f"health.workbook.{module}.MOST_ROWS", 2)
    book = read_back(sample, tmp_path)
    largest = sample.scores.nlargest(2, "mrr")
    assert set(rows_of(book, "All accounts")["Account id"]) == set(largest["account_id"])
    assert max(len(rows_of(book, title)) for title in TITLES.values()) == 2
    summary = {row[0]: row for row in book["Summary"].iter_rows(values_only=True)}
    assert summary["of these on the sheet All accounts"][1:3] == (2, largest["mrr"].sum())
    assert summary["All accounts"][1] == len(sample.scores)
    kind = sample.flags["flag"].value_counts().index[0]
    assert str(summary[TITLES[kind]][4]).endswith("The sheet has the first 2.")
