"""Which features of the product an account uses, and how many of those that make customers stay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from features.daily_use import numbered
from features.day_rows import Codes, Numbers, day_number, distinct_places, earliest, summed
from features.spine_dates import OneDate, SpineDates, Told
from features.table_columns import Mask, TableColumns, bring_in, placed, places_of
from features.tables import Tables
from features.usage_levels import Columns
from features.usage_rollup import (
    Frame,
    by_event,
    kept_rollups,
    keys_with_known,
    named_codes,
    unkept_rows,
)

#: A feature is sticky where at least this share of the accounts that used it in one month use it
#: in the next as well; it must have been used by so many accounts, and by such a share of them.
STICKY_SHARE, STICKY_ACCOUNTS, STICKY_REACH = 0.5, 3, 0.05
#: Days of a window.
_MONTH = 28


@dataclass(frozen=True)
class _Part:
    """The pairs of account and event used in at most four weeks.

    Of each pair the first and the last day of use tell whether it was used in a window: none
    that is as long as the part begins after the part did and ends before it does.
    """

    start: int
    pair: Codes
    first: Codes
    last: Codes
    known: Numbers | None

    def used(self, as_of: int, start: int, past: int) -> Codes:
        """Return the pairs used on days of [start, past), as far as known."""
        hit = (self.first < past) & (self.last >= start)
        if self.known is not None:
            hit &= ~(self.known >= as_of)
        return self.pair[np.flatnonzero(hit)]


def prepare(tables: Tables, dates: SpineDates) -> Told:
    """Return what tells how many features each account uses on a date, and of which set.

    Whether an account ever used something (usage_recency_days) is told before.
    """
    if not tables.has("usage"):
        return lambda _: {}
    events = Events(tables, dates.spine["as_of"])
    place = places_of(pa.array(dates.accounts, pa.string()), events.accounts)
    as_of = dates.ahead(lambda day: events.breadth(day_number(day)))

    def told(date: OneDate) -> dict[str, Numbers]:
        never = np.isnan(date.feature("usage_recency_days"))
        breadth = as_of(date.as_of)
        return {
            name: np.where(never, np.nan, values[place[date.account]])
            for name, values in breadth.items()
        }

    return told


class Events:
    """The events of all accounts, looked at as of one day after another.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    dates : pd.Series of datetime
        The dates that are asked for later.
    """

    def __init__(self, tables: Tables, dates: pd.Series[Any]) -> None:
        start, end = day_number(dates.min()) - 2 * _MONTH, day_number(dates.max())
        parts = list(_parts(tables, start, end))
        #: The accounts that used something in any window of any date.
        self.accounts = accounts = _names(parts, "account_id")
        names = _names(parts, "event")
        self._accounts, self._events = len(accounts) + 1, len(names)
        account = np.concatenate([_places(part, "account_id", accounts) for _, part in parts])
        event = np.concatenate([_places(part, "event", names) for _, part in parts])
        number, pairs = numbered(account, event, len(names))
        self._account, self._event = np.ascontiguousarray(pairs.T)
        at = np.cumsum([0, *(len(part) for _, part in parts)])
        self._parts = [
            _Part(
                first,
                number[at[n] : at[n + 1]],
                part["first"],
                part["last"],
                part.columns.get("known"),
            )
            for n, (first, part) in enumerate(parts)
        ]

    def breadth(self, as_of: int) -> Columns:
        """Return how many features each account used in 28 days, and of which set.

        An entry per account of `accounts`, and a last one for all others.
        """
        is_used, count = self._used(as_of, _MONTH), self._accounts
        # By number: rows are picked by a mask several times as slowly.
        now = np.flatnonzero(is_used)
        before = np.flatnonzero(self._used(as_of, 2 * _MONTH, _MONTH))
        account, event, event_before = self._account[now], self._event[now], self._event[before]
        reached = summed(event_before, self._events)
        kept = summed(event_before, self._events, is_used[before].astype(float))
        active_before = np.count_nonzero(summed(self._account[before], count))
        enough = reached >= max(STICKY_ACCOUNTS, STICKY_REACH * active_before)
        sticky = enough & (kept >= STICKY_SHARE * reached)
        different = summed(account, count)
        of_sticky = summed(account, count, sticky[event].astype(float))
        whole = np.count_nonzero(sticky)
        all_used = np.count_nonzero(summed(event, self._events))
        return {
            "usage_distinct_events_28d": different,
            "usage_breadth_share_28d": different / (all_used or 1),
            "usage_sticky_share_28d": of_sticky / whole if whole else np.full(count, np.nan),
        }

    def _used(self, as_of: int, days: int, until_days: int = 0) -> Mask:
        """Tell which pairs were used in the month [as_of − days, as_of − until_days)."""
        start, past = as_of - days, as_of - until_days
        used = np.zeros(len(self._account), dtype=bool)
        for part in self._parts:
            if part.start < past and part.start + _MONTH > start:
                used[part.used(as_of, start, past)] = True
        return used


def _parts(tables: Tables, start: int, end: int) -> Iterator[tuple[int, TableColumns]]:
    """Yield the first day of each part, and the days of use of each account and event in it."""
    kept = kept_rollups(tables, "events", by_event, start, end)
    if kept:
        rows = event_rows(kept)
        for first in range(start, end, _MONTH):
            inside = (rows["day"] >= first) & (rows["day"] < first + _MONTH)
            yield first, _used_then(rows.taken(inside & (rows["largest"] > 0)))
    for first, unkept in unkept_rows(tables, start, end, days=_MONTH):
        yield first, bring_in(_used(unkept))


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
    if accounts is not None:
        wanted = pa.array(accounts, pa.string())
        ids, account = wanted, placed(account, ids, wanted)
    brought = TableColumns(account, len(ids), columns, {"account_id": ids, "event": events})
    return brought if (account >= 0).all() else brought.taken(account >= 0)


def _used_then(rows: TableColumns) -> TableColumns:
    """Return what `_used` tells, of rows that are in memory already."""
    lates = np.array([np.nan])
    place = rows.account * len(rows.texts["event"]) + rows["event"]
    if "known" in rows.columns:
        lates, late_code = np.unique(rows["known"], return_inverse=True)
        place = place * len(lates) + late_code
    shape = (rows.accounts, len(rows.texts["event"]), len(lates))
    found, number = distinct_places(place, math.prod(shape))
    account, event, late_code = np.unravel_index(found, shape)
    day = rows["day"].astype(np.int64)
    columns = {
        "event": event,
        "first": earliest(number, len(found), day),
        "last": -earliest(number, len(found), -day),
    }
    if "known" in rows.columns:
        columns["known"] = lates[late_code]
    return TableColumns(account, rows.accounts, columns, rows.texts)


def _used(rows: Frame) -> Frame:
    """Return a row per account and event with the first and the last day of use."""
    keys, day = keys_with_known(rows, "account_id", "event"), nw.col("day")
    rows = rows.filter(nw.col("quantity") > 0)
    return rows.group_by(*keys).agg(day.min().alias("first"), day.max().alias("last"))


def _names(parts: list[tuple[int, TableColumns]], column: str) -> pa.StringArray:
    """Return every name of a column, once."""
    return pa.chunked_array([part.texts[column] for _, part in parts], pa.string()).unique()


def _places(part: TableColumns, column: str, names: pa.StringArray) -> Codes:
    """Return the place of each row's account or event among all names."""
    codes = part.account if column == "account_id" else part[column]
    return places_of(part.texts[column], names)[codes]
