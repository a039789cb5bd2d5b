"""Which features of the product an account uses, and how many of those that make customers stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.rollups.usage_rollup import (
    Frame,
    by_event,
    kept_rollups,
    keys_with_known,
    known_days,
    named_codes,
    unkept_rows,
)
from features.tables.opened import Tables
from features.usage.levels import Columns
from features.windows.day_rows import Codes, DayRows, Numbers, day_number, distinct_places, summed
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate
from features.windows.table_columns import Mask, TableColumns, load_columns, placed, places_of

#: A feature is sticky where at least this share of the accounts that used it in one month use it
#: in the next as well; it must have been used by so many accounts, and by such a share of them.
STICKY_SHARE, STICKY_ACCOUNTS, STICKY_REACH = 0.5, 3, 0.05
#: Days of a window.
_MONTH = 28


class _Part(Protocol):
    """The pairs of account and event used in some time, by number."""

    def used(self, as_of: int, days: int, until_days: int) -> Codes:
        """Return those used in [as_of − days, as_of − until_days), as far as was known before."""
        ...


@dataclass(frozen=True)
class _ByDay:
    """Pairs with each day on which they were used."""

    rows: DayRows

    @classmethod
    def of(cls, columns: TableColumns, pair: Codes) -> _ByDay:
        """Return the pairs of rows that have the columns of `event_rows`."""
        known = columns.columns.get("known")
        return cls(DayRows.ordered(pair, pair, columns["day"], known, {}))

    def used(self, as_of: int, days: int, until_days: int) -> Codes:
        """See `_Part`."""
        return self.rows.member[self.rows.within(as_of, days, until_days)]


@dataclass(frozen=True)
class _ByMonth:
    """Pairs with the first and the last day on which they were used in four weeks.

    They tell whether a pair was used in a window: none that is as long as these weeks begins
    after they did and ends before they do.
    """

    start: int
    pair: Codes
    first: Codes
    last: Codes
    known: Numbers | None

    @classmethod
    def of(cls, start: int, columns: TableColumns, pair: Codes) -> _ByMonth:
        """Return the pairs of rows that have the columns of `_used`."""
        known = columns.columns.get("known")
        return cls(start, pair, columns["first"], columns["last"], known)

    def used(self, as_of: int, days: int, until_days: int) -> Codes:
        """See `_Part`."""
        start, past = as_of - days, as_of - until_days
        if self.start >= past or self.start + _MONTH <= start:
            return self.pair[:0]
        hit = (self.first < past) & (self.last >= start)
        if self.known is not None:
            hit &= ~(self.known >= as_of)
        return self.pair[np.flatnonzero(hit)]


def prepare(tables: Tables, dates: ObservationDates) -> DateFeatures:
    """Return what tells how many features each account uses on a date, and of which set.

    Whether an account ever used something (usage_recency_days) is told before.
    """
    if not tables.has("usage"):
        return lambda _: {}
    events = Events(tables, dates.observations["as_of"])
    place = places_of(pa.array(dates.accounts, pa.string()), events.accounts)

    def breadth(date: OneDate) -> dict[str, Numbers]:
        found = events.breadth(day_number(date.as_of))
        return {name: values[place[date.account]] for name, values in found.items()}

    own = dates.ahead(breadth)

    def result(date: OneDate) -> dict[str, Numbers]:
        never = np.isnan(date.feature("usage_recency_days"))
        return {name: np.where(never, np.nan, values) for name, values in own(date).items()}

    return result


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
        columns = [rows for rows, _ in parts]
        #: The accounts that used something in any window of any date.
        self.accounts = accounts = _names(columns, "account_id")
        names = _names(columns, "event")
        self._accounts, self._events = len(accounts) + 1, len(names)
        places = [_places_of_pairs(rows, accounts, names) for rows in columns]
        #: The place of each pair among all of account and event; None: its number is its place.
        self._place_of: Codes | None = None
        self._pairs, count = len(accounts) * len(names), sum(map(len, places))
        if self._pairs > max(4 * count, 2**22):
            self._place_of, number = distinct_places(np.concatenate(places), self._pairs)
            self._pairs = len(self._place_of)
            places = np.split(number, np.cumsum([len(place) for place in places])[:-1])
        self._parts = [made(pair) for (_, made), pair in zip(parts, places, strict=True)]

    def breadth(self, as_of: int) -> Columns:
        """Return how many features each account used in 28 days, and of which set.

        An entry per account of `accounts`, and a last one for all others.
        """
        is_used, count = self._used(as_of, _MONTH), self._accounts
        # By number: rows are picked by a mask several times as slowly.
        before = np.flatnonzero(self._used(as_of, 2 * _MONTH, _MONTH))
        account, event = self._of(np.flatnonzero(is_used))
        account_before, event_before = self._of(before)
        reached = summed(event_before, self._events)
        kept = summed(event_before, self._events, is_used[before].astype(float))
        active_before = np.count_nonzero(summed(account_before, count))
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
        """Tell which pairs were used on days of [as_of − days, as_of − until_days)."""
        used = np.zeros(self._pairs, dtype=bool)
        for part in self._parts:
            used[part.used(as_of, days, until_days)] = True
        return used

    def _of(self, pair: Codes) -> tuple[Codes, Codes]:
        """Return the account and the event of each pair."""
        place = pair if self._place_of is None else self._place_of[pair]
        account, event = np.divmod(place, max(self._events, 1))
        return account, event


def _parts(
    tables: Tables, start: int, end: int
) -> Iterator[tuple[TableColumns, Callable[[Codes], _Part]]]:
    """Yield rows of accounts and events, and what makes a part of the number of each row's pair."""
    kept = kept_rollups(tables, "events", by_event, start, end)
    if kept:
        # One is put in the place of the other, as both would take much room.
        for number, table in enumerate(kept):
            kept[number] = _of_use(table)
        rows = event_rows(kept)
        yield rows, partial(_ByDay.of, rows)
    for first, unkept in unkept_rows(tables, start, end, days=_MONTH):
        rows = load_columns(_used(unkept))
        yield rows, partial(_ByMonth.of, first, rows)


