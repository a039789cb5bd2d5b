"""What was known before a date: the one place that says so, for every table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw
import pandas as pd

from features.tables.opened import Tables
from features.tables.schema import TABLES

Frame = nw.LazyFrame[Any]


def known_rows(tables: Tables, table: str, as_of: datetime, *, dated_by: str = "") -> Frame:
    """Return the rows of a table that were known before `as_of`, strictly.

    Parameters
    ----------
    tables : Tables
        The input tables.
    table : str
        Which one; it must be there.
    as_of : datetime
        A row counts from the later of its time and `known_at` (where the table has it).
    dated_by : str, optional
        Another column than the table's own to date a row by.
    """
    frame = tables[table].filter(is_before(table, as_of, dated_by or TABLES[table].dated_by))
    if tables.has(table, "known_at"):
        frame = frame.filter(nw.col("known_at").is_null() | (nw.col("known_at") < as_of))
    return frame


def is_before(table: str, as_of: datetime, dated_by: str) -> nw.Expr:
    """Return whether a row of a table dates from before `as_of`, or needs no date to count."""
    before = nw.col(dated_by) < as_of
    if dated_by == TABLES[table].dated_by and TABLES[table].may_be_undated:
        return before | nw.col(dated_by).is_null()
    return before


def seen(column: str, as_of: datetime) -> nw.Expr:
    """Return a time column as it stood at `as_of`: null where it is filled in later."""
    return nw.when(nw.col(column) < as_of).then(nw.col(column)).alias(column)


def collect(frame: Frame) -> pd.DataFrame:
    """Run a lazy frame and return it in pandas, in no particular order."""
    # By way of Arrow, which makes a text that stands in many rows once; times stay microseconds.
    result: pd.DataFrame = frame.collect("pyarrow").to_native().to_pandas()
    return result
