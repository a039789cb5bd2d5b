"""Use rolled up by day on the engine, each raw row read once for all dates and windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.day_rows import Codes, DayRows, day_number, day_of, earliest
from features.tables import Tables

#: Days before a date that a window may reach back.
REACH_DAYS = 126
#: So many days are rolled up at a time: memory stays small, and no row is read twice.
PART_DAYS = 56
_SUMS = ("quantity", "records", "errors", "errors_known", "users_counted")
_Frame = nw.LazyFrame[Any]


@dataclass(frozen=True)
class DailyUse:
    """The use of all accounts by day.

    Attributes
    ----------
    accounts : pd.Index
        Names of the accounts that ever used something, in order.
    rows : DayRows
        A row per account, user and day, numbered by user (−1: a nameless one), with the sums of
        quantity, records, errors, errors_known, users_counted and the largest active_users. What
        lies before every window stands as one row without sums per user, on its last day.
    user_account : array of int
        The account of each user; users are in order of account and name.
    has_users : bool
        Whether rows name their users.
    may_repeat : bool
        Whether a user may have several rows of a day.
    """

    accounts: pd.Index[str]
    rows: DayRows
    user_account: Codes
    has_users: bool
    may_repeat: bool = False

    @cached_property
    def account_days(self) -> DayRows:
        """A row per account and day with use."""
        return self.rows.distinct_days(self.rows.account)

    @cached_property
    def user_days(self) -> DayRows:
        """A row per user and day with use; without nameless users."""
        rows = self.rows
        named = np.flatnonzero(rows.member >= 0)
        known = None if rows.known is None else rows.known[named]
        plain = DayRows(rows.member[named], rows.member[named], rows.day[named], known, {})
        # Without late rows there is one row per user and day already.
        repeats = known is not None or self.may_repeat
        return plain.distinct_days(plain.member) if repeats else plain

    @cached_property
    def used_from(self) -> Codes:
        """The day on which the first use of each account was known."""
        return earliest(self.rows.account, len(self.accounts), self.rows.seen_from)

    @cached_property
    def named_from(self) -> Codes:
        """The day on which the first use by a named user of each account was known."""
        named = self.rows.member >= 0
        return earliest(self.rows.account[named], len(self.accounts), self.rows.seen_from[named])


def roll_up(tables: Tables, dates: pd.Series[Any]) -> DailyUse:
    """Roll up the use that the features of these dates are made from.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    dates : pd.Series of datetime
        The dates as of which features are made; not empty.
    """
    first, end = day_number(dates.min()), day_number(dates.max())
    since = first - REACH_DAYS
    if tables.parts is None:
        users = [collected(_older(_before(tables, end), since))]
    else:
        by_day, day = tables.parts.daily("users", by_user), nw.col("day")
        users = [collected(_last_days(by_day.filter(day < since), since, day.max()))]
    users += [collected(rows) for _, rows in rolled(tables, "users", by_user, since, end)]
    use = _assembled(users, tables.has("usage", "user_id"))
    # The rows of one day may lie in several files, each of which was rolled up by itself.
    return use if tables.parts is None else replace(use, may_repeat=True)


def rolled(
    tables: Tables,
    name: str,
    roll: Callable[[_Frame], _Frame],
    start: int,
    end: int,
    *,
    unkept: Callable[[_Frame], _Frame] | None = None,
) -> Iterator[tuple[int, _Frame]]:
    """Yield the roll-ups of the days of [start, end) in parts, each with its first day.

    Parameters
    ----------
    tables : Tables
        Needs usage; what was kept of it from earlier runs is not made again.
    name : str
        What the roll-up is called where it is kept.
    roll : callable
        Makes it from prepared rows, by day.
    start, end : int
        Days from 1970. A part is `PART_DAYS` days from `start` on.
    unkept : callable, optional
        What to do instead with rows that nothing is kept of.
    """
    # Of the day on which the data ends only a part may be seen: it is read from the rows.
    finished = start if tables.parts is None else min(end, day_number(tables.observed_until))
    for first in range(start, end, PART_DAYS):
        past = min(first + PART_DAYS, end)
        if tables.parts is not None and first < finished:
            day = nw.col("day")
            kept = tables.parts.daily(name, roll, since=start)
            yield first, kept.filter(day >= first, day < min(past, finished))
        if past > finished:
            yield (
                first,
                (unkept or roll)(_of_days(_before(tables, end), max(first, finished), past)),
            )


def _before(tables: Tables, end: int) -> _Frame:
    past = min(day_of(end).to_pydatetime(), tables.observed_until)
    return prepared(tables["usage"]).filter(nw.col("occurred_at") < past)


def _of_days(rows: _Frame, first: int, past: int) -> _Frame:
    at = nw.col("occurred_at")
    return rows.filter(at >= day_of(first).to_pydatetime(), at < day_of(past).to_pydatetime())


def prepared(rows: _Frame) -> _Frame:
    """Return raw rows with the columns that are needed, and their day.

    Absent ones are null; without ``errors`` or ``active_users`` there is nothing to sum up of
    them. Where rows tell when they reached us there is ``known``: the day, null if it was their
    own.
    """
    kinds: dict[str, Any] = {"user_id": nw.String, "quantity": nw.Float64}
    there = rows.collect_schema().names()
    columns = [
        nw.col(name) if name in there else nw.lit(None, dtype=kind).alias(name)
        for name, kind in kinds.items()
    ]
    known = ["known_at"] if "known_at" in there else []
    others = [name for name in ("errors", "active_users") if name in there]
    rows = rows.select("account_id", "event", "occurred_at", *columns, *others, *known)
    rows = rows.with_columns(nw.col("quantity").fill_null(1.0), day=nw.col("occurred_at").dt.date())
    if known:
        late = nw.col("known_at").dt.date()
        rows = rows.with_columns(known=nw.when(late > nw.col("day")).then(late))
    return rows


def _keys(rows: _Frame, *names: str) -> list[str]:
    return [*names, "known"] if "known" in rows.collect_schema().names() else [*names]


def by_user(rows: _Frame) -> _Frame:
    """Sum up prepared rows per account, user and day."""
    sums = [nw.col("quantity").sum(), nw.len().cast(nw.Float64).alias("records")]
    there = rows.collect_schema().names()
    if "errors" in there:
        sums += [nw.col("errors").sum(), _counted("errors").alias("errors_known")]
    if "active_users" in there:
        sums += [nw.col("active_users").max(), _counted("active_users").alias("users_counted")]
    return rows.group_by(*_keys(rows, "account_id", "user_id", "day")).agg(*sums)


def _counted(column: str) -> nw.Expr:
    return nw.col(column).count().cast(nw.Float64)


def by_event(rows: _Frame) -> _Frame:
    """Sum up prepared rows per account, event and day."""
    return rows.group_by(*_keys(rows, "account_id", "event", "day")).agg(
        nw.col("quantity").sum(), nw.col("quantity").max().alias("largest")
    )


def by_account_day(rows: _Frame) -> _Frame:
    """Count and sum up prepared rows per account and day, with the first and the last time."""
    at = nw.col("occurred_at")
    counted = (nw.len().alias("n"), at.min().alias("first"), at.max().alias("last"))
    return rows.group_by(*_keys(rows, "account_id", "day")).agg(nw.col("quantity").sum(), *counted)


def _older(rows: _Frame, since: int) -> _Frame:
    """Return one row per user for the time before every window: its last day."""
    start = day_of(since)
    rows = rows.filter(nw.col("occurred_at") < start.to_pydatetime())
    if "active_users" in rows.collect_schema().names():
        there = ~nw.col("active_users").is_null()
        counted = nw.when(there).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
        rows = rows.with_columns(users_counted=counted)
    return _last_days(rows, start.date(), nw.col("occurred_at").max().dt.date())


def _last_days(rows: _Frame, since: int | date, last: nw.Expr) -> _Frame:
    """Return the last day per user of rows before a day, without sums."""
    if "known" in rows.collect_schema().names():
        late = nw.col("known") >= since
        rows = rows.with_columns(known=nw.when(late).then(nw.col("known")))
    told = [last.alias("day")]
    if "users_counted" in rows.collect_schema().names():
        told.append(nw.col("users_counted").sum())
    return rows.group_by(*_keys(rows, "account_id", "user_id")).agg(*told)


def parts_of_days(rows: _Frame, start: int, end: int) -> Iterator[_Frame]:
    """Cut the rows from one day to another into parts that are rolled up by themselves."""
    for first in range(start, end, PART_DAYS):
        yield _of_days(rows, first, min(first + PART_DAYS, end))


def collected(frame: _Frame) -> pa.Table:
    """Run a roll-up; names become codes at once, which is a tenth of the memory."""
    table: pa.Table = frame.collect("pyarrow").to_native()
    columns = {}
    for name in sorted(table.column_names):
        column = table[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.string()).dictionary_encode().combine_chunks()
        elif pa.types.is_date(column.type):
            column = column.cast(pa.date32()).cast(pa.int32())
        elif name in {"day", "known"}:
            column = column.cast(pa.int32())
        elif not pa.types.is_timestamp(column.type):
            column = column.cast(pa.float64())
        columns[name] = column
    return pa.table(columns)


def _assembled(parts: list[pa.Table], has_users: bool) -> DailyUse:
    users = _joined(parts, "user_id")
    accounts, user_names = _sorted_names(users["account_id"]), _sorted_names(users["user_id"])
    account, code = _codes(users["account_id"], accounts), _codes(users["user_id"], user_names)
    user, pairs = _numbered(account, code, len(user_names))
    values = {name: np.nan_to_num(_numbers(users, name)) for name in _SUMS}
    values["active_users"] = _numbers(users, "active_users")
    rows = DayRows.ordered(account, user, _days(users, "day"), _known(users), values)
    return DailyUse(pd.Index(accounts.to_pylist(), dtype=object), rows, pairs[:, 0], has_users)


def _joined(parts: list[pa.Table], member: str) -> pa.Table:
    """Put parts one after another; an empty frame's names are of no kind, so they are cast."""
    text = pa.dictionary(pa.int32(), pa.string())
    texts = {"account_id", member}
    cast = [
        pa.table({n: part[n].cast(text) if n in texts else part[n] for n in part.column_names})
        for part in parts
    ]
    # What is older than every window comes without sums.
    return pa.concat_tables(cast, promote_options="permissive")


