"""A table brought in once, its columns as numbers, to be looked at as of one date after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.day_rows import Codes, Numbers, chosen, distinct, order_of

#: The moment of what never was: later than every date, so that no date has seen it.
NEVER = np.iinfo(np.int64).max
_DAY_US = 86_400_000_000
Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TableColumns:
    """The rows of the spine's accounts, with texts as codes and times as microseconds.

    Attributes
    ----------
    account : array of int
        The place of each row's account in ``texts["account_id"]``.
    accounts : int
        How many were asked for, whether they have a row or not.
    columns : mapping of str to array
        Times as microseconds from 1970, `NEVER` where there is none; dates as days from 1970;
        texts as codes, −1 where there is none; numbers and flags (1, 0) as floats, NaN where
        there is none.
    texts : mapping of str to pa.StringArray
        What the codes of each text stand for.
    """

    account: Codes
    accounts: int
    columns: Mapping[str, npt.NDArray[Any]]
    texts: Mapping[str, pa.StringArray]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.account)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column."""
        return self.columns[name]

    def taken(self, rows: Mask | npt.NDArray[np.intp]) -> TableColumns:
        """Return some of the rows, in the order they are named in."""
        # By number: rows are picked by a mask several times as slowly.
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        account = self.account[rows]
        columns = {
            name: chosen(values, rows, len(account)) for name, values in self.columns.items()
        }
        return TableColumns(account, self.accounts, columns, self.texts)

    def seen_from(self, dated_by: str) -> Times:
        """Return the moment after which each row is seen: its own, or when it reached us."""
        own: Times = self[dated_by]
        late = self.columns.get("known_at")
        return own if late is None else np.maximum(own, np.where(late == NEVER, own, late))

    def is_text(
        self,
        name: str,
        matches: Callable[[str], bool],
        rows: slice | npt.NDArray[np.intp] = slice(None),
    ) -> Mask:
        """Tell in which of some rows (by default all) a text matches."""
        found = [matches(text) for text in self.texts[name].to_pylist()]
        mask: Mask = np.array([*found, False], dtype=bool)[self[name][rows]]
        return mask


def bring_in(
    frame: nw.LazyFrame[Any], accounts: pd.Index[str] | None = None, *, in_order_of: str = ""
) -> TableColumns:
    """Run a lazy frame that has account_id, and bring in the rows of these accounts, or of all.

    In order of a column where one is named, else (and among equals) in no particular order.
    """
    table: pa.Table = frame.collect("pyarrow").to_native()
    left = dict(zip(table.column_names, table.columns, strict=True))
    del table
    account, named = _numbers(left.pop("account_id"))
    names = pa.array([], pa.string()) if named is None else named
    if accounts is not None:
        wanted = pa.array(accounts, pa.string())
        names, account = wanted, placed(account, names, wanted)
    rows = np.flatnonzero(account >= 0)
    if in_order_of:
        rows = rows[np.argsort(_numbers(left[in_order_of])[0][rows])]
    columns: dict[str, npt.NDArray[Any]] = {}
    texts = {"account_id": names}
    as_they_are = not in_order_of and len(rows) == len(account)
    # One column after another, so that of each but one a single copy is in memory.
    for name in list(left):
        values, named = _numbers(left.pop(name))
        columns[name] = values if as_they_are else chosen(values, rows, len(rows))
        if named is not None:
            texts[name] = named
    account = np.asarray(account[rows], dtype=np.int64)
    return TableColumns(account, len(names), columns, texts)


def places_of(names: pa.StringArray, among: pa.StringArray) -> Codes:
    """Return the place of each name among others; −1 for one that is not there."""
    found = pc.fill_null(pc.index_in(names, value_set=among), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def placed(codes: Codes, names: pa.StringArray, among: pa.StringArray) -> Codes:
    """Return the place among others of the name that each code stands for; −1 for −1, too."""
    return np.append(places_of(names, among), -1)[codes]


def _numbers(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], pa.StringArray | None]:
    if column.null_count == len(column):
        return _nothing(column)
    if pa.types.is_timestamp(column.type):
        moments = column.cast(pa.timestamp("us")).cast(pa.int64())
        return pc.fill_null(moments, NEVER).to_numpy(), None
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        coded = column.cast(pa.string()).dictionary_encode().combine_chunks()
        codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
        return codes, coded.dictionary
    if pa.types.is_date(column.type):
        return column.cast(pa.date32()).cast(pa.int32()).to_numpy(), None
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=float), None


