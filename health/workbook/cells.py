"""Cells of the workbook: formats by name, and values written as what they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

#: Colours of the bands: ink, ground; each pair has a contrast above 7.
BAND_COLOURS = {
    "red": ("#7A1210", "#FBE3E1"),
    "yellow": ("#5C4300", "#FFF2CC"),
    "green": ("#14532D", "#DFF3E4"),
}
#: The most rows of a sheet, which nobody reads to its end; each 10,000 take a second and 60 MB.
MOST_ROWS = 10_000
#: The longest text a cell holds.
_MOST_CHARACTERS = 32767
_TOP = {"valign": "top", "bottom": 4, "bottom_color": "#C9D1DA"}
_HEADER = {"bold": True, "text_wrap": True, "valign": "vcenter"} | {
    "bg_color": "#1F3A5F",
    "font_color": "#FFFFFF",
}
_STYLES: dict[str, dict[str, Any]] = {
    "text": {**_TOP, "num_format": "@", "align": "left", "indent": 1},
    "wrapped": {**_TOP, "text_wrap": True, "align": "left", "indent": 1},
    "entry": {**_TOP, "text_wrap": True, "bg_color": "#F4F6FA", "border": 1}
    | {"border_color": "#D5DBE3"},
    "entry_date": {**_TOP, "num_format": "yyyy-mm-dd", "bg_color": "#F4F6FA", "border": 1}
    | {"border_color": "#D5DBE3"},
    "whole": {**_TOP, "num_format": "#,##0"},
    "score": {**_TOP, "num_format": "0.0"},
    "change": {**_TOP, "num_format": "+0.0;-0.0;0.0"},
    "money": {**_TOP, "num_format": "#,##0"},
    "share": {**_TOP, "num_format": "0.0%"},
    "date": {**_TOP, "num_format": "yyyy-mm-dd", "align": "left", "indent": 1},
    "title": {"bold": True, "font_size": 16},
    "about": {"font_color": "#52606D"},
    "heading": {"bold": True, "font_color": "#1F3A5F", "bottom": 1, "align": "left", "indent": 1},
    "heading_right": {"bold": True, "font_color": "#1F3A5F", "bottom": 1, "align": "right"},
    "header": {**_HEADER, "align": "left", "indent": 1},
    "header_right": {**_HEADER, "align": "right"},
}


def make_formats(book: Any) -> dict[str, Any]:
    """Add the cell formats to a workbook and return them by style, the bands' by their name."""
    formats = {name: book.add_format(properties) for name, properties in _STYLES.items()}
    for name, (ink, ground) in BAND_COLOURS.items():
        formats[name] = book.add_format({"font_color": ink, "bg_color": ground, "bold": True})
    return formats


def write_cell(
    sheet: Any, row: int, column: int, value: Any, formats: Mapping[str, Any], style: str
) -> None:
    """Write a value in a style: text as text, never as a formula; a blank where unknown."""
    cell = formats[style]
    if _is_unknown(value):
        sheet.write_blank(row, column, None, cell)
    elif isinstance(value, str):
        sheet.write_string(row, column, value[:_MOST_CHARACTERS], cell)
    elif style == "date":
        sheet.write_datetime(row, column, pd.Timestamp(value).to_pydatetime(), cell)
    else:
        sheet.write_number(row, column, float(value), cell)


def _is_unknown(value: Any) -> bool:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, str) and not value):
        return True
    return isinstance(value, float) and not math.isfinite(value)
