"""Orders by day, and the intervals between them, as of one date after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.orders.catalogue import BOUGHT, COUNT, HABIT_DAYS, RETURNED
from features.tables.opened import Tables
from features.tables.point_in_time import known_from
from features.windows.day_rows import (
    AFTER_ALL_DAYS,
    BEFORE_ALL_DAYS,
    Codes,
    DayRows,
    Numbers,
    day_number,
    earliest,
    order_of_days,
    summed,
)
from features.windows.observation_dates import ByAccount
from features.windows.returns import kept_orders, returning_rows
from features.windows.table_columns import DAY_US, Mask, TableColumns, load_columns, quantiles

#: Days of the last quarter, and of it with the three before.
QUARTER, FOUR_QUARTERS = 90, 360
_HABIT = timedelta(days=HABIT_DAYS)
_Rows = npt.NDArray[np.intp]


class Orders:
    """The orders of a company, as of one date after another.

    A return, a row with an amount below zero, is no order, and neither is an order that was
    returned in full. Returns change past orders, so the orders of accounts with a return are put
    together for each date.

    Parameters
    ----------
    tables : Tables
        Needs orders.
    observations : pd.DataFrame
        Needs as_of.
    accounts : pd.Index
        The accounts of the observations.
    """

    def __init__(self, tables: Tables, observations: pd.DataFrame, accounts: pd.Index[str]) -> None:
        rows, self._count = _loaded(tables, observations, accounts), len(accounts)
        self._returns = np.zeros(self._count, dtype=bool)
        self._returns[rows.account[rows["amount"] < 0]] = True
        self._returning = _with_codes(rows.taken(self._returns[rows.account]))
        dates = [day_number(date) for date in observations["as_of"].unique()]
        self._whole = OrderDays(_days(rows, dates[0]), self._count, dates)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return what every account ordered, as of a date; see `OrderDays.as_of`."""
        out = self._whole.as_of(day)
        if not self._returns.any():
            return out
        kept = kept_orders(self._returning, day)
        at = kept["ordered_at"].to_numpy().astype("datetime64[D]").astype(np.int64)
        columns = {"day": at, "amount": kept["amount"].to_numpy(dtype=float)}
        rows = TableColumns(kept["account_id"].to_numpy(dtype=np.int64), self._count, columns, {})
        own = OrderDays(rows, self._count, [day_number(day)]).as_of(day)
        return {name: np.where(self._returns, own[name], out[name]) for name in out}


def _with_codes(rows: TableColumns) -> pd.DataFrame:
    """Return what `kept_orders` needs, with accounts and products as numbers."""
    product = np.where(rows["product"] < 0, np.nan, rows["product"])
    times = {name: rows[name].view("datetime64[us]") for name in ("ordered_at", "known_from")}
    own = {"account_id": rows.account, "amount": rows["amount"], "product": product}
    return pd.DataFrame(own | times)