def _nothing(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], pa.StringArray | None]:
    """Return a column without a value: one number that stands for all."""
    if pa.types.is_timestamp(column.type):
        return np.broadcast_to(NEVER, len(column)), None
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.broadcast_to(-1, len(column)), pa.array([], pa.string())
    return np.broadcast_to(np.nan, len(column)), None


def moment(as_of: pd.Timestamp) -> int:
    """Return the microseconds from 1970 to a date."""
    return int(as_of.to_datetime64().astype("datetime64[us]").astype(np.int64))


def days_before(as_of: int, days: float) -> int:
    """Return the moment so many days before another."""
    return as_of - int(days * _DAY_US)


def within(times: Times, as_of: int, days: float, until_days: float = 0) -> Mask:
    """Tell which times lie in [as_of − days, as_of − until_days)."""
    return (times >= days_before(as_of, days)) & (times < days_before(as_of, until_days))


def days_from(start: Times | int, end: Times | int) -> Numbers:
    """Return the days, with their fraction, from one time to another; NaN where one is `NEVER`."""
    lasted = (np.asarray(end) - np.asarray(start)) / _DAY_US
    there = (np.asarray(end) != NEVER) & (np.asarray(start) != NEVER)
    return np.where(there, lasted, np.nan)


def some(count: Numbers) -> Numbers:
    """Return a count, NaN where it is 0, to divide by."""
    return np.where(count > 0, count, np.nan)


class Ranked:
    """Values in order of account and size, for quantiles of any part of them.

    Parameters
    ----------
    account : array of int
        Each value's account, below `accounts`.
    accounts : int
        How many there are.
    values : array of float
        What is ranked.
    times : array of int
        The moment that dates a value; one that never comes is left out.
    since, until : array of int
        A value counts as of the dates with since < date ≤ until.
    """

    def __init__(
        self,
        account: Codes,
        accounts: int,
        values: Numbers,
        times: Times,
        since: Times,
        until: Times,
    ) -> None:
        there = np.flatnonzero(times != NEVER)
        by_size = there[np.argsort(values[there])]
        by_size = by_size[order_of(account[by_size])]
        self._account, self._values, self._accounts = account[by_size], values[by_size], accounts
        rank = np.empty(len(times), dtype=np.int64)
        rank[by_size] = np.arange(len(by_size))
        # In order of day, so that a window is a slice of them.
        day = times[there] // _DAY_US
        order = order_of(day)
        by_day = there[order]
        self._day, self._rank = day[order], rank[by_day]
        self._times, self._since, self._until = times[by_day], since[by_day], until[by_day]

    def within(self, as_of: int, days: float, until_days: float = 0) -> Quantiles:
        """Return the values of a date whose times lie in [as_of − days, as_of − until_days)."""
        start, end = days_before(as_of, days) // _DAY_US, days_before(as_of, until_days) // _DAY_US
        rows = slice(*np.searchsorted(self._day, [start, end + 1]))
        inside = within(self._times[rows], as_of, days, until_days)
        inside &= (self._since[rows] < as_of) & (as_of <= self._until[rows])
        found = distinct(self._rank[rows][np.flatnonzero(inside)], len(self._values))
        return Quantiles(self._account[found], self._accounts, self._values[found])


class Quantiles:
    """Quantiles of each account's values, which come in order of account and size."""

    def __init__(self, account: Codes, accounts: int, values: Numbers) -> None:
        self._count = np.bincount(account, minlength=accounts)
        self._start = np.cumsum(self._count) - self._count
        self._values = np.append(values, np.nan)

    def of(self, share: float) -> Numbers:
        """Return a quantile, in a straight line between two values; NaN of no value."""
        place = np.maximum(self._count - 1, 0) * share
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(self._count - 1, 0))
        there = self._count > 0
        last = len(self._values) - 1
        below = self._values[np.where(there, self._start + low, last)]
        above = self._values[np.where(there, self._start + high, last)]
        found: Numbers = below + (place - low) * (above - below)
        return found
