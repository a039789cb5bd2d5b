"""Rows rolled up by day, in memory and in order of day, so that a window is a slice of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
#: Rows of a window: a slice, or their numbers where some of it was not known yet.
Rows = slice | npt.NDArray[np.intp]

_DAY = np.timedelta64(1, "D")
#: Numbers of a day before all days, and of one after them.
BEFORE_ALL_DAYS, AFTER_ALL_DAYS = -(10**9), 10**9
#: Codes are marked in an array of all of them, which is many times faster than hashing, where that
#: takes no more memory than the codes.
_CELLS_PER_ROW = 8


def day_number(time: Any) -> int:
    """Return the days from 1970-01-01 to the midnight before (or at) a time."""
    return int(pd.Timestamp(time).to_datetime64().astype("datetime64[D]").astype(np.int64))


def day_of(number: int) -> pd.Timestamp:
    """Return the midnight at the start of a day; the reverse of `day_number`."""
    return pd.Timestamp(np.datetime64(0, "D") + number * _DAY)


@dataclass(frozen=True)
class Windowed:
    """A sum of a column, or a count of rows, over the last days: a feature per window.

    Attributes
    ----------
    names : str
        The features' names, with ``{days}`` in them.
    column : str
        The column that is summed; rows are counted where it is empty.
    days : tuple of int
        The windows.
    """

    names: str
    column: str = ""
    days: tuple[int, ...] = (7, 28, 90)

    def name(self, days: int) -> str:
        """Return the feature's name of one window."""
        return self.names.format(days=days)


@dataclass(frozen=True)
class DayRows:
    """Rows rolled up by day, in order of their day.

    Attributes
    ----------
    account : array of int
        Number of the account.
    member : array of int
        Number of the user or of the pair of account and event; −1 where there is none.
    day : array of int
        Days from 1970-01-01, of 4 or 8 bytes.
    known : array of int or None
        The day on which a row was known; None where every row was known on its own day.
    values : mapping of str to array of float
        What was summed up.
    """

    account: Codes
    member: Codes
    day: Codes
    known: Codes | None
    values: Mapping[str, Numbers]

    @classmethod
    def ordered(
        cls,
        account: Codes,
        member: Codes,
        day: Codes,
        known: Codes | None,
        values: Mapping[str, Numbers],
    ) -> DayRows:
        """Put rows in order of their day."""
        order = order_of_days(day)
        if order is None:
            return cls(account, member, day, known, values)
        late = None if known is None else known[order]
        sums = {name: value[order] for name, value in values.items()}
        owner = account[order]
        return cls(owner, owner if member is account else member[order], day[order], late, sums)

    def within(self, as_of: int, days: int, until_days: int = 0) -> Rows:
        """Return the rows of [as_of − days, as_of − until_days) that were known before as_of."""
        # Of the same type: otherwise all days would be converted.
        ends = np.array([as_of - days, as_of - until_days], dtype=self.day.dtype)
        first, past = np.searchsorted(self.day, ends)
        if self.known is None:
            return slice(int(first), int(past))
        known: npt.NDArray[np.intp] = np.flatnonzero(self.known[first:past] < as_of)
        return known + int(first)

    def since(self, day: int) -> DayRows:
        """Return the rows from a day on, without values."""
        return self._cut(slice(int(np.searchsorted(self.day, day)), None))

    def before(self, day: int) -> DayRows:
        """Return the rows before a day, without values."""
        return self._cut(slice(int(np.searchsorted(self.day, day))))

    def _cut(self, rows: slice) -> DayRows:
        known = None if self.known is None else self.known[rows]
        return DayRows(self.account[rows], self.member[rows], self.day[rows], known, {})

    def on_days(self, days: Codes, *columns: str) -> DayRows:
        """Return the rows of some days, which come in order, by account with some values."""
        starts, ends = (np.searchsorted(self.day, at) for at in (days, days + 1))
        cuts = [slice(0), *map(slice, starts.tolist(), ends.tolist())]

        def put(values: Any) -> npt.NDArray[Any]:
            return np.concatenate([values[cut] for cut in cuts])

        account, known = put(self.account), None if self.known is None else put(self.known)
        values = {name: put(self.values[name]) for name in columns}
        return DayRows(account, account, put(self.day), known, values)

    def totals(self, rows: Rows, accounts: int, column: str = "") -> Numbers:
        """Return the sum of a column (or the count of rows) per account."""
        return summed(self.account[rows], accounts, self.values[column][rows] if column else None)

    def totals_in_windows(
        self, as_of: int, accounts: int, windowed: Windowed
    ) -> dict[str, Numbers]:
        """Return a declared sum or count per account, by name, for each of its windows."""
        total, until, found = np.zeros(accounts), 0, {}
        for days in sorted(windowed.days):
            total = total + self.totals(self.within(as_of, days, until), accounts, windowed.column)
            found[windowed.name(days)], until = total, days
        return found

    def per_week(
        self, as_of: int, weeks: int, accounts: int, column: str = ""
    ) -> npt.NDArray[np.float64]:
        """Return sums (or counts of rows) per week and account, the week before as_of first.

        A week without a row counts 0.
        """
        windows = [self.within(as_of, 7 * week + 7, 7 * week) for week in range(weeks)]
        return np.stack([self.totals(rows, accounts, column) for rows in windows])

    @property
    def known_from(self) -> Codes:
        """The day on which each row was known, at the earliest its own."""
        return self.day if self.known is None else np.maximum(self.day, self.known)

    def distinct_days(self, key: Codes) -> DayRows:
        """Return one row per key and day, known from when the first of its rows was."""
        if not len(key):
            return DayRows(key, key, self.day[:0], self.known, {})
        span, first = int(key.max()) + 1, int(self.day[0])
        if self.known is None:
            # Day by day, so that the marks of a day stay in the processor's cache.
            days = np.arange(first, int(self.day[-1]) + 1, dtype=self.day.dtype)
            parts = np.split(key, np.searchsorted(self.day, days[1:]))
            found = [distinct(keys, span) for keys in parts]
            member = np.concatenate(found)
            return DayRows(member, member, np.repeat(days, [*map(len, found)]), None, {})
        place = (self.day - first) * span + key
        unique, code = np.unique(place, return_inverse=True)
        known = earliest(code, len(unique), self.known_from)
        day, member = np.divmod(unique, span)
        return DayRows(member, member, day + first, known, {})


