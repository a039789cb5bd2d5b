"""Which features of the product an account uses, and how many of those that make customers stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.rollups.usage_rollup import (
    Frame,
    kept_until,
    keys_with_known,
    parts_of_rows,
    rollup_columns,
)
from features.tables.opened import Tables
from features.tables.point_in_time import account_starts
from features.windows.day_rows import Codes, Numbers, day_number, earliest, numbered, summed
from features.windows.fleet import FleetColumns
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate
from features.windows.table_columns import (
    Mask,
    TableColumns,
    load_columns,
    moment,
    placed,
    places_of,
)

#: A feature is sticky where at least this share of the accounts that used it in one month use it
#: in the next as well; it must have been used by this many accounts, and by such a share of them.
STICKY_SHARE, STICKY_ACCOUNTS, STICKY_REACH = 0.5, 3, 0.05
#: Days of a window.
_MONTH = 28


@dataclass(frozen=True)
class _Part:
    """Pairs of account and event, each with days on which it was used.

    Attributes
    ----------
    pair : array of int
        The number of each pair; a pair may have several rows.
    first, last : array of int
        The first and the last day of usage of each row, at most four weeks apart. That is enough
        to decide whether a pair was used in a window of four weeks: no such window starts after
        these weeks did and ends before they do.
    known : array of float, optional
        The day on which each row was known; NaN where that was its own.
    """

    pair: Codes
    first: Codes
    last: Codes
    known: Numbers | None

    @cached_property
    def _ends(self) -> tuple[int, int]:
        return (int(self.first.min()), int(self.last.max())) if len(self.first) else (0, 0)

    def used(self, as_of: int, days: int, until_days: int) -> Codes:
        """Return the pairs used in [as_of − days, as_of − until_days), as was known before."""
        start, past = as_of - days, as_of - until_days
        if self._ends[0] >= past or self._ends[1] < start:
            return self.pair[:0]
        hit = (self.first < past) & (self.last >= start)
        if self.known is not None:
            hit &= ~(self.known >= as_of)
        return self.pair[np.flatnonzero(hit)]


def prepare(
    tables: Tables, dates: ObservationDates, *, starts: TableColumns | None = None
) -> DateFeatures:
    """Return a function that computes how many product features each account uses on a date.

    It needs usage_recency_days, which is null for an account that never used anything. `starts`
    are the `account_starts`, where they are loaded already.
    """
    if not tables.has("usage"):
        return lambda _: {}
    events = Events(tables, dates.observations["as_of"])
    place = places_of(pa.array(dates.accounts, pa.string()), events.accounts)
    starts = load_columns(account_starts(tables)) if starts is None else starts
    known = placed(starts.account, starts.texts["account_id"], events.accounts)
    # An account that used nothing has the place −1, the last.
    exists_from = earliest(known, len(events.accounts) + 1, starts["known_from"])

    def features(date: OneDate) -> dict[str, Numbers | Breadth]:
        never = np.isnan(date.feature("usage_recency_days"))
        exists = exists_from < moment(date.as_of)
        breadth = events.breadth(day_number(date.as_of), exists, place[date.account], never)
        different = np.where(never, np.nan, breadth.different)
        return {"usage_distinct_events_28d": different, "breadth": breadth}

    return features


class EventUse(NamedTuple):
    """How many accounts use which events: what some accounts add to the sticky ones.

    Attributes
    ----------
    events : pa.StringArray
        The events that were used in either month; the arrays have an entry for each.
    reached : array of float
        How many accounts used each in the month before the last.
    kept : array of float
        How many of these used it in the last month as well.
    used : array of bool
        Whether each was used in the last month.
    active_before : int
        How many accounts used anything in the month before the last.
    """

    events: pa.StringArray
    reached: Numbers
    kept: Numbers
    used: Mask
    active_before: int


@dataclass(frozen=True)
class Breadth(FleetColumns[EventUse, tuple[pa.StringArray, int]]):
    """How many of the events that are used at all, and of the sticky ones, each account uses.

    Attributes
    ----------
    never : array of bool
        Accounts that never used anything: their values are NaN.
    account, event : array of int
        The pairs of account (by its row) and event of the last month.
    use : EventUse
        Of all accounts of the part, observed or not.
    """

    never: Mask
    account: Codes
    event: Codes
    use: EventUse

    @property
    def different(self) -> Numbers:
        """How many different events each account used."""
        return summed(self.account, len(self.never))

    def share(self) -> EventUse:
        """Return how many of these accounts use which events."""
        return self.use

    @staticmethod
    def pooled(shares: Sequence[EventUse]) -> tuple[pa.StringArray, int]:
        """Return the sticky events, and how many events are used at all."""
        names = pa.chunked_array([part.events for part in shares], pa.string()).unique()
        reached, kept, used = np.zeros((3, len(names)))
        for part in shares:
            at = places_of(part.events, names)
            reached[at] += part.reached
            kept[at] += part.kept
            used[at] += part.used
        active_before = sum(part.active_before for part in shares)
        enough = reached >= max(STICKY_ACCOUNTS, STICKY_REACH * active_before)
        sticky = enough & (kept >= STICKY_SHARE * reached)
        return names.filter(pa.array(sticky)), int(np.count_nonzero(used))

    def columns(self, statistic: tuple[pa.StringArray, int]) -> dict[str, Numbers]:
        """Return both shares of each account."""
        names, all_used = statistic
        is_sticky = places_of(self.use.events, names) >= 0
        of_sticky = summed(self.account, len(self.never), is_sticky[self.event].astype(float))
        sticky = of_sticky / len(names) if len(names) else np.full(len(self.never), np.nan)
        columns = {
            "usage_breadth_share_28d": self.different / (all_used or 1),
            "usage_sticky_share_28d": sticky,
        }
        return {name: np.where(self.never, np.nan, values) for name, values in columns.items()}


class Events:
    """The events of all accounts as of one day after another.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    dates : pd.Series of datetime
        The dates.
    """

    def __init__(self, tables: Tables, dates: pd.Series[Any]) -> None:
        start, end = day_number(dates.min()) - 2 * _MONTH, day_number(dates.max())
        columns = list(_columns(tables, start, end))
        #: The accounts that used something in any window of any date.
        self.accounts, account_places = _names(columns, "account_id")
        names, event_places = _names(columns, "event")
        self._names = names
        places: list[Codes] = [
            account[part.account] * len(names) + event[part["event"]]
            for part, account, event in zip(columns, account_places, event_places, strict=True)
        ]
        pairs, rows = len(self.accounts) * len(names), sum(map(len, places))
        self._pairs: Codes | None = None
        if pairs <= rows:
            # With so many rows, it is faster to number every possible pair.
            numbers, self._pair_count = places, pairs
        else:
            number, self._pairs = numbered(
                np.concatenate([np.empty(0, dtype=np.int64), *places]), pairs
            )
            numbers = np.split(number, np.cumsum([len(part) for part in places])[:-1])
            self._pair_count = len(self._pairs)
        self._parts = [
            _Part(pair, part["first"], part["last"], part.columns.get("known"))
            for part, pair in zip(columns, numbers, strict=True)
        ]

    def breadth(self, as_of: int, exists: Mask, place: Codes, never: Mask) -> Breadth:
        """Return which features were used in 28 days.

        Parameters
        ----------
        as_of : int
            The day.
        exists : array of bool
            Whether each of `accounts` exists on the day, with a last entry for all others: only
            these count.
        place : array of int
            The place in `accounts` of each account that is observed; −1 where it used nothing.
        never : array of bool
            Which of the observed accounts never used anything.
        """
        is_used = self._used(as_of, _MONTH)
        _, account, event = self._of(np.flatnonzero(is_used), exists)
        used_before = np.flatnonzero(self._used(as_of, 2 * _MONTH, _MONTH))
        before, account_before, event_before = self._of(used_before, exists)
        count, events = len(self.accounts) + 1, len(self._names)
        use = EventUse(
            self._names,
            summed(event_before, events),
            summed(event_before, events, is_used[before].astype(float)),
            summed(event, events) > 0,
            int(np.count_nonzero(summed(account_before, count))),
        )
        row = np.full(count, -1)
        observed = np.flatnonzero(place >= 0)
        row[place[observed]] = observed
        own = row[account] >= 0
        return Breadth(never, row[account[own]], event[own], use)

    def _used(self, as_of: int, days: int, until_days: int = 0) -> Mask:
        """Return which pairs were used on days of [as_of − days, as_of − until_days)."""
        used = np.zeros(self._pair_count, dtype=bool)
        for part in self._parts:
            used[part.used(as_of, days, until_days)] = True
        return used

    def _of(self, numbers: Codes, exists: Mask) -> tuple[Codes, Codes, Codes]:
        """Return the numbers, the accounts and the events of pairs of accounts that exist."""
        pairs = numbers if self._pairs is None else self._pairs[numbers]
        account, event = np.divmod(pairs, max(len(self._names), 1))
        own = np.flatnonzero(exists[account])
        return numbers[own], account[own], event[own]


def _columns(tables: Tables, start: int, end: int) -> Iterator[TableColumns]:
    """Yield accounts and events with the first and the last day of usage, in parts."""
    since = kept_until(tables, start, end)
    for table in tables.rollups.tables("events", start, since) if since > start else ():
        is_used = pc.greater(table["quantity"], 0)
        table = table.drop_columns("quantity")  # noqa: PLW2901
        by_day = rollup_columns(table if pc.all(is_used).as_py() else table.filter(is_used))
        days = {"first": by_day["day"], "last": by_day["day"]}
        yield replace(by_day, columns={**by_day.columns, **days})
    for part in parts_of_rows(tables, since, end, _MONTH):
        yield load_columns(_used(part))


def _used(rows: Frame) -> Frame:
    """Return a row per account and event with the first and the last day of usage."""
    keys, day = keys_with_known(rows, "account_id", "event"), nw.col("day")
    rows = rows.filter(nw.col("quantity") > 0)
    return rows.group_by(*keys).agg(day.min().alias("first"), day.max().alias("last"))


def _names(parts: list[TableColumns], column: str) -> tuple[pa.StringArray, list[Codes]]:
    """Return every name of a column, once, and the place of the names of each part among them."""
    texts = [part.texts[column] for part in parts]
    coded = pa.chunked_array(texts, pa.string()).dictionary_encode().combine_chunks()
    ends = np.cumsum([len(names) for names in texts])[:-1]
    return coded.dictionary, np.split(coded.indices.to_numpy().astype(np.int64), ends)
