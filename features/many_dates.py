"""Rows once for every date on which they were known, for the few that must be told date by date.

Times are compared as they are, which runs alike on DuckDB and on Spark.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd

from features.schema import TABLES
from features.tables import Tables

Frame = nw.LazyFrame[Any]
_AS_OF = nw.col("as_of")


def dates_frame(tables: Tables, spine: pd.DataFrame) -> Frame:
    """Return the spine's dates as a lazy frame of the tables' engine: one column, as_of."""
    dates = spine["as_of"].drop_duplicates().dt.strftime("%Y-%m-%d %H:%M:%S")
    # Of no date a frame without a row; of more, one row that is unfolded.
    listed = ",".join(dates) or "1970-01-01 00:00:00"
    one = tables["accounts"].head(min(len(dates), 1)).select(as_of=nw.lit(listed).str.split(","))
    day = _AS_OF.str.to_datetime("%Y-%m-%d %H:%M:%S").cast(nw.Datetime("us"))
    return one.explode("as_of").select(as_of=day)


def known_on_dates(tables: Tables, table: str, spine: pd.DataFrame) -> Frame:
    """Return each row of a table once for every date of the spine on which it was known.

    Parameters
    ----------
    tables : Tables
        The input tables.
    table : str
        Which one; it must be there.
    spine : pd.DataFrame
        Needs as_of.

    Returns
    -------
    narwhals.LazyFrame
        The table's columns, and as_of. A row counts only after its time and after `known_at`
        (where the table has it), both strictly before the date.
    """
    rows = tables[table].join(dates_frame(tables, spine), how="cross")
    rows = rows.filter(nw.col(TABLES[table].dated_by) < _AS_OF)
    if tables.has(table, "known_at"):
        rows = rows.filter(nw.col("known_at").is_null() | (nw.col("known_at") < _AS_OF))
    return rows


def column_or_null(tables: Tables, table: str, column: str, kind: Any) -> nw.Expr:
    """Return an optional column, null where the table was given without it."""
    if tables.has(table, column):
        return nw.col(column)
    return nw.lit(None, dtype=kind).alias(column)
