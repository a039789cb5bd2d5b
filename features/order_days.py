"""Orders in order of day, looked at as of one date after another."""

from __future__ import annotations

from datetime import timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features.day_rows import DayRows, Numbers, day_number
from features.order_intervals import HABIT_DAYS, Intervals
from features.spine_dates import ByAccount
from features.table_columns import bring_in
from features.tables import Tables

#: Windows of what was ordered lately.
WINDOWS = (90, 365)
#: The last quarter and the three before it.
_FOUR_QUARTERS = 360


class OrderDays:
    """The orders of a company, looked at as of one date after another.

    Parameters
    ----------
    tables : Tables
        Needs orders.
    spine : pd.DataFrame
        Needs as_of.
    accounts : pd.Index
        The spine's accounts.
    """

    def __init__(self, tables: Tables, spine: pd.DataFrame, accounts: pd.Index[str]) -> None:
        self._rows = _brought_in(tables, spine, accounts)
        self._count = len(accounts)
        dates = [day_number(date) for date in spine["as_of"].unique()]
        self._intervals = Intervals(self._rows, self._count, dates)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return what every account ordered, as of a date.

        Returns
        -------
        mapping of str to array of float
            since, the days since the latest order (1 where that was on the day before); count and
            amount of each of `WINDOWS`, as ``count_90d``; amount_before, of the three quarters
            before the last one; interval, the median of days from one day with orders to the next,
            and intervals, how many there are. NaN where no order was known.
        """
        as_of = day_number(day)
        since = as_of - self._last_day(as_of)
        out = self._levels(as_of) | self._intervals.as_of(as_of)
        never = np.isnan(since)
        return {"since": since} | {n: np.where(never, np.nan, v) for n, v in out.items()}

    def _last_day(self, as_of: int) -> Numbers:
        rows, last = self._rows, np.full(self._count, np.nan)
        before = rows.within(as_of, as_of - int(rows.day.min(initial=as_of)))
        # In order of day: the last one written stays.
        last[rows.account[before]] = rows.day[before]
        return last

    def _levels(self, as_of: int) -> ByAccount:
        rows, out = self._rows, {}
        for window in WINDOWS:
            inside = rows.within(as_of, window)
            out[f"count_{window}d"] = rows.totals(inside, self._count)
            out[f"amount_{window}d"] = rows.totals(inside, self._count, "amount")
        before = rows.within(as_of, _FOUR_QUARTERS, WINDOWS[0])
        return out | {"amount_before": rows.totals(before, self._count, "amount")}


def _brought_in(tables: Tables, spine: pd.DataFrame, accounts: pd.Index[str]) -> DayRows:
    """Return the orders that any date sees, in order of their day, each brought in once.

    Of what an account ordered before every window the last one stands for all.
    """
    first, last = (day.to_pydatetime() for day in (spine["as_of"].min(), spine["as_of"].max()))
    at, known_at = nw.col("ordered_at"), nw.col("known_at")
    rows, keys = tables["orders"].filter(at < last), ["account_id"]
    if tables.has("orders", "known_at"):
        rows = rows.filter(known_at.is_null() | (known_at < last))
        # What was known before every date is seen on all of them.
        late = nw.when((known_at >= first) & (known_at > at))
        rows, keys = rows.with_columns(known=late.then(known_at.dt.date())), [*keys, "known"]
    start = first - timedelta(days=HABIT_DAYS)
    older = rows.filter(at < start).group_by(*keys).agg(at.max())
    older = older.with_columns(amount=nw.lit(0.0))
    both = [
        part.select(*keys, "amount", at.dt.date().alias("day"))
        for part in (older, rows.filter(at >= start))
    ]
    brought = bring_in(nw.concat(both, how="vertical"), accounts)
    day, known = brought["day"].astype(np.int64), brought.columns.get("known")
    late_days = None if known is None else np.fmax(day, known).astype(np.int64)
    owner, amounts = brought.account, {"amount": brought["amount"]}
    return DayRows.ordered(owner, owner, day, late_days, amounts)
