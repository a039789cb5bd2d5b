"""What was known before a date, for every table: each rule is defined here once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw
import pandas as pd

from features.tables.opened import Tables
from features.tables.schema import TABLES

Frame = nw.LazyFrame[Any]
#: Before every time that can be read.
_EARLIEST = datetime(1, 1, 1)


def known_from(rows: Frame, dated_by: str, *, undated: bool = False) -> nw.Expr:
    """Return the column ``known_from``: a row counts on the dates that are later.

    Parameters
    ----------
    rows : narwhals.LazyFrame
        Rows of a table.
    dated_by : str
        The column with the time of a row. The later of this time and ``known_at`` counts; an
        empty ``known_at`` is no later.
    undated : bool
        Whether a row without a time counts from its ``known_at`` on, without one on every date;
        by default it never counts.
    """
    own = nw.col(dated_by).fill_null(_EARLIEST) if undated else nw.col(dated_by)
    if "known_at" not in rows.collect_schema().names():
        return own.alias("known_from")
    late = nw.col("known_at")
    return nw.when(late > own).then(late).otherwise(own).alias("known_from")


def known_rows(tables: Tables, table: str, as_of: datetime, *, dated_by: str = "") -> Frame:
    """Return the rows of a table that were known before `as_of`, strictly.

    Parameters
    ----------
    tables : Tables
        The input tables.
    table : str
        Which one; it must be present.
    as_of : datetime
        A row counts from the later of its time and `known_at` (where the table has it).
    dated_by : str, optional
        Another column than the table's own to date a row by.
    """
    rows, own = tables[table], TABLES[table].dated_by
    undated = TABLES[table].may_be_undated and dated_by in {"", own}
    return rows.filter(known_from(rows, dated_by or own, undated=undated) < as_of)


def seen(column: str, as_of: datetime) -> nw.Expr:
    """Return a time column as it was at `as_of`: null where it is filled in later."""
    return nw.when(nw.col(column) < as_of).then(nw.col(column)).alias(column)


def account_starts(tables: Tables) -> Frame:
    """Return the times from which accounts exist, and when each was known.

    An account exists from the earlier of its ``created_at`` and the start of its first paid
    contract (without subscriptions, its first order). A start is known from the time on which
    both its row and the account were known.

    Returns
    -------
    narwhals.LazyFrame
        account_id, start and known_from. As of a date, the earliest start of the rows that were
        known before it counts; an account without such a row does not exist yet.
    """
    accounts = tables["accounts"]
    keys = ("account_id", "start", "known_from")
    starts = accounts.with_columns(known_from(accounts, "created_at"), start=nw.col("created_at"))
    starts = starts.select(*keys)
    rows, at = tables.frames.get("orders"), "ordered_at"
    if tables.has("subscriptions"):
        rows, at = tables["subscriptions"].filter(nw.col("mrr") > 0), "started_at"
    if rows is not None:
        rows = rows.with_columns(known_from(rows, at), start=nw.col(at)).select(*keys)
        if tables.has("accounts", "known_at"):
            rows = rows.join(accounts.select("account_id", "known_at"), on="account_id")
            rows = rows.with_columns(known_from(rows, "known_from")).select(*keys)
        starts = nw.concat([starts, rows], how="vertical")
    # Of what was known on time only an account's first start matters.
    late = nw.when(nw.col("known_from") > nw.col("start")).then(nw.col("known_from"))
    grouped = starts.with_columns(late=late).group_by("account_id", "late")
    first = grouped.agg(nw.col("start").min())
    return first.with_columns(known_from=nw.max_horizontal("start", "late")).select(*keys)


def collect(frame: Frame) -> pd.DataFrame:
    """Run a lazy frame and return it in pandas, in no particular order."""
    # By way of Arrow, which makes a repeated text once; times stay microseconds.
    result: pd.DataFrame = frame.collect("pyarrow").to_native().to_pandas()
    return result
