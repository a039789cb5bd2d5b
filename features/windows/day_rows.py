"""Rows rolled up by day, in memory and in order of day, so that a window is a slice of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
#: Rows of a window: a slice, or their numbers where some of it was not known yet.
Rows = slice | npt.NDArray[np.intp]

_DAY = np.timedelta64(1, "D")
#: Numbers of a day before all days, and of one after them.
BEFORE_ALL_DAYS, AFTER_ALL_DAYS = -(10**9), 10**9


def day_number(time: Any) -> int:
    """Return the days from 1970-01-01 to the midnight before (or at) a time."""
    return int(pd.Timestamp(time).to_datetime64().astype("datetime64[D]").astype(np.int64))


def day_of(number: int) -> pd.Timestamp:
    """Return the midnight with which a day begins; the reverse of `day_number`."""
    return pd.Timestamp(np.datetime64(0, "D") + number * _DAY)


@dataclass(frozen=True)
class Pieces:
    """A column that lies in pieces: rows that follow one another are put together when asked for.

    Attributes
    ----------
    column : pa.ChunkedArray
        Numbers, none of them null.
    """

    column: pa.ChunkedArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.column)

    def __getitem__(self, rows: Rows) -> Numbers:
        """Return some rows."""
        if isinstance(rows, slice):
            start, past, _ = rows.indices(len(self))
            return np.asarray(self.column.slice(start, past - start).to_numpy(), dtype=float)
        return np.asarray(self.column.to_numpy(), dtype=float)[rows]


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
    values: Mapping[str, Numbers | Pieces]

    @classmethod
    def ordered(
        cls,
        account: Codes,
        member: Codes,
        day: Codes,
        known: Codes | None,
        values: Mapping[str, Numbers | Pieces],
    ) -> DayRows:
        """Put rows in order of their day."""
        if not len(day) or (day[1:] >= day[:-1]).all():
            return cls(account, member, day, known, values)
        order = order_of(day)
        late = None if known is None else known[order]
        sums = {name: chosen(value, order, len(order)) for name, value in values.items()}
        owner = account[order]
        return cls(owner, owner if member is account else member[order], day[order], late, sums)

    def within(self, as_of: int, days: int, until_days: int = 0) -> Rows:
        """Return the rows of [as_of − days, as_of − until_days) that were known before as_of."""
        # Of their own kind: else all days would be turned into numbers of another one.
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

    def per_week(
        self, as_of: int, weeks: int, accounts: int, column: str = ""
    ) -> npt.NDArray[np.float64]:
        """Return sums (or counts of rows) per week and account, the week before as_of first.

        A week without a row counts 0.
        """
        windows = [self.within(as_of, 7 * week + 7, 7 * week) for week in range(weeks)]
        return np.stack([self.totals(rows, accounts, column) for rows in windows])

    @property
    def seen_from(self) -> Codes:
        """The day on which each row was known, at the earliest its own."""
        return self.day if self.known is None else np.maximum(self.day, self.known)

    def distinct_days(self, key: Codes) -> DayRows:
        """Return one row per key and day, known from when the first of its rows was."""
        if not len(key):
            return DayRows(key, key, self.day[:0], self.known, {})
        span, first = int(key.max()) + 1, int(self.day[0])
        if self.known is None:
            # Day by day: of all days at once the places of all keys would have to be in memory.
            starts = [0, *(np.flatnonzero(self.day[1:] != self.day[:-1]) + 1).tolist(), len(key)]
            members = [distinct(key[start:past], span) for start, past in pairwise(starts)]
            day = np.repeat(self.day[starts[:-1]], [len(found) for found in members])
            member = np.concatenate(members)
            return DayRows(member, member, day, None, {})
        place = (self.day - first) * span + key
        codes, unique = pd.factorize(place)
        day, member = unique // span + first, unique % span
        known = earliest(codes, len(unique), self.seen_from)
        return DayRows.ordered(member, member, day, known, {})


def order_of(codes: Codes) -> npt.NDArray[np.intp]:
    """Return the order of whole numbers; equal ones stay in the order in which they come.

    Small ones are sorted by counting, half of a number at a time, which takes a fraction of the
    time of comparing them.
    """
    codes = codes - codes.min(initial=0)
    largest = int(codes.max(initial=0))
    if largest >= 2**32:
        return np.argsort(codes, kind="stable")
    order = np.argsort(codes.astype(np.uint16), kind="stable")
    if largest < 2**16:
        return order
    return order[np.argsort((codes >> 16)[order].astype(np.uint16), kind="stable")]


def chosen(values: npt.NDArray[Any] | Pieces, rows: Any, count: int) -> npt.NDArray[Any]:
    """Return so many rows of a column; one number that stands for all goes on doing so."""
    if isinstance(values, np.ndarray) and represents_all(values):
        return np.broadcast_to(values[:1], count)
    found: npt.NDArray[Any] = values[rows]
    return found


def represents_all(values: npt.NDArray[Any]) -> bool:
    """Tell whether a column is one number that stands for all its rows."""
    return values.strides == (0,)


def summed(codes: Codes, count: int, weights: Numbers | None = None) -> Numbers:
    """Return the sum of the weights (1 where none are given) of each code from 0 to count − 1."""
    return np.bincount(codes, weights, count).astype(float, copy=False)


def distinct(codes: Codes, span: int) -> Codes:
    """Return each of some codes from 0 to span − 1 once, in order."""
    if span > max(16 * len(codes), 2**22):
        ordered = np.sort(codes)
        return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(codes) else ordered
    # Marking them takes a fraction of the time of sorting them.
    occurs = np.zeros(span, dtype=bool)
    occurs[codes] = True
    return np.flatnonzero(occurs)


def distinct_places(codes: Codes, span: int) -> tuple[Codes, Codes]:
    """Return each of some codes from 0 to span − 1 once, in order, and each one's place there."""
    if span > max(16 * len(codes), 2**22):
        unique, place = np.unique(codes, return_inverse=True)
        return unique, place
    # Marking them takes a fraction of the time of sorting them.
    occurs = np.zeros(span, dtype=bool)
    occurs[codes] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[codes]


def earliest(codes: Codes, count: int, days: Codes) -> Codes:
    """Return the first day of each code; a day that never comes where it has none."""
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, codes, days)
    return first


def latest(codes: Codes, count: int, values: Numbers) -> Numbers:
    """Return the largest value of each code; NaN where it has none."""
    most = np.full(count, -np.inf)
    np.maximum.at(most, codes, values)
    return np.where(np.isfinite(most), most, np.nan)