def event_rows(rolled_up: list[pa.Table], accounts: pd.Index[str] | None = None) -> TableColumns:
    """Return what was rolled up by event (`by_event`) of some accounts, or of all.

    Columns event, day and quantity, if it is there; known, the day on which a row was, where one
    was late.
    """
    table = pa.concat_tables(rolled_up, promote_options="permissive")
    ids, account = named_codes(table["account_id"])
    events, event = named_codes(table["event"])
    columns: dict[str, npt.NDArray[Any]] = {"event": event, "day": table["day"].to_numpy()}
    if "quantity" in table.column_names:
        columns["quantity"] = table["quantity"].to_numpy()
    known = known_days(table)
    if known is not None:
        columns["known"] = known
    if accounts is not None:
        wanted = pa.array(accounts, pa.string())
        ids, account = wanted, placed(account, ids, wanted)
    loaded = TableColumns(account, len(ids), columns, {"account_id": ids, "event": events})
    return loaded if (account >= 0).all() else loaded.taken(account >= 0)


def _of_use(rolled_up: pa.Table) -> pa.Table:
    """Leave out rows without any use, and how much it was."""
    quantity = rolled_up["quantity"].to_numpy()
    rows = rolled_up.drop_columns("quantity")
    return rows if (quantity > 0).all() else rows.filter(quantity > 0)


def _used(rows: Frame) -> Frame:
    """Return a row per account and event with the first and the last day of use."""
    keys, day = keys_with_known(rows, "account_id", "event"), nw.col("day")
    rows = rows.filter(nw.col("quantity") > 0)
    return rows.group_by(*keys).agg(day.min().alias("first"), day.max().alias("last"))


def _names(parts: list[TableColumns], column: str) -> pa.StringArray:
    """Return every name of a column, once."""
    if len(parts) == 1:
        return parts[0].texts[column]
    return pa.chunked_array([part.texts[column] for part in parts], pa.string()).unique()


def _places_of_pairs(part: TableColumns, accounts: pa.StringArray, names: pa.StringArray) -> Codes:
    """Return the place of each row's pair among all of account and event."""
    # In place, where it can be: nobody else reads the accounts of so many rows.
    place = np.require(_places(part, "account_id", accounts), np.int64, "W")
    event = _places(part, "event", names)
    place *= len(names)
    place += event
    return place


def _places(part: TableColumns, column: str, names: pa.StringArray) -> Codes:
    """Return the place of each row's account or event among all names."""
    codes = part.account if column == "account_id" else part[column]
    return codes if names is part.texts[column] else places_of(part.texts[column], names)[codes]
