"""The spine: which accounts pay on which dates, and which past dates to learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.tables.opened import Tables
from features.tables.point_in_time import Frame
from features.windows.table_columns import places_of

Times = npt.NDArray[np.datetime64]

#: Where the grid of training dates begins.
_FIRST_MONDAY = datetime(1900, 1, 1)
ATTRIBUTES = ("name", "csm", "segment", "industry", "region", "parent_id")


def build_observations(
    tables: Tables, dates: Sequence[datetime], *, active_order_days: int = 365
) -> pd.DataFrame:
    """Return the accounts that pay on each date, as far as was known before it.

    Parameters
    ----------
    tables : Tables
        Needs accounts and subscriptions, or orders where there are no subscriptions.
    dates : sequence of datetime
        Each means its midnight; one that stands twice counts once.
    active_order_days : int
        Without subscriptions an account pays on a date where it ordered within so many days
        before it.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_columns)
        account_id, as_of, created_at and the attributes that are there; a row per account that
        pays on the date; ordered by as_of and account_id, with a plain index from 0.
    """
    accounts, paid = _accounts(tables), _paid(tables, active_order_days)
    days = sorted({pd.Timestamp(day).normalize().as_unit("us") for day in dates})
    # Names that nobody reads are held against one another where they lie.
    names = accounts["account_id"].dictionary_encode().combine_chunks()
    number, payer = names.indices.to_numpy(), places_of(paid["account_id"], names.dictionary)
    started, held = _times(accounts), _times(paid)
    paying = [_paying_on(started, held, (number, payer), day.to_datetime64()) for day in days]
    rows = np.concatenate([np.empty(0, dtype=np.intp), *paying])
    # One copy of the accounts' columns for all dates.
    present = [name for name in accounts.column_names if name != "known_at"]
    observations: pd.DataFrame = accounts.select(present).to_pandas(split_blocks=True).take(rows)
    observations.index = pd.RangeIndex(len(observations))
    as_of = np.repeat(np.array(days, dtype="datetime64[us]"), [len(found) for found in paying])
    observations.insert(1, "as_of", as_of)
    return observations


def paying_accounts(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return the accounts that pay on a date, as far as was known before it.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_columns)
        Indexed by account_id in order, with created_at and the attributes that are there.
    """
    return build_observations(tables, [as_of]).drop(columns="as_of").set_index("account_id")


def _accounts(tables: Tables) -> pa.Table:
    """Return the accounts in order; texts are ordered as pandas orders them, by code points."""
    known = ("known_at",) if tables.has("accounts", "known_at") else ()
    present = [column for column in ATTRIBUTES if tables.has("accounts", column)]
    rows = _collected(tables["accounts"].select("account_id", "created_at", *present, *known))
    return rows.take(pc.sort_indices(rows["account_id"]))


def _paid(tables: Tables, active_order_days: int) -> pa.Table:
    """Return from when to when each account was paid for, as rows of its contracts tell it."""
    if not tables.has("subscriptions"):
        return _ordering(tables, active_order_days)
    known = ("known_at",) if tables.has("subscriptions", "known_at") else ()
    rows = tables["subscriptions"].filter(nw.col("mrr") > 0)
    return _collected(rows.select("account_id", "started_at", "ended_at", *known))


def _ordering(tables: Tables, active_order_days: int) -> pa.Table:
    """Return how long each day with an order keeps its account active."""
    day = nw.col("ordered_at").dt.truncate("1d").alias("started_at")
    known = ("known_at",) if tables.has("orders", "known_at") else ()
    days = _collected(tables["orders"].select("account_id", day, *known).unique())
    ends = pc.add(days["started_at"], pa.scalar(timedelta(days=active_order_days)))
    return days.append_column("ended_at", ends)


def _collected(frame: Frame) -> pa.Table:
    """Run a lazy frame; times come in microseconds."""
    table: pa.Table = frame.collect("pyarrow").to_native()
    for place, name in enumerate(table.column_names):
        if name.endswith("_at"):
            table = table.set_column(place, name, table[name].cast(pa.timestamp("us")))
    return table


def _times(rows: pa.Table) -> dict[str, Times]:
    """Return the columns that hold times; NaT where there is none."""
    return {name: rows[name].to_numpy() for name in rows.column_names if name.endswith("_at")}


def _paying_on(
    accounts: Mapping[str, Times],
    paid: Mapping[str, Times],
    numbers: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]],
    day: np.datetime64,
) -> npt.NDArray[np.intp]:
    """Return the rows of the accounts that pay on a date; `numbers` name those of both."""
    number, payer = numbers
    running = _known(paid, "started_at", day) & ~(paid["ended_at"] < day)
    # A payment by nobody who is known stands at −1, the last.
    pays = np.zeros(len(number) + 1, dtype=bool)
    pays[payer[running]] = True
    return np.flatnonzero(pays[number] & _known(accounts, "created_at", day))


def _known(rows: Mapping[str, Times], dated_by: str, day: np.datetime64) -> npt.NDArray[np.bool_]:
    """Tell which rows had happened, and had reached the warehouse, before the date."""
    known = rows[dated_by] < day
    return known & ~(rows["known_at"] >= day) if "known_at" in rows else known


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