def order_of_days(day: Codes) -> npt.NDArray[np.intp] | None:
    """Return the rows in order of their day; None where they already are."""
    if not len(day) or (day[1:] >= day[:-1]).all():
        return None
    # Numbers of two bytes, which most spans of days fit in, are sorted several times as fast.
    days = day - day.min()
    return np.argsort(days.astype(np.uint16) if days.max() < 2**16 else days, kind="stable")


def distinct(codes: Codes, count: int) -> Codes:
    """Return each of some codes from 0 to count − 1 once, in order."""
    if count > _CELLS_PER_ROW * len(codes):
        return np.sort(pd.unique(codes))
    occurs = np.zeros(count, dtype=bool)
    occurs[codes] = True
    return np.flatnonzero(occurs)


def numbered(codes: Codes, count: int) -> tuple[Codes, Codes]:
    """Return the place of each code among the distinct ones, and these in order."""
    found = distinct(codes, count)
    if count > _CELLS_PER_ROW * len(codes):
        return np.searchsorted(found, codes), found
    place = np.zeros(count, dtype=np.int64)
    place[found] = np.arange(len(found))
    return place[codes], found


def summed(codes: Codes, count: int, weights: Numbers | None = None) -> Numbers:
    """Return the sum of the weights (1 where none are given) of each code from 0 to count − 1."""
    return np.bincount(codes, weights, count).astype(float, copy=False)


def earliest(codes: Codes, count: int, days: Codes) -> Codes:
    """Return the first day of each code; the largest integer where it has none."""
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, codes, days)
    return first


def latest(codes: Codes, count: int, values: Numbers) -> Numbers:
    """Return the largest value of each code; NaN where it has none."""
    most = np.full(count, -np.inf)
    np.maximum.at(most, codes, values)
    return np.where(np.isfinite(most), most, np.nan)
