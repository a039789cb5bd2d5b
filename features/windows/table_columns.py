"""A table loaded once, with its columns as numbers, to be read as of one date after another."""

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

from features.tables.schema import Kind
from features.windows.day_rows import Codes, Numbers

#: The time of what never happened: later than every date.
NEVER = np.iinfo(np.int64).max
#: Microseconds of a day.
DAY_US = 86_400_000_000
_NO_TEXTS = pa.array([], pa.string())
Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TableColumns:
    """The rows of some accounts, with texts as codes and times as microseconds.

    Attributes
    ----------
    account : array of int
        The place of each row's account in ``texts["account_id"]``.
    accounts : int
        The number of accounts, with or without rows.
    columns : mapping of str to array
        Times as microseconds from 1970, `NEVER` where there is none; dates as days from 1970;
        texts as codes and flags as 1 or 0, −1 where there is none; numbers as floats, NaN where
        there is none.
    texts : mapping of str to pa.StringArray
        The texts that the codes refer to.
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

    def only(self, *names: str) -> TableColumns:
        """Return the table with only these columns, if it has them."""
        columns = {name: self.columns[name] for name in names if name in self.columns}
        return TableColumns(self.account, self.accounts, columns, self.texts)

    def taken(self, rows: Mask | npt.NDArray[np.intp]) -> TableColumns:
        """Return some of the rows, in the given order."""
        # By number: a mask is several times slower.
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        account = self.account[rows]
        columns = {name: values[rows] for name, values in self.columns.items()}
        return TableColumns(account, self.accounts, columns, self.texts)

    def people(self, name: str) -> Codes:
        """Return a column of people's ids, as their places in `people_named`."""
        texts = self.texts[name]
        return placed(self[name], one_spelling(texts), people_named(texts))

    def is_text(
        self,
        name: str,
        matches: Callable[[str], bool],
        rows: slice | npt.NDArray[np.intp] = slice(None),
    ) -> Mask:
        """Mark the rows (by default of all) in which a text matches."""
        found = [matches(text) for text in self.texts[name].to_pylist()]
        mask: Mask = np.array([*found, False], dtype=bool)[self[name][rows]]
        return mask


def load_columns(
    frame: nw.LazyFrame[Any],
    accounts: pd.Index[str] | None = None,
    *,
    optional: Mapping[str, Kind] | None = None,
) -> TableColumns:
    """Run a lazy frame, and load the rows of some accounts in no particular order.

    Parameters
    ----------
    frame : narwhals.LazyFrame
        Has account_id.
    accounts : pd.Index, optional
        The accounts; by default all.
    optional : mapping of str to str
        Kinds of columns that the frame may lack: they are empty then.
    """
    return columns_of(frame.collect("pyarrow").to_native(), accounts, optional=optional)


def columns_of(
    table: pa.Table,
    accounts: pd.Index[str] | None = None,
    *,
    optional: Mapping[str, Kind] | None = None,
) -> TableColumns:
    """Return the rows of some accounts of a table in memory, as `load_columns` does."""
    left = dict(zip(table.column_names, table.columns, strict=True))
    del table
    owner = left.pop("account_id")
    if accounts is None:
        account, names = _coded(owner)
    else:
        names = pa.array(accounts, pa.string())
        if pa.types.is_dictionary(owner.type):
            account = placed(*_coded(owner), names)
        else:
            account = places_of(owner.cast(pa.string()), names)
    rows = np.flatnonzero(account >= 0)
    columns = {name: _empty(kind, len(rows)) for name, kind in (optional or {}).items()}
    texts = {"account_id": names} | dict.fromkeys(columns, _NO_TEXTS)
    as_they_are = len(rows) == len(account)
    # One column after another, so that only one is in memory twice.
    for name in list(left):
        values, named = _numbers(left.pop(name))
        columns[name] = values if as_they_are else values[rows]
        if named is not None:
            texts[name] = named
    account = account if as_they_are else account[rows]
    return TableColumns(account, len(names), columns, texts)


