"""The workbook of the week: a summary and a sheet per list, for CSMs to filter and fill in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter

from health.business.kinds import business_of, with_money
from health.presentation import wording
from health.workbook.cells import BAND_COLOURS, make_formats, write_cell
from health.workbook.columns import OUTCOMES, Column, list_columns
from health.workbook.summary import write_summary

# Text stays text: an account may be called "=HYPERLINK(...)" or "0123".
_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
}

#: Styles of cells that are set to the left.
_LEFT = {"text", "wrapped", "entry", "date"}
#: Height of a line of text, in points.
_LINE = 15
#: Stands alone on the sheet of an empty list.
EMPTY = "No account is on this list this week."


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
        The tables of the run. The reasons in words stand in `flags`; `reasons` is not read.
    run : mapping
        Content of run.json.
    """
    scores = with_money(scores)
    rows = flag_rows(scores, flags)
    book = xlsxwriter.Workbook(str(path), _OPTIONS)
    title = f"{wording.text_of(run['company']) or 'Customer health'} as of {run['as_of']}"
    # A fixed date of creation: what is written depends on the run alone.
    created = datetime.fromisoformat(str(run["as_of"]))
    book.set_properties({"title": title, "created": created})
    # What an outcome that is read back answers to.
    book.set_custom_property("as_of", str(run["as_of"]))
    formats = make_formats(book)
    write_summary(book.add_worksheet("Summary"), formats, scores, rows, run)
    for kind in business_of(run).lists:
        sheet = book.add_worksheet(kind.title)
        own = rows[rows["flag"] == kind.flag]
        columns = list_columns(kind, run)
        _write_list(sheet, own, columns, formats)
    book.close()


def flag_rows(scores: pd.DataFrame, flags: pd.DataFrame) -> pd.DataFrame:
    """Join each flag with its account's figures.

    Returns
    -------
    pd.DataFrame, shape = (n_flags, n_columns)
        The flags by CSM and rank, with the figures of the account, `band` as letter and word,
        and a reason a line.
    """
    loaded = scores.drop(columns=["name", "csm", "as_of"], errors="ignore")
    rows = flags.merge(loaded.drop_duplicates("account_id"), on="account_id", how="left")
    lines = rows["reasons"].map(lambda text: wording.text_of(text).replace("; ", "\n"))
    bands = rows["health_band"].map(_band_text)
    rows = rows.assign(band=bands, reasons=lines)
    return rows.sort_values(["csm", "rank", "account_id"], na_position="last")


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
    wrapped = [column for column in columns if column.style == "wrapped"]
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
    band, value, outcome = (_place(columns, s) for s in ("band", "value", "outcome"))
    for name in BAND_COLOURS:
        rule = {"type": "cell", "criteria": "==", "value": f'"{_band_text(name)}"'}
        sheet.conditional_format(1, band, last, band, {**rule, "format": formats[name]})
    bar = {"type": "data_bar", "bar_color": "#9DB8DC", "min_type": "num"}
    sheet.conditional_format(1, value, last, value, {**bar, "min_value": 0})
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
