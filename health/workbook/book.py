"""The workbook of the week: a summary, My week, a sheet per list, and every account."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xlsxwriter

from health.business.kinds import business_of, with_money
from health.presentation import wording
from health.presentation.lifetime_value import yearly_growth
from health.report.background import Background
from health.report.files import accounts_by_csm, csm_title, file_name
from health.report.forecast import (
    MONTHS_OF_YEAR,
    expected_losses,
    known_to_leave,
    last_days,
    renewal_dates,
)
from health.report.lists import titles_by_account
from health.report.page import with_all_columns
from health.workbook.cells import BAND_COLOURS, MOST_ROWS, make_formats, write_cell
from health.workbook.columns import (
    OUTCOMES,
    Column,
    account_columns,
    list_columns,
    week_columns,
)
from health.workbook.summary import write_summary

# Text stays text: an account may be named "=HYPERLINK(...)" or "0123".
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}

#: The sheet of all accounts.
ALL_ACCOUNTS = "All accounts"
#: Styles of cells that are aligned left.
_LEFT = {"text", "wrapped", "entry", "date"}
#: Height of a line of text, in points.
_LINE = 15
#: The only text on the sheet of an empty list.
EMPTY = "No account is on this list this week."


def write_workbook(
    path: Path,
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
    *,
    week: pd.DataFrame | None = None,
    background: Background | None = None,
    lists_first: bool = False,
) -> None:
    """Write the workbook of a run; the same run gives the same bytes.

    A sheet has at most `MOST_ROWS` rows: the first of a list, and the largest accounts. The
    summary states what is left out.

    Parameters
    ----------
    path : Path
        The .xlsx file to write.
    scores, reasons, flags : pd.DataFrame
        The tables of the run. `flags` has the reasons in words; `reasons` is not read.
    run : mapping
        Content of run.json.
    week : pd.DataFrame, optional
        As in my_week.parquet: the sheet My week.
    background : Background, optional
        Plans and NPS answers of the accounts.
    lists_first : bool
        Put the summary last, as in the workbook of one CSM.
    """
    scores = with_all_columns(with_money(scores))
    rows = flag_rows(scores, flags, run)
    book = xlsxwriter.Workbook(str(path), _OPTIONS)
    title = f"{wording.text_of(run['company']) or 'Customer health'} as of {run['as_of']}"
    # With a fixed date of creation, the file depends on the run alone.
    created = datetime.fromisoformat(str(run["as_of"]))
    book.set_properties({"title": title, "created": created})
    # The run that imported outcomes answer to.
    book.set_custom_property("as_of", str(run["as_of"]))
    formats = make_formats(book)
    if not lists_first:
        write_summary(book.add_worksheet("Summary"), formats, scores, rows, run)
    if week is not None:
        sheet = book.add_worksheet(wording.MY_WEEK)
        _write_list(sheet, week_rows(scores, week, run), week_columns(run), formats)
    for kind in business_of(run).lists:
        sheet = book.add_worksheet(kind.title)
        own = rows[rows["flag"] == kind.flag]
        first = own["rank"].rank(method="first", na_option="bottom") <= MOST_ROWS
        _write_list(sheet, own[first], list_columns(kind, run), formats)
    largest = scores.loc[scores["mrr"].sort_values(ascending=False).index[:MOST_ROWS]]
    everyone = account_rows(largest, flags, run, background or Background())
    _write_list(book.add_worksheet(ALL_ACCOUNTS), everyone, account_columns(run), formats)
    if lists_first:
        write_summary(book.add_worksheet("Summary"), formats, scores, rows, run, for_csm=True)
    book.close()


def write_csm_workbooks(
    folder: Path,
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    run: Mapping[str, Any],
    *,
    week: pd.DataFrame | None = None,
    background: Background | None = None,
) -> dict[str, str]:
    """Write a workbook of each CSM's own accounts to ``csm/``, next to their report.

    Parameters
    ----------
    folder : Path
        The run directory.
    tables : tuple of pd.DataFrame
        scores, reasons and flags of the run.
    run : mapping
        Content of run.json.
    week : pd.DataFrame, optional
        As in my_week.parquet.
    background : Background, optional
        Plans and NPS answers.

    Returns
    -------
    dict of str to str
        File name by CSM; accounts without a CSM are under "".
    """
    target = folder / "csm"
    target.mkdir(exist_ok=True)
    names = {}
    for csm, (scores, reasons, flags) in accounts_by_csm(*tables).items():
        names[csm] = file_name(csm) + ".xlsx"
        write_workbook(
            target / names[csm],
            scores,
            reasons,
            flags,
            {**run, "company": csm_title(csm, run)},
            week=None if week is None else week[week["account_id"].isin(scores["account_id"])],
            background=background,
            lists_first=True,
        )
    return names


def flag_rows(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """Join each flag with the values of its account.

    Returns
    -------
    pd.DataFrame, shape = (n_flags, n_columns)
        The flags by CSM and rank with the columns of their account, `band` as letter and word,
        `renews` (the end of the term), and one reason per line.
    """
    rows = flags.merge(_of_accounts(scores, flags, run), on="account_id", how="left")
    rows = rows.assign(reasons=_one_per_line(rows["reasons"]), not_shown=_not_shown(rows))
    return rows.sort_values(["csm", "rank", "account_id"], na_position="last")


def week_rows(scores: pd.DataFrame, week: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """Join each row of a week with the values of its account, by CSM and rank."""
    rows = week.merge(_of_accounts(scores, week, run), on="account_id", how="left")
    titles = {kind.flag: kind.title for kind in business_of(run).lists}
    kinds = rows["flags"].map(lambda text: [f for f in wording.text_of(text).split("; ") if f])
    value_is = [
        "" if pd.isna(value) else wording.VALUE_IS.get(action, "expected loss")
        for value, action in zip(rows["value"], rows["main_action"], strict=True)
    ]
    rows = rows.assign(
        reasons=_one_per_line(rows["reasons"]),
        not_shown=_not_shown(rows),
        lists=[", ".join(titles.get(kind, kind) for kind in own) for own in kinds],
        value_is=value_is,
        main_action=rows["main_action"].map(lambda name: wording.ACTIONS.get(name, name)),
    )
    return rows.sort_values(["csm", "rank", "account_id"], na_position="last")


def account_rows(
    scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any], background: Background
) -> pd.DataFrame:
    """Return every account with what the sheet of all accounts shows, by CSM and size."""
    titles = {kind.flag: kind.title for kind in business_of(run).lists}
    leaves, account = known_to_leave(scores), scores["account_id"]
    plans = account.map(background.plans).astype(object)
    if "plan" in scores:
        plans = plans.where(plans.notna(), scores["plan"])
    rows = scores.assign(
        band=scores["health_band"].map(_band_text),
        arr=scores["mrr"] * MONTHS_OF_YEAR,
        leaves=leaves.map({True: "yes", False: ""}),
        ends=last_days(scores, run["as_of"]),
        renews=renewal_dates(scores, run["as_of"]).where(~leaves),
        days_to_renewal=scores["days_to_renewal"].where(~leaves),
        expected_loss=expected_losses(scores),
        plan=plans,
        growth=_growth(scores),
        nps=account.map(background.nps),
        lists=account.map(titles_by_account(flags, titles)),
    )
    return rows.sort_values(
        ["csm", "mrr", "account_id"], ascending=[True, False, True], na_position="last"
    )


def _of_accounts(scores: pd.DataFrame, rows: pd.DataFrame, run: Mapping[str, Any]) -> pd.DataFrame:
    """Return the columns of the scores that rows do not have, one row per account."""
    own = scores[scores["account_id"].isin(rows["account_id"])].drop_duplicates("account_id")
    own = own.assign(
        band=own["health_band"].map(_band_text),
        renews=renewal_dates(own, run["as_of"]),
        growth=_growth(own),
    )
    taken = [name for name in own if name in rows and name != "account_id"]
    return own.drop(columns=[*taken, "as_of"], errors="ignore")


def _not_shown(rows: pd.DataFrame) -> pd.Series[float]:
    """Return the share of the influences that the reasons leave out; NaN where unknown."""
    if "reasons_share" not in rows:
        return pd.Series(np.nan, index=rows.index)
    return rows["reasons_share"].astype(float).rsub(1.0)


def _growth(scores: pd.DataFrame) -> pd.Series[float]:
    """Return the yearly growth that a lifetime value includes; NaN where there is none."""
    if "clv_monthly_growth" not in scores:
        return pd.Series(np.nan, index=scores.index)
    growth: pd.Series[float] = yearly_growth(scores["clv_monthly_growth"])
    return growth.where(scores["clv"].notna())


def _one_per_line(reasons: pd.Series[str]) -> pd.Series[str]:
    return reasons.map(lambda text: wording.text_of(text).replace("; ", "\n"))


def _band_text(name: object) -> str:
    band = wording.band_of(name)
    return f"{band.letter} {band.name}" if band.name else ""


def _write_list(
    sheet: Any,
    rows: pd.DataFrame,
    columns: list[Column],
    formats: Mapping[str, Any],
) -> None:
    if rows.empty:
        sheet.write_string(0, 0, EMPTY, formats["text"])
        return
    last = len(rows)
    named = rows["name"].map(wording.text_of)
    rows = rows.assign(name=named.where(named != "", rows["account_id"]))
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
        head = "header" if column.style in _LEFT else "header_right"
        sheet.write_string(0, place, column.title, formats[head])
        values = rows[column.source] if column.source in rows else [None] * len(rows)
        for row, value in enumerate(values, start=1):
            write_cell(sheet, row, place, value, formats, column.style)
    for row, height in enumerate(_heights(rows, columns), start=1):
        sheet.set_row(row, height)
    sheet.set_row(0, 32)
    sheet.freeze_panes(1, _place(columns, "name") + 1)
    sheet.autofilter(0, 0, last, len(columns) - 1)
    _mark(sheet, columns, last, formats)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


def _heights(rows: pd.DataFrame, columns: list[Column]) -> list[int]:
    """Return the height of each row in points: not every program fits wrapped text by itself."""
    wrapped = [c for c in columns if c.style == "wrapped" and c.source in rows]
    if not wrapped:
        return []
    texts = [rows[column.source].map(wording.text_of) for column in wrapped]
    return [
        _LINE * max(_lines(text, column.width) for text, column in zip(row, wrapped, strict=True))
        for row in zip(*texts, strict=True)
    ]


def _lines(text: str, width: int) -> int:
    # Proportional type runs narrower than the nominal character.
    return sum(max(1, math.ceil(0.85 * len(line) / width)) for line in text.split("\n"))


def _mark(sheet: Any, columns: list[Column], last: int, formats: Mapping[str, Any]) -> None:
    """Colour the bands, draw bars on the money, allow only known outcomes."""
    sources = {column.source for column in columns}
    band = _place(columns, "band")
    for name in BAND_COLOURS:
        rule = {"type": "cell", "criteria": "==", "value": f'"{_band_text(name)}"'}
        sheet.conditional_format(1, band, last, band, {**rule, "format": formats[name]})
    ranked_by = next(name for name in ("value", "expected_loss", "mrr") if name in sources)
    money = _place(columns, ranked_by)
    bar = {"type": "data_bar", "bar_color": "#9DB8DC", "min_type": "num"}
    sheet.conditional_format(1, money, last, money, {**bar, "min_value": 0})
    if "outcome" not in sources:
        return
    outcome = _place(columns, "outcome")
    sheet.data_validation(
        1,
        outcome,
        last,
        outcome,
        {
            "validate": "list",
            "source": list(OUTCOMES),
            "error_title": "Unknown outcome",
            "error_message": "Choose one of: " + ", ".join(OUTCOMES),
        },
    )


def _place(columns: list[Column], source: str) -> int:
    return next(i for i, column in enumerate(columns) if column.source == source)
