"""The workbook of the week: a summary and a sheet per list, for CSMs to filter and fill in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter

from health.wording import LIST_PURPOSES, LIST_TITLES, VALUE_TITLES, band_letter, is_known, text

#: What a CSM may answer in the outcome column.
OUTCOMES = ("called", "saved", "false alarm", "bought", "not now")
#: Colours of the bands: text, background; each pair has a contrast above 7.
BAND_COLOURS = {
    "R red": ("#7A1210", "#FBE3E1"),
    "Y yellow": ("#5C4300", "#FFF2CC"),
    "G green": ("#14532D", "#DFF3E4"),
}
_CHANCES = {"at_risk": "churn", "upsell": "upsell", "cross_sell": "cross_sell"}
# Text stays text: an account may be called "=HYPERLINK(...)" or "0123".
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}


@dataclass(frozen=True)
class Column:
    """A column of a list sheet: its heading, where it comes from, how it looks, what it means."""

    title: str
    source: str
    style: str
    width: int
    meaning: str


def list_columns(flag: str, currency: str, horizon_days: int) -> list[Column]:
    """Return the columns of a list's sheet, in order.

    Parameters
    ----------
    flag : str
        Name of the list, e.g. ``at_risk``.
    currency : str
        Currency of all money.
    horizon_days : int
        Days that the probabilities reach.
    """
    unit = f" ({currency})" if currency else ""
    columns = [
        Column("rank", "rank", "whole", 6, "place within the CSM's own list"),
        Column("account_id", "account_id", "text", 14, "key of the account"),
        Column("account", "name", "text", 28, "name of the account"),
        Column("CSM", "csm", "text", 18, "who looks after it"),
        Column("band", "band", "text", 10, "R red, Y yellow or G green, from the health score"),
        Column("health", "health_score", "score", 8, "health score, 0-100, higher is better"),
        Column("change", "health_change", "change", 8, "points since the run before"),
        Column(f"{VALUE_TITLES[flag]}{unit}", "value", "money", 16, _value_meaning(flag)),
    ]
    if flag in _CHANCES:
        columns += [
            Column("chance", "probability", "share", 9, f"probability within {horizon_days} days"),
            Column("usual", "base_rate", "share", 9, "share among accounts like this"),
        ]
    if flag == "cross_sell":
        columns.append(Column("product", "product", "text", 18, "the product to offer"))
    if VALUE_TITLES[flag] != "MRR":
        columns.append(Column(f"MRR{unit}", "mrr", "money", 12, "pays each month"))
    return [
        *columns,
        Column("days to renewal", "days_to_renewal", "whole", 10, "until the term ends"),
        Column("since", "since", "date", 12, "first day on this list without a break"),
        Column("reasons", "reasons", "wrapped", 60, "what speaks for being on the list"),
        Column("suggested play", "suggested_play", "wrapped", 36, "what to do"),
        Column(f"CLV{unit}", "clv", "money", 12, "lifetime value within the CLV horizon"),
        Column(f"CLV low{unit}", "clv_low", "money", 12, "lower end of its range"),
        Column(f"CLV high{unit}", "clv_high", "money", 12, "upper end of its range"),
        Column("outcome", "", "entry", 13, "fill in: " + ", ".join(OUTCOMES)),
        Column("notes", "", "entry", 36, "fill in: anything worth keeping"),
    ]


def write_workbook(
    path: Path,
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
) -> None:
    """Write the workbook of a run; the same run gives the same bytes.

    Parameters
    ----------
    path : Path
        The .xlsx file to write.
    scores, reasons, flags : pd.DataFrame
        The tables of the run. Reasons in words are in `flags`; `reasons` is not read.
    run : mapping
        The content of run.json.
    """
    rows = flag_rows(scores, flags)
    book = xlsxwriter.Workbook(str(path), _OPTIONS)
    day = datetime.fromisoformat(str(run["as_of"]))
    book.set_properties(
        {"title": f"Customer health as of {run['as_of']}", "author": "", "created": day}
    )
    formats = _formats(book)
    _summary_sheet(book, formats, scores, rows, run)
    for flag, title in LIST_TITLES.items():
        sheet = book.add_worksheet(title)
        own = rows[rows["flag"] == flag]
        columns = list_columns(flag, text(run.get("currency")), int(run["horizon_days"]))
        if own.empty:
            sheet.write_string(0, 0, "No account is on this list this week.", formats["text"])
        else:
            _list_sheet(sheet, own, columns, formats)
    book.close()


def flag_rows(scores: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    """Join each flag with its account's figures.

    Returns
    -------
    pd.DataFrame, shape = (n_flags, n_columns)
        The flags in their order, with health, MRR, CLV and renewal of the account, `band` with
        its letter and `base_rate` of the list's own probability.
    """
    brought = scores.drop(columns=["name", "csm", "as_of"], errors="ignore")
    rows = flags.merge(brought, on="account_id", how="left")
    bands = rows["health_band"].map(lambda b: f"{band_letter(b)} {b}" if is_known(b) else "")
    base = pd.Series(float("nan"), index=rows.index)
    for flag, output in _CHANCES.items():
        if f"{output}_base_rate" in rows:
            base = base.where(rows["flag"] != flag, rows[f"{output}_base_rate"].astype(float))
    return rows.assign(band=bands, base_rate=base)


def _value_meaning(flag: str) -> str:
    if flag == "at_risk":
        return "expected loss; a year of MRR where no probability is published"
    if flag in _CHANCES:
        return "expected revenue of a year, times its probability"
    return "pays each month"


def _formats(book: Any) -> dict[str, Any]:
    top = {"valign": "top"}
    made = {
        "text": {**top, "num_format": "@"},
        "wrapped": {**top, "text_wrap": True},
        "entry": {**top, "text_wrap": True, "bg_color": "#F4F6FA"},
        "whole": {**top, "num_format": "#,##0"},
        "score": {**top, "num_format": "0.0"},
        "change": {**top, "num_format": "+0.0;-0.0;0.0"},
        "money": {**top, "num_format": "#,##0"},
        "share": {**top, "num_format": "0.0 %"},
        "date": {**top, "num_format": "yyyy-mm-dd"},
        "title": {"bold": True, "font_size": 16},
        "heading": {"bold": True, "font_size": 12, "font_color": "#1F3A5F"},
        "header": {"bold": True, "text_wrap": True, "valign": "vcenter", "bottom": 1}
        | {"bg_color": "#1F3A5F", "font_color": "#FFFFFF"},
    }
    formats = {name: book.add_format(properties) for name, properties in made.items()}
    for label, (ink, ground) in BAND_COLOURS.items():
        formats[label] = book.add_format({"font_color": ink, "bg_color": ground, "bold": True})
    return formats


def _write(sheet: Any, row: int, column: int, value: object, formats: Any, style: str) -> None:
    """Write a value by its own type; a blank where it is not known."""
    cell = formats[style]
    if value is pd.NaT or not is_known(value) or value == "":
        sheet.write_blank(row, column, None, cell)
    elif style == "date":
        sheet.write_datetime(row, column, pd.Timestamp(str(value)).to_pydatetime(), cell)
    elif isinstance(value, str):
        sheet.write_string(row, column, value, cell)
    else:
        sheet.write_number(row, column, float(value), cell)  # type: ignore[arg-type]


def _list_sheet(
    sheet: Any, rows: pd.DataFrame, columns: list[Column], formats: dict[str, Any]
) -> None:
    last = len(rows)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
        sheet.write_string(0, place, column.title, formats["header"])
        values = rows[column.source] if column.source in rows else [None] * last
        for row, value in enumerate(values, start=1):
            _write(sheet, row, place, value, formats, column.style)
    sheet.set_row(0, 30)
    sheet.freeze_panes(1, 3)
    sheet.autofilter(0, 0, last, len(columns) - 1)
    _colour_bands(sheet, _place(columns, "band"), last, formats)
    value = _place(columns, "value")
    sheet.conditional_format(1, value, last, value, {"type": "data_bar", "bar_color": "#9DB8DC"})
    outcome = next(i for i, c in enumerate(columns) if c.title == "outcome")
    sheet.data_validation(1, outcome, last, outcome, _OUTCOME_RULE)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)


_OUTCOME_RULE = {
    "validate": "list",
    "source": list(OUTCOMES),
    "error_title": "Unknown outcome",
    "error_message": "Choose one of: " + ", ".join(OUTCOMES),
}


def _place(columns: list[Column], source: str) -> int:
    return next(i for i, column in enumerate(columns) if column.source == source)


def _colour_bands(sheet: Any, place: int, last: int, formats: dict[str, Any]) -> None:
    for label in BAND_COLOURS:
        rule = {"type": "cell", "criteria": "==", "value": f'"{label}"', "format": formats[label]}
        sheet.conditional_format(1, place, last, place, rule)


def _summary_sheet(
    book: Any,
    formats: dict[str, Any],
    scores: pd.DataFrame,
    rows: pd.DataFrame,
    run: Mapping[str, Any],
) -> None:
    sheet = book.add_worksheet("Summary")
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 2, 16)
    sheet.set_column(3, 3, 70)
    sheet.hide_gridlines(2)
    company = text(run.get("company")) or "Customer health"
    sheet.write_string(0, 0, f"{company} as of {run['as_of']}", formats["title"])
    blocks = [_book_block(scores, run), _list_block(rows, run), _legend_block(run)]
    at = 2
    for block in blocks:
        at = _write_block(sheet, at, block, formats) + 1


@dataclass(frozen=True)
class _Block:
    """A small table of the summary: a heading row, then rows of value and style."""

    head: tuple[str, ...]
    rows: list[tuple[tuple[object, str], ...]]


def _write_block(sheet: Any, at: int, block: _Block, formats: dict[str, Any]) -> int:
    for place, title in enumerate(block.head):
        sheet.write_string(at, place, title, formats["heading"])
    for row, cells in enumerate(block.rows, start=at + 1):
        for place, (value, style) in enumerate(cells):
            _write(sheet, row, place, value, formats, style)
    return at + len(block.rows) + 1


def _book_block(scores: pd.DataFrame, run: Mapping[str, Any]) -> _Block:
    unit = f" ({run['currency']})" if run.get("currency") else ""
    rows: list[tuple[tuple[object, str], ...]] = []
    for label in BAND_COLOURS:
        own = scores[scores["health_band"] == label.split()[1]]
        loss = own["expected_loss"].sum(min_count=1)
        rows.append(
            ((label, label), (len(own), "whole"), (own["mrr"].sum(), "money"), (loss, "money"))
        )
    rest = scores[scores["health_band"].isna()]
    for name, own in (("not scored (too little data)", rest), ("all accounts", scores)):
        loss = own["expected_loss"].sum(min_count=1)
        rows.append(
            ((name, "text"), (len(own), "whole"), (own["mrr"].sum(), "money"), (loss, "money"))
        )
    return _Block(("The book", "accounts", f"MRR{unit}", f"expected loss{unit}"), rows)


def _list_block(rows: pd.DataFrame, run: Mapping[str, Any]) -> _Block:
    unit = f" ({run['currency']})" if run.get("currency") else ""
    made: list[tuple[tuple[object, str], ...]] = []
    for flag, title in LIST_TITLES.items():
        own = rows[rows["flag"] == flag]
        said = f"{VALUE_TITLES[flag]}. {LIST_PURPOSES[flag]}"
        made.append(
            (
                (title, "text"),
                (len(own), "whole"),
                (own["value"].sum(), "money"),
                (said, "wrapped"),
            )
        )
    return _Block(("Lists", "accounts", f"money{unit}", "what the money is, and the list"), made)


def _legend_block(run: Mapping[str, Any]) -> _Block:
    seen: dict[str, str] = {}
    for flag in LIST_TITLES:
        for column in list_columns(flag, text(run.get("currency")), int(run["horizon_days"])):
            seen.setdefault(column.title, column.meaning)
    rows = [
        ((title, "text"), ("", "text"), ("", "text"), (m, "wrapped")) for title, m in seen.items()
    ]
    return _Block(("Columns", "", "", "meaning"), list(rows))