def places_of(names: pa.StringArray | pa.ChunkedArray, among: pa.StringArray) -> Codes:
    """Return the place of each name among others; −1 for an absent one."""
    found = pc.fill_null(pc.index_in(names, value_set=among), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def one_spelling(people: pa.StringArray) -> pa.StringArray:
    """Return ids of people with email addresses in lower case: their case means nothing."""
    is_address = pc.match_substring(people, "@")
    return pc.if_else(is_address, pc.utf8_lower(people), people)


def people_named(texts: pa.StringArray) -> pa.StringArray:
    """Return the different people among some ids."""
    return pc.unique(one_spelling(texts))


def placed(codes: Codes, names: pa.StringArray, among: pa.StringArray) -> Codes:
    """Return the place among others of the name of each code; −1 for −1, too."""
    return np.append(places_of(names, among), -1)[codes]


def _numbers(column: pa.ChunkedArray) -> tuple[npt.NDArray[Any], pa.StringArray | None]:
    if pa.types.is_date(column.type):
        return column.cast(pa.date32()).cast(pa.int32()).to_numpy(), None
    kind = _kind(column.type)
    if column.null_count == len(column):
        return _empty(kind, len(column)), _NO_TEXTS if kind == "text" else None
    if kind == "time":
        moments = column.cast(pa.timestamp("us")).cast(pa.int64())
        return pc.fill_null(moments, NEVER).to_numpy(), None
    if kind == "text":
        return _coded(column)
    if kind == "flag":
        return pc.fill_null(column.cast(pa.int8()), -1).to_numpy(), None
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=float), None


def _coded(texts: pa.ChunkedArray) -> tuple[npt.NDArray[Any], pa.StringArray]:
    """Return the code of each text, −1 where there is none, and the distinct texts."""
    if not pa.types.is_dictionary(texts.type):
        texts = texts.cast(pa.string()).dictionary_encode()
    coded = texts.unify_dictionaries().combine_chunks()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    return codes, coded.dictionary


def _kind(arrow: pa.DataType) -> Kind:
    if pa.types.is_timestamp(arrow):
        return "time"
    if (
        pa.types.is_dictionary(arrow)
        or pa.types.is_string(arrow)
        or pa.types.is_large_string(arrow)
    ):
        return "text"
    return "flag" if pa.types.is_boolean(arrow) else "number"


def _empty(kind: Kind, rows: int) -> npt.NDArray[Any]:
    """Return a column without values."""
    none: dict[Kind, float] = {"time": NEVER, "text": -1, "flag": -1, "number": np.nan}
    return np.broadcast_to(none[kind], rows)


def moment(as_of: pd.Timestamp) -> int:
    """Return the microseconds from 1970 to a date."""
    return int(as_of.to_datetime64().astype("datetime64[us]").astype(np.int64))


def days_before(as_of: int, days: float) -> int:
    """Return the moment this many days before another."""
    return as_of - int(days * DAY_US)


def within(times: Times, as_of: int, days: float, until_days: float = 0) -> Mask:
    """Mark the times in [as_of − days, as_of − until_days)."""
    return (times >= days_before(as_of, days)) & (times < days_before(as_of, until_days))


def days_from(start: Times | int, end: Times | int) -> Numbers:
    """Return the days, with their fraction, from one time to another; NaN where one is `NEVER`."""
    lasted = (np.asarray(end) - np.asarray(start)) / DAY_US
    present = (np.asarray(end) != NEVER) & (np.asarray(start) != NEVER)
    return np.where(present, lasted, np.nan)


def some(count: Numbers) -> Numbers:
    """Return a count, NaN where it is 0, to divide by."""
    return np.where(count > 0, count, np.nan)


def quantiles(account: Codes, accounts: int, lengths: Times) -> Quantiles:
    """Return the quantiles of each account's lengths of time.

    Parameters
    ----------
    account : array of int
        Each length's account, below `accounts`.
    accounts : int
        How many there are.
    lengths : array of int
        None of them below 0.
    """
    distinct, span = None, int(lengths.max(initial=0)) + 1
    if accounts * span > np.iinfo(np.int64).max:
        # Their ranks are smaller.
        distinct, lengths = np.unique(lengths, return_inverse=True)
        span = len(distinct)
    # Single numbers are sorted many times as fast as pairs.
    pairs = account.astype(np.int64) * span + lengths
    pairs.sort()
    account, lengths = np.divmod(pairs, span)
    return Quantiles(account, accounts, lengths if distinct is None else distinct[lengths])


class Quantiles:
    """Quantiles of each account's values.

    Parameters
    ----------
    account : array of int
        The account of each value, below `accounts`.
    accounts : int
        How many there are.
    values : array
        In order of account and size.
    """

    def __init__(
        self, account: Codes, accounts: int, values: npt.NDArray[np.float64 | np.int64]
    ) -> None:
        count = np.bincount(account, minlength=accounts)
        self._present = np.flatnonzero(count)
        self._count, self._values = count[self._present], values
        self._start = (np.cumsum(count) - count)[self._present]
        self._accounts = accounts

    def of(self, share: float) -> Numbers:
        """Return a quantile, interpolated linearly; NaN without a value."""
        place = (self._count - 1) * share
        low = np.floor(place).astype(np.int64)
        below = self._values[self._start + low]
        above = self._values[self._start + np.minimum(low + 1, self._count - 1)]
        found = np.full(self._accounts, np.nan)
        found[self._present] = below + (place - low) * (above - below)
        return found
