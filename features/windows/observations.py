"""Observations: which accounts pay on which dates, and which past dates to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.tables.opened import Tables
from features.tables.point_in_time import Frame
from features.windows.contracts import GRACE_DAYS, load_contracts
from features.windows.day_rows import Codes
from features.windows.returns import kept_orders, returning_rows
from features.windows.table_columns import (
    NEVER,
    Mask,
    Times,
    days_before,
    moment,
    placed,
    places_of,
    seen_from,
)

#: Marks the accounts that pay on a date.
PaysOn = Callable[[pd.Timestamp], Mask]
#: Where the grid of training dates begins.
_FIRST_MONDAY = datetime(1900, 1, 1)
ATTRIBUTES = ("name", "csm", "segment", "industry", "region", "parent_id")


def build_observations(
    tables: Tables,
    dates: Sequence[datetime],
    *,
    active_order_days: int = 365,
    grace_days: int = GRACE_DAYS,
) -> pd.DataFrame:
    """Return the accounts that pay on each date, from what was known before it.

    Parameters
    ----------
    tables : Tables
        Needs accounts and subscriptions, or orders where there are no subscriptions.
    dates : sequence of datetime
        Each means its midnight; a repeated date counts once.
    active_order_days : int
        Without subscriptions an account pays on a date if it ordered at most this many days
        before it.
    grace_days : int
        A gap between two rows of a contract that is shorter does not end it.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_columns)
        account_id, as_of, created_at and the attributes of the accounts table; a row per account
        that pays on the date; ordered by as_of and account_id, with a plain index from 0.
    """
    accounts = _accounts(tables)
    days = sorted({pd.Timestamp(day).normalize().as_unit("us") for day in dates})
    # Names are compared by their place in one dictionary.
    names = accounts["account_id"].dictionary_encode().combine_chunks()
    number = names.indices.to_numpy()
    created = seen_from(_times(accounts), "created_at")
    pays_on = (
        _paying(tables, names.dictionary, grace_days)
        if tables.has("subscriptions")
        else _ordering(tables, names.dictionary, active_order_days)
    )
    paying = [np.flatnonzero(pays_on(day)[number] & (created < moment(day))) for day in days]
    rows = np.concatenate([np.empty(0, dtype=np.intp), *paying])
    # One copy of the accounts' columns for all dates.
    present = [name for name in accounts.column_names if name != "known_at"]
    observations: pd.DataFrame = accounts.select(present).to_pandas(split_blocks=True).take(rows)
    observations.index = pd.RangeIndex(len(observations))
    as_of = np.repeat(np.array(days, dtype="datetime64[us]"), [len(found) for found in paying])
    observations.insert(1, "as_of", as_of)
    return observations


def _accounts(tables: Tables) -> pa.Table:
    """Return the accounts in order; texts are ordered as pandas orders them, by code points."""
    known = ("known_at",) if tables.has("accounts", "known_at") else ()
    present = [column for column in ATTRIBUTES if tables.has("accounts", column)]
    rows = _collected(tables["accounts"].select("account_id", "created_at", *present, *known))
    return rows.take(pc.sort_indices(rows["account_id"]))


def _paying(tables: Tables, names: pa.StringArray, grace_days: int) -> PaysOn:
    """Return which of the named accounts have a paid contract on a date."""
    contracts = load_contracts(tables, grace_days=grace_days)
    account = placed(contracts.rows.account, contracts.rows.texts["account_id"], names)

    def pays_on(day: pd.Timestamp) -> Mask:
        rows = contracts.as_of(day).running()
        return _marked(account[rows[contracts.is_paid[rows]]], len(names))

    return pays_on


def _ordering(tables: Tables, names: pa.StringArray, active_order_days: int) -> PaysOn:
    """Return which of the named accounts ordered within so many days before a date."""
    known = ("known_at",) if tables.has("orders", "known_at") else ()
    day = nw.col("ordered_at").dt.truncate("1d").alias("ordered_at")
    whole, returning = returning_rows(tables, tables["orders"])
    days = _collected(whole.select("account_id", day, *known).unique())
    account, times = places_of(days["account_id"], names), _times(days)
    ordered, known_from = times["ordered_at"], seen_from(times, "ordered_at")

    def pays_on(day: pd.Timestamp) -> Mask:
        as_of = moment(day)
        active = (known_from < as_of) & (ordered >= days_before(as_of, active_order_days))
        kept = kept_orders(returning, day)
        since = day - timedelta(days=active_order_days)
        bought = (kept["amount"] >= 0) & (kept["ordered_at"].dt.floor("D") >= since)
        own = places_of(pa.array(kept.loc[bought, "account_id"], pa.string()), names)
        return _marked(np.concatenate([account[active], own]), len(names))

    return pays_on


def _marked(places: Codes, count: int) -> Mask:
    """Mark the places that occur; an account that is not in the accounts table is at −1."""
    marked = np.zeros(count + 1, dtype=bool)
    marked[places] = True
    return marked[:-1]


def _collected(frame: Frame) -> pa.Table:
    """Run a lazy frame; times come in microseconds."""
    table: pa.Table = frame.collect("pyarrow").to_native()
    for place, name in enumerate(table.column_names):
        if name.endswith("_at"):
            table = table.set_column(place, name, table[name].cast(pa.timestamp("us")))
    return table


def _times(rows: pa.Table) -> dict[str, Times]:
    """Return the columns that hold times, in microseconds from 1970; `NEVER` where empty."""
    return {
        name: pc.fill_null(rows[name].cast(pa.int64()), NEVER).to_numpy()
        for name in rows.column_names
        if name.endswith("_at")
    }


def training_dates(
    tables: Tables,
    *,
    every_days: int,
    weekday: int,
    warm_up_days: int,
    horizon_days: int,
    first: datetime | None = None,
) -> list[datetime]:
    """Return past dates of a fixed grid whose outcome is known.

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
    earliest = max(data_start(tables) + timedelta(days=warm_up_days), first or datetime.min)
    last = tables.observed_until - timedelta(days=horizon_days)
    day = last.replace(hour=0, minute=0, second=0, microsecond=0)
    # One fixed grid: the dates of a later training are those of this one and some more, so that
    # two models can be compared on the very same rows.
    day -= timedelta(days=(day - (_FIRST_MONDAY + timedelta(days=weekday))).days % every_days)
    dates = []
    while day >= earliest:
        dates.append(day)
        day -= timedelta(days=every_days)
    return dates[::-1]


def data_start(tables: Tables) -> datetime:
    """Return when the records begin: the first use, else the first subscription or order."""
    begins = {"usage": "occurred_at", "subscriptions": "started_at", "orders": "ordered_at"}
    table, column = next((t, c) for t, c in begins.items() if tables.has(t))
    first = tables[table].select(nw.col(column).min()).collect("pandas").item()
    return pd.Timestamp(first).to_pydatetime()