def _days(rows: TableColumns, first: int) -> TableColumns:
    """Return orders with their day, and where some were late, the day on which they were known.

    What was known before the first date counts on all dates: it is not late.
    """
    day, columns = rows["ordered_at"] // DAY_US, {"amount": rows["amount"]}
    is_late = (rows["known_from"] > rows["ordered_at"]) & (rows["known_from"] >= first * DAY_US)
    if is_late.any():
        columns["known"] = np.where(is_late, rows["known_from"] // DAY_US, day)
    return TableColumns(rows.account, rows.accounts, {"day": day, **columns}, {})


class OrderDays:
    """Orders in order of day, as of one date after another.

    Parameters
    ----------
    rows : TableColumns
        account, day, amount, and known where rows arrived late.
    accounts : int
        How many accounts there are.
    dates : sequence of int
        The dates, as days from 1970.
    """

    def __init__(self, rows: TableColumns, accounts: int, dates: Sequence[int]) -> None:
        is_order = rows["amount"] >= 0
        self._count = accounts
        self._orders, self._returned = (_by_day(rows, own) for own in (is_order, ~is_order))
        self._first_day = earliest(self._orders.account, self._count, self._orders.day)
        self._intervals = Intervals(self._orders, self._count, dates)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return what every account ordered, as of a date.

        Returns
        -------
        mapping of str to array of float
            The windows of `COUNT`, `BOUGHT` and `RETURNED`; since, the days since the latest order
            (1 if that was on the day before); amount_before, what was kept in the three quarters
            before the last one; started, the days since the first order (for orders before every
            window, since the last of them); interval, the median number of days from one day with
            orders to the next, and intervals, how many there are. NaN where no order was known.
        """
        as_of = day_number(day)
        started, since = self._ages(as_of)
        out = self._levels(as_of) | self._intervals.as_of(as_of)
        result = {n: np.where(np.isnan(since), np.nan, v) for n, v in out.items()}
        return {"since": since, "started": started} | result

    def _ages(self, as_of: int) -> tuple[Numbers, Numbers]:
        """Return the days since the first and since the latest order of each account."""
        known = self._orders.within(as_of, as_of - BEFORE_ALL_DAYS)
        account, ages = self._orders.account[known], as_of - self._orders.day[known]
        last = np.full(self._count, np.nan)
        # Orders are sorted by day: the last one assigned remains.
        last[account] = ages
        first_day = self._first_day
        if self._orders.known is not None:
            # An earlier order may not have been known yet.
            first_day = earliest(account, self._count, self._orders.day[known])
        return np.where(np.isnan(last), np.nan, as_of - first_day), last

    def _levels(self, as_of: int) -> ByAccount:
        before = (
            self._sum(rows, as_of, FOUR_QUARTERS, QUARTER)
            for rows in (self._orders, self._returned)
        )
        return {
            **self._orders.totals_in_windows(as_of, self._count, COUNT),
            **self._orders.totals_in_windows(as_of, self._count, BOUGHT),
            **self._returned.totals_in_windows(as_of, self._count, RETURNED),
            "amount_before": np.sum(list(before), axis=0),
        }

    def _sum(self, rows: DayRows, as_of: int, days: int, until_days: int = 0) -> Numbers:
        return rows.totals(rows.within(as_of, days, until_days), self._count, "amount")


def _loaded(tables: Tables, observations: pd.DataFrame, accounts: pd.Index[str]) -> TableColumns:
    """Load the orders that count on any date.

    Returns
    -------
    TableColumns
        ordered_at, amount, product and known_from. The last order of an account before every
        window represents all of them, unless the account ever returned anything.
    """
    first, last = (
        day.to_pydatetime() for day in (observations["as_of"].min(), observations["as_of"].max())
    )
    rows = tables["orders"]
    rows = rows.with_columns(known_from(rows, "ordered_at"))
    if not tables.has("orders", "product"):
        rows = rows.with_columns(product=nw.lit(None, nw.String))
    at, known, start = nw.col("ordered_at"), nw.col("known_from"), first - _HABIT
    rows = rows.filter(at < last, known < last)
    whole, returning = returning_rows(tables, rows)
    # What was known before every date counts on all of them.
    late = nw.when((known >= first) & (known > at)).then(known.dt.truncate("1d"))
    older = whole.filter(at < start, nw.col("amount") >= 0).with_columns(late=late)
    older = (
        older.group_by("account_id", "late")
        .agg(at.max())
        .with_columns(
            amount=nw.lit(0.0),
            product=nw.lit(None, nw.String),
            # Some engines lose the precision of a time that is cut off.
            known_from=nw.max_horizontal("ordered_at", "late").cast(nw.Datetime("us")),
        )
    )
    names = ["account_id", "ordered_at", "amount", "product"]
    has_late = tables.has("orders", "known_at")
    names += ["known_from"] if has_late else []
    parts = [older, returning.filter(at < start), rows.filter(at >= start)]
    loaded = load_columns(
        nw.concat([part.select(*names) for part in parts], how="vertical"), accounts
    )
    if has_late:
        return loaded
    return replace(loaded, columns={**loaded.columns, "known_from": loaded["ordered_at"]})


def _by_day(rows: TableColumns, chosen: Mask) -> DayRows:
    """Return some of the rows in order of day."""
    places = np.flatnonzero(chosen)
    order = order_of_days(rows["day"][places])
    places = places if order is None else places[order]
    account, known = rows.account[places], rows.columns.get("known")
    late, amount = None if known is None else known[places], rows["amount"][places]
    return DayRows(account, account, rows["day"][places], late, {"amount": amount})


class Intervals:
    """The intervals of all accounts.

    Parameters
    ----------
    rows : DayRows
        Days with orders.
    accounts : int
        How many accounts there are.
    dates : sequence of int
        The dates, as days from 1970.

    Notes
    -----
    An interval counts from when both of its days are known, and until a day between them is. If
    the orders of an account become known in their order, its intervals are those of neighbours.
    """

    def __init__(self, rows: DayRows, accounts: int, dates: Sequence[int]) -> None:
        self._accounts = accounts
        account, day, known_from = _distinct_days(rows)
        start, end, until = _neighbours(account, known_from, dates)
        self._account, self._start, self._until = account[end], day[start], until
        self._length = day[end] - self._start
        self._known_from = np.maximum(known_from[start], known_from[end])

    def as_of(self, as_of: int) -> ByAccount:
        """Return the median of days of each account's intervals, and how many there are."""
        # Both days are within the reach: an interval is shorter.
        inside = (self._start >= as_of - HABIT_DAYS) & (self._known_from < as_of)
        if self._until is not None:
            inside &= self._until >= as_of
        rows = np.flatnonzero(inside)
        account = self._account[rows]
        usual = quantiles(account, self._accounts, self._length[rows])
        return {"interval": usual.of(0.5), "intervals": summed(account, self._accounts)}


def _distinct_days(rows: DayRows) -> tuple[Codes, Codes, Codes]:
    """Return account and day of each day with orders, in this order, and when it was known."""
    # Single numbers are sorted several times as fast as pairs.
    first_day = int(rows.day.min(initial=0))
    span = int(rows.day.max(initial=0)) - first_day + 1
    pairs = rows.account.astype(np.int64) * span + rows.day - first_day
    if rows.known is None:
        # Values are sorted many times as fast as places.
        pairs.sort()
        account, days = np.divmod(pairs[_first_of_each(pairs)], span)
        return account, days + first_day, days + first_day
    order = np.argsort(pairs)
    first = _first_of_each(pairs[order])
    account, day = rows.account[order[first]], rows.day[order[first]]
    if not len(first):
        return account, day, day
    return account, day, np.minimum.reduceat(rows.known_from[order], first)


def _first_of_each(values: Codes) -> _Rows:
    """Return the place of the first of each value, of values in order."""
    return np.flatnonzero(np.append(len(values) > 0, values[1:] != values[:-1]))


def _neighbours(
    account: Codes, known_from: Codes, dates: Sequence[int]
) -> tuple[_Rows, _Rows, Codes | None]:
    """Return the pairs of days that are neighbours on any date, and the last such date.

    Parameters
    ----------
    account, known_from : array of int
        Of days in order of account and day.
    dates : sequence of int
        In order.

    Returns
    -------
    start, end : array of int
        The places of both days.
    until : array of int or None
        None where they are neighbours on every date once both days are known.
    """
    start = np.flatnonzero(account[1:] == account[:-1])
    late = start[known_from[start] > known_from[start + 1]]
    if not len(late):
        return start, start + 1, None
    starts, ends, untils = [start], [start + 1], [np.full(len(start), AFTER_ALL_DAYS)]
    # From the last date back: without a day that is not known yet, its neighbours are a pair.
    left = np.flatnonzero(np.isin(account, account[late]))
    for date in reversed(dates):
        known = np.flatnonzero(known_from[left] < date)
        gaps = np.flatnonzero(np.diff(known) > 1)
        left = left[known]
        gaps = gaps[account[left[gaps]] == account[left[gaps + 1]]]
        starts.append(left[gaps])
        ends.append(left[gaps + 1])
        untils.append(np.full(len(gaps), date))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(untils)
