"""The spine: which accounts pay on a date, and which past dates to learn from."""

from __future__ import annotations

from datetime import datetime, timedelta

import narwhals as nw
import pandas as pd

from features.point_in_time import collect, known_rows, running
from features.tables import Tables

ATTRIBUTES = ("name", "csm", "segment", "industry", "region", "parent_id")


def paying_accounts(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return the accounts that pay on a date, as far as was known before it.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_columns)
        Indexed by account_id in order, with created_at and the attributes that are there.
    """
    paying = running(tables, as_of).filter(nw.col("mrr") > 0).select("account_id").unique()
    there = [column for column in ATTRIBUTES if tables.has("accounts", column)]
    accounts = known_rows(tables, "accounts", as_of).select("account_id", "created_at", *there)
    joined = collect(accounts.join(paying, on="account_id", how="inner"))
    return joined.set_index("account_id").sort_index()


def training_dates(
    tables: Tables,
    *,
    every_days: int,
    weekday: int,
    warm_up_days: int,
    horizon_days: int,
    first: datetime | None = None,
) -> list[datetime]:
    """Return past dates whose outcome is known, from the last one backwards.

    Parameters
    ----------
    tables : Tables
        The input tables; the data ends at their `observed_until`.
    every_days : int
        Days between two dates.
    weekday : int
        0 = Monday; every date falls on it where `every_days` is whole weeks.
    warm_up_days : int
        History that the first date should have before it.
    horizon_days : int
        Days after the last date that must lie in the data.
    first : datetime, optional
        Not earlier than this.

    Returns
    -------
    list of datetime
        In order; empty where the history is too short.
    """
    earliest = max(_data_start(tables) + timedelta(days=warm_up_days), first or datetime.min)
    last = tables.observed_until - timedelta(days=horizon_days)
    day = last.replace(hour=0, minute=0, second=0, microsecond=0)
    day -= timedelta(days=(day.weekday() - weekday) % 7)
    dates = []
    while day >= earliest:
        dates.append(day)
        day -= timedelta(days=every_days)
    return dates[::-1]


def _data_start(tables: Tables) -> datetime:
    """Return when the records begin: the first use, else the first subscription."""
    table, column = (
        ("usage", "occurred_at") if tables.has("usage") else ("subscriptions", "started_at")
    )
    first = tables[table].select(nw.col(column).min()).collect("pandas").item()
    return pd.Timestamp(first).to_pydatetime()
