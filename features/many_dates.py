"""Many dates at once: the rows known on each date, as one lazy frame, and back to the spine.

Joining the rows with a handful of dates, filtering and grouping costs one scan for all dates.
Everything here runs alike on DuckDB and on Spark, which has no difference of times in Narwhals:
so times are compared as they are, and lengths of time are counted by the calendar.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import narwhals as nw
import pandas as pd

from features.point_in_time import collect
from features.schema import TABLES
from features.tables import Tables

Frame = nw.LazyFrame[Any]
KEYS = ("as_of", "account_id")
_AS_OF = nw.col("as_of")


def dates_frame(tables: Tables, spine: pd.DataFrame) -> Frame:
    """Return the spine's dates as a lazy frame of the tables' engine: one column, as_of."""
    dates = spine["as_of"].drop_duplicates().dt.strftime("%Y-%m-%d %H:%M:%S")
    # Of no date a frame without a row; of more, one row that is unfolded.
    listed = ",".join(dates) or "1970-01-01 00:00:00"
    one = tables["accounts"].head(min(len(dates), 1)).select(as_of=nw.lit(listed).str.split(","))
    day = _AS_OF.str.to_datetime("%Y-%m-%d %H:%M:%S").cast(nw.Datetime("us"))
    return one.explode("as_of").select(as_of=day)


def known_on_dates(
    tables: Tables, table: str, spine: pd.DataFrame, rows: Frame | None = None
) -> Frame:
    """Return each row of a table once for every date of the spine on which it was known.

    Parameters
    ----------
    tables : Tables
        The input tables.
    table : str
        Which one; it must be there.
    spine : pd.DataFrame
        Needs as_of.
    rows : narwhals.LazyFrame, optional
        The table with further columns: what does not hang on the date is worked out once.

    Returns
    -------
    narwhals.LazyFrame
        The table's columns, and as_of. A row counts only after its time and after `known_at`
        (where the table has it), both strictly before the date.
    """
    rows = (tables[table] if rows is None else rows).join(dates_frame(tables, spine), how="cross")
    rows = rows.filter(nw.col(TABLES[table].dated_by) < _AS_OF)
    if tables.has(table, "known_at"):
        rows = rows.filter(nw.col("known_at").is_null() | (nw.col("known_at") < _AS_OF))
    return rows


def last_days(column: str, days: float, *, until_days: float = 0) -> nw.Expr:
    """Tell whether a time lies in [as_of − days, as_of − until_days); null where it is null."""
    start, end = _AS_OF - timedelta(days=days), _AS_OF - timedelta(days=until_days)
    return (nw.col(column) >= start) & (nw.col(column) < end)


def days_between(start: str, end: str) -> nw.Expr:
    """Return the days, with their fraction, from one time to another; null where either is."""
    return day_in_calendar(end) - day_in_calendar(start) + (_day_part(end) - _day_part(start))


def day_in_calendar(column: str) -> nw.Expr:
    """Return the number of a time's day in the calendar that has no beginning (Gregorian)."""
    year = nw.col(column).dt.year() - 1
    leap_days = year // 4 - year // 100 + year // 400
    return (year * 365 + leap_days + nw.col(column).dt.ordinal_day()).cast(nw.Float64)


def _day_part(column: str) -> nw.Expr:
    """Return how much of its day has gone by at a time, 0 to 1."""
    time = nw.col(column).dt
    seconds = time.hour() * 3600 + time.minute() * 60 + time.second()
    fraction = time.microsecond().cast(nw.Float64) / 1_000_000
    return (seconds.cast(nw.Float64) + fraction) / 86_400


def column_or_null(tables: Tables, table: str, column: str, kind: Any) -> nw.Expr:
    """Return an optional column, null where the table was given without it."""
    if tables.has(table, column):
        return nw.col(column)
    return nw.lit(None, dtype=kind).alias(column)


def count_where(condition: nw.Expr) -> nw.Expr:
    """Count the rows where a condition holds; where it is null it does not."""
    return nw.when(condition).then(nw.lit(1.0)).otherwise(nw.lit(0.0)).sum()


def on_spine(frame: Frame, spine: pd.DataFrame) -> pd.DataFrame:
    """Run a frame that has a row per date and account, and lay it on the spine's index.

    Returns
    -------
    pd.DataFrame, shape = (n_rows of the spine, n_columns)
        The frame's further columns; null where it has no row.
    """
    return lay(collect(frame), spine)


def lay(frame: pd.DataFrame, spine: pd.DataFrame) -> pd.DataFrame:
    """Lay a frame that has a row per date and account on the spine's index."""
    frame = frame.assign(as_of=frame["as_of"].astype(spine["as_of"].dtype))
    laid = spine[list(KEYS)].merge(frame, on=list(KEYS), how="left", validate="m:1")
    return laid.set_axis(spine.index).drop(columns=list(KEYS))