def _sorted_names(column: pa.ChunkedArray) -> pa.Array:
    names = pa.chunked_array([chunk.dictionary for chunk in column.chunks], pa.string())
    unique = pc.unique(names)
    return unique.take(pc.sort_indices(unique))


def _codes(column: pa.ChunkedArray, names: pa.Array) -> Codes:
    """Return the place of each value in `names`; −1 for none."""
    parts = [np.empty(0, dtype=np.int64)]
    for chunk in column.chunks:
        places = pc.index_in(chunk.dictionary, value_set=names).to_numpy(zero_copy_only=False)
        codes = pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False)
        parts.append(np.append(places, -1).astype(np.int64)[codes])
    return np.concatenate(parts)


def _numbered(account: Codes, code: Codes, count: int) -> tuple[Codes, Codes]:
    """Return each row's pair of account and code by number (−1 without one), and the pairs.

    Pairs are numbered in order of account and code. A number of its own for each of millions of
    rows is found by counting where there is room for every pair, or where each code stands with
    one account; else by hashing.
    """
    there = code >= 0
    width, accounts = max(count, 1), int(account.max(initial=0)) + 1
    if not there.all():
        number = np.full(len(code), -1, dtype=np.int64)
        number[there], pairs = _numbered(account[there], code[there], count)
        return number, pairs
    owner = np.zeros(width, dtype=np.int64)
    owner[code] = account
    if accounts * width <= max(4 * len(code), 2**22):
        key = account * width + code
        occurs = np.zeros(accounts * width, dtype=bool)
        occurs[key] = True
        unique = np.flatnonzero(occurs)
        number = (np.cumsum(occurs) - 1)[key]
    elif len(code) and (owner[code] == account).all():
        unique = np.sort(owner * width + np.arange(width))
        place = np.empty(width, dtype=np.int64)
        place[unique % width] = np.arange(width)
        number = place[code]
    else:
        number, found = pd.factorize(account * width + code, sort=True)
        unique = np.asarray(found, dtype=np.int64)
    return number, np.stack([unique // width, unique % width], axis=1)


def _numbers(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    if name not in table.column_names:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].to_numpy(), dtype=float)


def _days(table: pa.Table, name: str) -> Codes:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)


def _known(table: pa.Table) -> Codes | None:
    """Return the day on which each row was known; None where no row was late."""
    if "known" not in table.column_names or table["known"].null_count == len(table):
        return None
    late = np.asarray(pc.fill_null(table["known"], 0).to_numpy(), dtype=np.int64)
    return np.maximum(late, _days(table, "day"))
