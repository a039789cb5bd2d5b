"""Which features of the product an account uses, and how many of those that make customers stay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.daily_use import numbered
from features.day_rows import Codes, Numbers, day_number, distinct, summed
from features.many_dates import Frame, day_in_calendar
from features.spine_dates import OneDate, SpineDates, Told
from features.table_columns import Mask, TableColumns, bring_in
from features.tables import Tables
from features.usage_levels import Columns
from features.usage_rollup import (
    PART_DAYS,
    by_event,
    kept_rollups,
    keys_with_known,
    named_codes,
    unkept_rows,
)

#: A feature is sticky where at least this share of the accounts that used it in one month use it
#: in the next as well; it must have been used by so many accounts, and by such a share of them.
STICKY_SHARE, STICKY_ACCOUNTS, STICKY_REACH = 0.5, 3, 0.05
#: Days of a month.
_MONTH = 28
#: Periods that one number holds as bits on every engine; a part has twice as many at most.
_BITS = PART_DAYS // 2
#: The number, in the calendar that has no beginning, of the day before 1970-01-01.
_EPOCH = 719_163


@dataclass(frozen=True)
class _Part:
    """The pairs of account and event used in some days, a bit for each period with use."""

    first: int
    pair: Codes
    used: npt.NDArray[np.int64]
    known: npt.NDArray[Any] | None


def prepare(tables: Tables, dates: SpineDates) -> Told:
    """Return what tells how many features each account uses on a date, and of which set.

    Whether an account ever used something (usage_recency_days) is told before.
    """
    if not tables.has("usage"):
        return lambda _: {}
    events = Events(tables, dates.spine["as_of"])
    place = events.accounts.get_indexer(dates.accounts)

    def told(date: OneDate) -> dict[str, Numbers]:
        never = np.isnan(date.feature("usage_recency_days"))
        breadth = events.breadth(day_number(date.as_of))
        return {
            name: np.where(never, np.nan, values[place[date.account]])
            for name, values in breadth.items()
        }

    return told


class Events:
    """The events of all accounts, looked at as of one day after another.

    Days are taken together to the longest periods of which every window of every date is made
    up: four weeks for one date, a week for weekly dates. Which periods a pair of account and
    event was used in is a bit each.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    dates : pd.Series of datetime
        The dates that are asked for later.
    """

    def __init__(self, tables: Tables, dates: pd.Series[Any]) -> None:
        days = sorted({day_number(day) for day in dates.unique()})
        start = days[0] - 2 * _MONTH
        self._days = math.gcd(_MONTH, *(day - days[0] for day in days))
        parts = list(_parts(tables, start, days[-1], self._days))
        #: The accounts that used something in any window of any date.
        self.accounts = _names(parts, "account_id")
        names = _names(parts, "event")
        self._accounts, self._events = len(self.accounts) + 1, len(names)
        account = np.concatenate([_places(part, "account_id", self.accounts) for _, part in parts])
        event = np.concatenate([_places(part, "event", names) for _, part in parts])
        number, pairs = numbered(account, event, len(names))
        self._account, self._event = pairs.T
        at = np.cumsum([0, *(len(part) for _, part in parts)])
        self._parts = [
            _Part(first, number[at[n] : at[n + 1]], _bits(part), part.columns.get("known"))
            for n, (first, part) in enumerate(parts)
        ]

    def breadth(self, as_of: int) -> Columns:
        """Return how many features each account used in 28 days, and of which set.

        An entry per account of `accounts`, and a last one for all others.
        """
        now, before = self._used(as_of, _MONTH), self._used(as_of, 2 * _MONTH, _MONTH)
        account, event, count = self._account, self._event, self._accounts
        reached, kept = (summed(event[used], self._events) for used in (before, before & now))
        active_before = np.count_nonzero(summed(account[before], count))
        enough = reached >= max(STICKY_ACCOUNTS, STICKY_REACH * active_before)
        sticky = enough & (kept >= STICKY_SHARE * reached)
        different = summed(account[now], count)
        of_sticky = summed(account[now & sticky[event]], count)
        whole = np.count_nonzero(sticky)
        all_used = np.count_nonzero(summed(event[now], self._events))
        return {
            "usage_distinct_events_28d": different,
            "usage_breadth_share_28d": different / (all_used or 1),
            "usage_sticky_share_28d": of_sticky / whole if whole else np.full(count, np.nan),
        }

    def _used(self, as_of: int, days: int, until_days: int = 0) -> Mask:
        """Tell which pairs were used in [as_of − days, as_of − until_days), as far as known."""
        used = np.zeros(len(self._account), dtype=bool)
        for part in self._parts:
            first, past = (
                min(max((as_of - ago - part.first) // self._days, 0), 2 * _BITS)
                for ago in (days, until_days)
            )
            hit = (part.used & ((1 << past) - (1 << first))) != 0
            if part.known is not None:
                hit &= ~(part.known >= as_of)
            used[part.pair[hit]] = True
        return used


def _parts(tables: Tables, start: int, end: int, days: int) -> Iterator[tuple[int, TableColumns]]:
    """Yield the first day of each part, and the periods with use of each account and event."""
    kept = kept_rollups(tables, "events", by_event, start, end)
    if kept:
        rows = event_rows(kept)
        for first in range(start, end, PART_DAYS):
            inside = (rows["day"] >= first) & (rows["day"] < first + PART_DAYS)
            inside &= rows["largest"] > 0
            part = rows if inside.all() else rows.taken(inside)
            yield first, _used_then(part, first, days)
    for first, unkept in unkept_rows(tables, start, end):
        yield first, bring_in(_used(unkept, first, days))


def event_rows(rolled_up: list[pa.Table], accounts: pd.Index[str] | None = None) -> TableColumns:
    """Return what was rolled up by event (`by_event`) of some accounts, or of all.

    Columns event, day, quantity and largest; known, NaN of what was known on its own day, where
    rows tell it.
    """
    table = pa.concat_tables(rolled_up, promote_options="permissive")
    ids, account = named_codes(table["account_id"])
    events, event = named_codes(table["event"])
    numbers = [
        name for name in ("day", "known", "quantity", "largest") if name in table.column_names
    ]
    columns = {"event": event} | {name: table[name].to_numpy() for name in numbers}
    of_rows, names = (pd.Index(told.to_pylist(), dtype=object) for told in (ids, events))
    accounts = of_rows if accounts is None else accounts
    place = np.append(accounts.get_indexer(of_rows), -1)[account]
    texts = {"account_id": accounts, "event": names}
    brought = TableColumns(place, len(accounts), columns, texts)
    return brought if (place >= 0).all() else brought.taken(place >= 0)


def _used_then(rows: TableColumns, first: int, days: int) -> TableColumns:
    """Return what `_used` tells, of rows that are in memory already."""
    if not len(rows):
        nothing = np.empty(0, dtype=np.int64)
        columns = {"event": nothing, "early": nothing, "late": nothing}
        return TableColumns(nothing, rows.accounts, columns, rows.texts)
    periods = math.ceil(PART_DAYS / days)
    lates = np.array([np.nan])
    place = rows.account * len(rows.texts["event"])
    place += rows["event"]
    if "known" in rows.columns:
        lates, late_code = np.unique(rows["known"], return_inverse=True)
        place = place * len(lates) + late_code
    place *= periods
    place += (rows["day"] - first) // days
    shape = (rows.accounts, len(rows.texts["event"]), len(lates), periods)
    found = distinct(place, math.prod(shape))
    account, event, late_code, period = np.unravel_index(found, shape)
    # The periods of a pair follow one another.
    starts = np.flatnonzero(np.diff(found // shape[-1], prepend=-1))
    bits = np.add.reduceat(np.left_shift(1, period), starts)
    columns = {"event": event[starts], "early": bits & ((1 << _BITS) - 1), "late": bits >> _BITS}
    if "known" in rows.columns:
        columns["known"] = lates[late_code[starts]]
    return TableColumns(account[starts], rows.accounts, columns, rows.texts)


def _used(rows: Frame, first: int, days: int) -> Frame:
    """Return a row per account and event, its periods with use as the bits of two numbers."""
    keys = keys_with_known(rows, "account_id", "event")
    if "known" in keys:
        rows = rows.with_columns(known=day_in_calendar("known") - _EPOCH)
    rows = rows.filter(nw.col("quantity") > 0)
    day = day_in_calendar("day") - _EPOCH
    rows = rows.select(*keys, period=((day - first) / days).floor())
    rows = rows.group_by(*keys, "period").agg(nw.len().alias("rows"))
    period = nw.col("period")
    early = nw.when(period < _BITS).then(nw.lit(2.0) ** period)
    late = nw.when(period >= _BITS).then(nw.lit(2.0) ** (period - _BITS))
    nothing = nw.lit(0.0)
    return rows.group_by(*keys).agg(
        early.otherwise(nothing).sum().alias("early"), late.otherwise(nothing).sum().alias("late")
    )


def _bits(part: TableColumns) -> npt.NDArray[np.int64]:
    return part["early"].astype(np.int64) + (part["late"].astype(np.int64) << _BITS)


def _names(parts: list[tuple[int, TableColumns]], column: str) -> pd.Index[str]:
    """Return every name of a column, once."""
    told = [part.texts[column].to_numpy() for _, part in parts]
    return pd.Index(pd.unique(np.concatenate(told)), dtype=object)


def _places(part: TableColumns, column: str, names: pd.Index[str]) -> Codes:
    """Return the place of each row's account or event among all names."""
    codes = part.account if column == "account_id" else part[column]
    return np.asarray(names.get_indexer(part.texts[column])[codes], dtype=np.int64)
