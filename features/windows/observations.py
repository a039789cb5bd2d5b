"""Observations: which accounts pay on which dates, and which past dates to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import account_starts, collect, known_from
from features.windows.contracts import GRACE_DAYS, ContractRows, load_contracts
from features.windows.day_rows import Codes, earliest
from features.windows.returns import kept_orders, returning_rows
from features.windows.table_columns import (
    NEVER,
    Mask,
    TableColumns,
    Times,
    days_before,
    load_columns,
    moment,
    placed,
    places_of,
)

#: Marks the accounts that pay on a date, as known before it.
PaysOn = Callable[[pd.Timestamp], Mask]
#: Where the grid of training dates starts.
_FIRST_MONDAY = datetime(1900, 1, 1)
ATTRIBUTES = ("name", "csm", "segment", "industry", "region", "parent_id")


def build_observations(
    tables: Tables,
    dates: Sequence[datetime],
    *,
    active_order_days: int = 365,
    grace_days: int = GRACE_DAYS,
    contracts: ContractRows | None = None,
    starts: TableColumns | None = None,
    attributes: Sequence[str] = ATTRIBUTES,
) -> pd.DataFrame:
    """Return the accounts that pay on each date, from what was known before it.

    An account exists from the earlier of its ``created_at`` and its first paid contract or order
    (`account_starts`): a ``created_at`` that a migration wrote hides no account that paid before.

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
    contracts : ContractRows, optional
        Those of `tables`, where they are loaded already; `grace_days` does not count then.
    starts : TableColumns, optional
        The `account_starts` of `tables`, where they are loaded already.
    attributes : sequence of str
        Those of the accounts that are returned.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_columns)
        account_id, as_of, created_at (from when the account exists, as known before the date)
        and the attributes that the accounts table has; a row per account that pays on the date;
        ordered by as_of and account_id, with a plain index from 0.
    """
    found = paying_accounts(
        tables,
        dates,
        active_order_days=active_order_days,
        grace_days=grace_days,
        contracts=contracts,
        starts=starts,
        attributes=attributes,
    )
    rows = np.concatenate([np.empty(0, dtype=np.intp), *found.rows])
    since = np.concatenate([np.empty(0, dtype=np.int64), *found.exists_from])
    # One copy of the accounts' columns for all dates.
    observations: pd.DataFrame = found.accounts.to_pandas(split_blocks=True).take(rows)
    observations.index = pd.RangeIndex(len(observations))
    days = np.array(found.days, dtype="datetime64[us]")
    observations.insert(1, "as_of", np.repeat(days, [len(own) for own in found.rows]))
    observations["created_at"] = since.astype("datetime64[us]")
    return observations


@dataclass(frozen=True)
class PayingAccounts:
    """The accounts that pay on some dates.

    Attributes
    ----------
    accounts : pa.Table
        account_id, created_at and attributes of every account, in order of account_id.
    days : list of pd.Timestamp
        The dates, in order.
    rows : list of array of int
        The places among the accounts of those that pay, by date.
    exists_from : list of array of int
        From when each of these exists, in microseconds from 1970.
    """

    accounts: pa.Table
    days: list[pd.Timestamp]
    rows: list[npt.NDArray[np.intp]]
    exists_from: list[Times]


def paying_accounts(
    tables: Tables,
    dates: Sequence[datetime],
    *,
    active_order_days: int = 365,
    grace_days: int = GRACE_DAYS,
    contracts: ContractRows | None = None,
    starts: TableColumns | None = None,
    attributes: Sequence[str] = (),
) -> PayingAccounts:
    """Find the accounts that pay on each date; parameters as of `build_observations`."""
    accounts = _accounts(tables, attributes)
    days = sorted({pd.Timestamp(day).normalize().as_unit("us") for day in dates})
    # Names are compared by their place in one dictionary.
    names = accounts["account_id"].dictionary_encode().combine_chunks()
    number = names.indices.to_numpy()
    if contracts is None and tables.has("subscriptions"):
        contracts = load_contracts(tables, grace_days=grace_days)
    pays_on = (
        _ordering(tables, names.dictionary, active_order_days)
        if contracts is None
        else _paying(contracts, names.dictionary)
    )
    starts = load_columns(account_starts(tables)) if starts is None else starts
    starting = placed(starts.account, starts.texts["account_id"], names.dictionary)
    paying: list[npt.NDArray[np.intp]] = []
    exists_from: list[Times] = []
    for day in days:
        known = starts["known_from"] < moment(day)
        start = earliest(starting[known], len(names.dictionary) + 1, starts["start"][known])
        found = np.flatnonzero(pays_on(day)[number] & (start[number] != NEVER))
        paying.append(found)
        exists_from.append(start[number[found]])
    return PayingAccounts(accounts, days, paying, exists_from)


def _accounts(tables: Tables, attributes: Sequence[str]) -> pa.Table:
    """Return the accounts in order; texts are ordered as pandas orders them, by code points."""
    present = [column for column in attributes if tables.has("accounts", column)]
    frame = tables["accounts"].select("account_id", "created_at", *present)
    rows: pa.Table = frame.collect("pyarrow").to_native()
    return rows.take(pc.sort_indices(rows["account_id"]))


def _paying(contracts: ContractRows, names: pa.StringArray) -> PaysOn:
    """Return which of the named accounts have a paid contract on a date."""
    account = placed(contracts.rows.account, contracts.rows.texts["account_id"], names)

    def pays_on(day: pd.Timestamp) -> Mask:
        running = contracts.as_of(day).running()
        return _marked(account[running[contracts.is_paid[running]]], len(names))

    return pays_on


def _ordering(tables: Tables, names: pa.StringArray, active_order_days: int) -> PaysOn:
    """Return which of the named accounts ordered in the days before a date."""
    if not tables.has("orders"):
        raise HealthError(
            "there are neither subscriptions nor orders, so no account pays on any date",
            where="tables",
            fix="give one of them",
        )
    whole, own_rows = returning_rows(tables, tables["orders"])
    returning = collect(own_rows)
    # Dates are midnights, so days are enough.
    day, known = (time.dt.truncate("1d") for time in (nw.col("ordered_at"), nw.col("known_from")))
    whole = whole.with_columns(known_from(whole, "ordered_at"))
    days = load_columns(whole.select("account_id", day=day, known_from=known).unique())
    account = placed(days.account, days.texts["account_id"], names)

    def pays_on(day: pd.Timestamp) -> Mask:
        as_of = moment(day)
        since = days_before(as_of, active_order_days)
        active = (days["known_from"] < as_of) & (days["day"] >= since)
        kept = kept_orders(returning, day)
        first_day = day - timedelta(days=active_order_days)
        bought = (kept["amount"] >= 0) & (kept["ordered_at"].dt.floor("D") >= first_day)
        own = places_of(pa.array(kept.loc[bought, "account_id"], pa.string()), names)
        return _marked(np.concatenate([account[active], own]), len(names))

    return pays_on


def _marked(places: Codes, count: int) -> Mask:
    """Mark the places that occur; an account that is not in the accounts table is at −1."""
    marked = np.zeros(count + 1, dtype=bool)
    marked[places] = True
    return marked[:-1]


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
        Days after the last date that the data must cover.
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
    """Return when the records start: the first usage, else the first subscription or order."""
    dated_by = {"usage": "occurred_at", "subscriptions": "started_at", "orders": "ordered_at"}
    table, column = next((t, c) for t, c in dated_by.items() if tables.has(t))
    first = tables[table].select(nw.col(column).min()).collect("pyarrow").item()
    return pd.Timestamp(first).to_pydatetime()
