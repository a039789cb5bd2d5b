"""Orders in order of day, looked at as of one date after another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features.orders.intervals import HABIT_DAYS, Intervals
from features.tables.opened import Tables
from features.tables.point_in_time import Frame, known_from
from features.windows.day_rows import BEFORE_ALL_DAYS, DayRows, Numbers, day_number, earliest
from features.windows.observation_dates import ByAccount
from features.windows.returns import kept_orders, returning_rows
from features.windows.table_columns import TableColumns, load_columns

#: Windows of what was ordered lately.
WINDOWS = (90, 365)
#: Days of the last quarter, and of it with the three before.
QUARTER, FOUR_QUARTERS = 90, 360


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
        last = observations["as_of"].max().to_pydatetime()
        rows = tables["orders"].filter(nw.col("ordered_at") < last)
        whole, returning = returning_rows(tables, rows)
        place = accounts.get_indexer(pd.Index(returning["account_id"]))
        self._returning = returning.assign(place=place)[place >= 0]
        self._returns = np.zeros(len(accounts), dtype=bool)
        self._returns[self._returning["place"]] = True
        dates = [day_number(date) for date in observations["as_of"].unique()]
        self._count = len(accounts)
        self._whole = OrderDays(_loaded(tables, whole, observations, accounts), self._count, dates)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return what every account ordered, as of a date; see `OrderDays.as_of`."""
        out = self._whole.as_of(day)
        if not self._returns.any():
            return out
        kept = kept_orders(self._returning, day)
        at = kept["ordered_at"].to_numpy().astype("datetime64[D]").astype(np.int64)
        columns = {"day": at, "amount": kept["amount"].to_numpy(dtype=float)}
        rows = TableColumns(kept["place"].to_numpy(dtype=np.int64), self._count, columns, {})
        own = OrderDays(rows, self._count, [day_number(day)]).as_of(day)
        return {name: np.where(self._returns, own[name], out[name]) for name in out}


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
        self._orders, self._given_back = (_by_day(rows.taken(r)) for r in (is_order, ~is_order))
        self._first_day = earliest(self._orders.account, self._count, self._orders.day)
        self._intervals = Intervals(self._orders, self._count, dates)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return what every account ordered, as of a date.

        Returns
        -------
        mapping of str to array of float
            since, the days since the latest order (1 where that was on the day before); of each
            of `WINDOWS` the orders' count, what was bought with them, and the amount that is left
            of this without what was given back in the window, as ``count_90d``, ``bought_90d`` and
            ``amount_90d``; amount_before, of the three quarters before the last one; begun, the
            days since the first order (of those before every window, since their last); interval,
            the median of days from one day with orders to the next, and intervals, how many there
            are. NaN where no order was known.
        """
        as_of = day_number(day)
        started, since = self._ages(as_of)
        out = self._levels(as_of) | self._intervals.as_of(as_of)
        result = {n: np.where(np.isnan(since), np.nan, v) for n, v in out.items()}
        return {"since": since, "begun": started} | result

    def _ages(self, as_of: int) -> tuple[Numbers, Numbers]:
        """Return the days since the first and since the latest order of each account."""
        known = self._orders.within(as_of, as_of - BEFORE_ALL_DAYS)
        account, ages = self._orders.account[known], as_of - self._orders.day[known]
        last = np.full(self._count, np.nan)
        # In order of day: the one written last stays.
        last[account] = ages
        first_day = self._first_day
        if self._orders.known is not None:
            # An earlier order may not have been known yet.
            first_day = earliest(account, self._count, self._orders.day[known])
        return np.where(np.isnan(last), np.nan, as_of - first_day), last

    def _levels(self, as_of: int) -> ByAccount:
        out: ByAccount = {}
        for window in WINDOWS:
            inside = self._orders.within(as_of, window)
            out[f"count_{window}d"] = self._orders.totals(inside, self._count)
            out[f"bought_{window}d"] = self._orders.totals(inside, self._count, "amount")
            given_back = self._sum(self._given_back, as_of, window)
            out[f"amount_{window}d"] = out[f"bought_{window}d"] + given_back
        before = (
            self._sum(rows, as_of, FOUR_QUARTERS, QUARTER)
            for rows in (self._orders, self._given_back)
        )
        return out | {"amount_before": np.sum(list(before), axis=0)}

    def _sum(self, rows: DayRows, as_of: int, days: int, until_days: int = 0) -> Numbers:
        return rows.totals(rows.within(as_of, days, until_days), self._count, "amount")


def _loaded(
    tables: Tables, orders: Frame, observations: pd.DataFrame, accounts: pd.Index[str]
) -> TableColumns:
    """Return the orders that any date sees: each is brought in once.

    Returns
    -------
    TableColumns
        day; amount; known, the day on which a row was known where that was late, NaN elsewhere,
        where rows tell it. Of what an account ordered before every window the last order stands
        for all.
    """
    first, last = (
        day.to_pydatetime() for day in (observations["as_of"].min(), observations["as_of"].max())
    )
    at, known, keys = nw.col("ordered_at"), nw.col("known_from"), ["account_id"]
    rows = orders.with_columns(known_from(orders, "ordered_at")).filter(known < last)
    if tables.has("orders", "known_at"):
        # What was known before every date counts on all of them.
        late = nw.when((known >= first) & (known > at))
        rows, keys = rows.with_columns(known=late.then(known.dt.date())), [*keys, "known"]
    start = first - timedelta(days=HABIT_DAYS)
    older = rows.filter(at < start, nw.col("amount") >= 0).group_by(*keys).agg(at.max())
    older = older.with_columns(amount=nw.lit(0.0))
    both = [
        part.select(*keys, "amount", at.dt.date().alias("day"))
        for part in (older, rows.filter(at >= start))
    ]
    return load_columns(nw.concat(both, how="vertical"), accounts)


def _by_day(rows: TableColumns) -> DayRows:
    day, late = rows["day"].astype(np.int64), None
    if "known" in rows.columns and not np.isnan(rows["known"]).all():
        late = np.fmax(day, rows["known"]).astype(np.int64)
    return DayRows.ordered(rows.account, rows.account, day, late, {"amount": rows["amount"]})
