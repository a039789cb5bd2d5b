"""Use by user and day, as numbers, for all windows of all dates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.rollups.running_totals import following
from features.rollups.usage_rollup import (
    Frame,
    by_user,
    collected,
    counted,
    in_order_of_day,
    kept_rollups,
    keys_with_known,
    known_days,
    named_codes,
    rows_before,
    unkept_rows,
    within_days,
)
from features.tables.opened import Tables
from features.windows.day_rows import (
    BEFORE_ALL_DAYS,
    Codes,
    DayRows,
    Numbers,
    Pieces,
    day_number,
    day_of,
    distinct_places,
    earliest,
    summed,
)

#: Days before a date that a window may reach back.
REACH_DAYS = 126
_SUMS = ("quantity", "records", "errors", "errors_known", "users_counted")
#: What is told of the time before every window, and so many of its last days row by row.
_OLDER = ("account_id", "user_id", "day", "known", "users_counted")
_REST_DAYS = 21
#: Errors are summed up over so many days at most.
_ERROR_DAYS = 28
_WITHOUT_ERRORS = (
    "account_id",
    "user_id",
    "day",
    "known",
    "quantity",
    "records",
    "users_counted",
    "active_users",
)
#: Rows that are looked at at a time, where that saves a column in memory.
_BLOCK = 2**18


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
    dates : array of int
        The days as of which features are made, in order.
    may_repeat : bool
        Whether a user may have several rows of a day.
    """

    accounts: pd.Index[str]
    rows: DayRows
    user_account: Codes
    has_users: bool
    dates: Codes
    may_repeat: bool = False

    @cached_property
    def account_days(self) -> DayRows:
        """A row per account and day with use, of the days that windows reach."""
        rows = self.rows.since(self._since)
        return rows.distinct_days(rows.account)

    @cached_property
    def user_days(self) -> DayRows:
        """A row per user and day with use, of the days that windows reach; no nameless users."""
        rows = self.rows.since(self._since)
        named = rows.member >= 0
        if named.all():
            user, day, known = rows.member, rows.day, rows.known
        else:
            user, day = rows.member[named], rows.day[named]
            known = None if rows.known is None else rows.known[named]
        plain = DayRows(user, user, day, known, {})
        # Without late rows there is one row per user and day already.
        repeats = known is not None or self.may_repeat
        return plain.distinct_days(user) if repeats else plain

    @cached_property
    def weekends(self) -> DayRows:
        """The quantities of Saturdays and Sundays."""
        days = np.arange(self._since, self.dates[-1])
        # 1970-01-01 was a Thursday.
        return self.rows.on_days(days[(days + 3) % 7 >= 5], "quantity")

    @cached_property
    def last_days(self) -> dict[int, Numbers]:
        """The last day of use of each account as of each date; NaN where none was known."""
        last, found = np.full(len(self.accounts), BEFORE_ALL_DAYS), {}
        parts = [_as_seen(part) for part in (self.rows.before(self._since), self.account_days)]
        before = BEFORE_ALL_DAYS
        for date in self.dates.tolist():
            for account, day, seen in parts:
                rows = slice(*np.searchsorted(seen, [before, date]))
                np.maximum.at(last, account[rows], day[rows])
            found[date], before = np.where(last > BEFORE_ALL_DAYS, last, np.nan), date
        return found

    @cached_property
    def used_from(self) -> Codes:
        """The day on which the first use of each account was known."""
        return earliest(self.rows.account, len(self.accounts), self.rows.seen_from)

    @cached_property
    def named_from(self) -> Codes:
        """The day on which the first use by a named user of each account was known."""
        named = self.rows.member >= 0
        if named.all():
            return self.used_from
        return earliest(self.rows.account[named], len(self.accounts), self.rows.seen_from[named])

    @property
    def _since(self) -> int:
        """The first day that any window reaches."""
        return int(self.dates[0]) - REACH_DAYS


def _as_seen(rows: DayRows) -> tuple[Codes, Codes, Codes]:
    """Return accounts, days, and the days on which these were seen, in order of the last."""
    if rows.known is None:
        return rows.account, rows.day, rows.day
    order = np.argsort(rows.seen_from, kind="stable")
    return rows.account[order], rows.day[order], rows.seen_from[order]


def roll_up(tables: Tables, dates: pd.Series[Any]) -> DailyUse:
    """Roll up the use that the features of these dates are made from.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    dates : pd.Series of datetime
        The dates as of which features are made; not empty.
    """
    days = np.array(sorted({day_number(date) for date in dates.unique()}))
    # The rows of one day may lie in several files, each of which was rolled up by itself.
    repeats = tables.parts is not None and tables.parts.share_a_day()
    has_users = tables.has("usage", "user_id")
    use = _assembled(_by_user(tables, days), has_users, days, may_repeat=repeats)
    # Made now, as dates are told in several threads.
    for name in ("last_days", "user_days", "weekends", "used_from", "named_from"):
        getattr(use, name)
    return use


def _by_user(tables: Tables, dates: Codes) -> list[pa.Table]:
    """Return roll-ups by user and day, in order of day if that is to be had by cutting."""
    since, recent, end = int(dates[0]) - REACH_DAYS, int(dates[0]) - _ERROR_DAYS, int(dates[-1])
    users = _older(tables, since, end)
    for start, past, columns in ((since, recent, _WITHOUT_ERRORS), (recent, end, None)):
        users += kept_rollups(tables, "users", by_user, start, past, columns=columns)
    if tables.parts is not None:
        users = in_order_of_day(users)
    # A part in order of day at a time: the parts themselves follow one another.
    return users + [
        collected(by_user(rows)).sort_by("day") for _, rows in unkept_rows(tables, since, end)
    ]


def _older(tables: Tables, since: int, end: int) -> list[pa.Table]:
    """Return the last day of each user before every window."""
    parts = tables.parts
    if parts is None:
        return [collected(_older_rows(rows_before(tables, end), since)).sort_by("day")]
    of = ("users", by_user, _OLDER)
    sums: list[pa.Table] = parts.so_far_and_rest(
        "last_days", of, last_days, before=since, rest_days=_REST_DAYS
    )
    # Of a file that reaches into the windows the rows before them, as they are.
    reaching = parts.tables("users", by_user, since=since, until=since)
    return sums + [within_days(table, BEFORE_ALL_DAYS, since) for table in reaching]


def _older_rows(rows: Frame, since: int) -> Frame:
    """Return one row per user for the time before every window: its last day, without sums."""
    start = day_of(since)
    rows = rows.filter(nw.col("occurred_at") < start.to_pydatetime())
    result = [nw.col("occurred_at").max().dt.date().alias("day")]
    present = rows.collect_schema().names()
    if "active_users" in present:
        result.append(counted("active_users").alias("users_counted"))
    if "known" in present:
        late = nw.col("known") >= start.date()
        rows = rows.with_columns(known=nw.when(late).then(nw.col("known")))
    return rows.group_by(*keys_with_known(rows, "account_id", "user_id")).agg(*result)


def last_days(before: pa.Table | None, users: list[pa.Table]) -> pa.Table:
    """Add roll-ups by user and day to the last day of each user, which has no sums.

    A row that was known late stands by itself, unless that was before the last of the days: all
    of them lie before the windows of any date that this is asked for.
    """
    parts = following(before, users)
    rows = _joined(parts)
    (accounts, account), (names, code) = (
        named_codes(rows[name]) for name in ("account_id", "user_id")
    )
    day, late = _days(rows, "day"), known_days(rows)
    known = np.full(len(day), -1) if late is None else np.where(late > day.max(), late, -1)
    lates, late_code = np.unique(known, return_inverse=True)
    # The nameless stand in front, at 0.
    key = (account * (len(names) + 1) + code + 1) * max(len(lates), 1) + late_code
    number, unique = pd.factorize(key)
    user, late_of = np.divmod(unique, max(len(lates), 1))
    last = np.full(len(unique), np.iinfo(np.int64).min)
    np.maximum.at(last, number, day)
    columns = {
        "account_id": _as_names(accounts, user // (len(names) + 1)),
        "user_id": _as_names(names, user % (len(names) + 1) - 1),
        "day": pa.array(last, pa.int32()),
    }
    if (lates >= 0).any():
        columns["known"] = pa.array(lates[late_of], pa.int32(), mask=lates[late_of] < 0)
    if any("users_counted" in part.column_names for part in parts):
        users_counted = summed(number, len(unique), _column(parts, "users_counted", 0.0)[:])
        columns["users_counted"] = pa.array(users_counted)
    return pa.table(columns).sort_by("day")


def _as_names(names: pa.Array, code: Codes) -> pa.DictionaryArray:
    """Return names by their place; null for −1."""
    return pa.DictionaryArray.from_arrays(pa.array(code, pa.int32(), mask=code < 0), names)


def _assembled(
    parts: list[pa.Table], has_users: bool, dates: Codes, *, may_repeat: bool
) -> DailyUse:
    values = {name: _column(parts, name, 0.0) for name in _SUMS}
    values["active_users"] = _column(parts, "active_users", np.nan)
    users = _joined(parts)
    day, known = _days(users, "day"), known_days(users)
    (accounts, account), (names, code) = (
        named_codes(users[name]) for name in ("account_id", "user_id")
    )
    # What was read is not held beside what is made of it.
    del parts, users
    user, pairs = numbered(account, code, len(names))
    del code
    rows = DayRows.ordered(account, user, day, known, values)
    index, owner = pd.Index(accounts.to_pylist(), dtype=object), np.ascontiguousarray(pairs[:, 0])
    return DailyUse(index, rows, owner, has_users, dates, may_repeat)


def _joined(parts: list[pa.Table]) -> pa.Table:
    """Put the keys of parts one after another; names of an empty one are of no kind, so cast."""
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = {"account_id": text, "user_id": text, "day": pa.int32(), "known": pa.int32()}
    cast = [
        pa.table({n: part[n].cast(kind) for n, kind in kinds.items() if n in part.column_names})
        for part in parts
    ]
    return pa.concat_tables(cast, promote_options="permissive")


def numbered(account: Codes, code: Codes, count: int) -> tuple[Codes, Codes]:
    """Return each row's pair of account and code by number (−1 without one), and the pairs.

    Pairs are numbered in order of account and code. A number of its own for each of millions of
    rows is found by counting where there is room for every pair, or where each code stands with
    one account; else by hashing.
    """
    present = code >= 0
    width, accounts = max(count, 1), int(account.max(initial=0)) + 1
    if not present.all():
        number = np.full(len(code), -1, dtype=np.int64)
        number[present], pairs = numbered(account[present], code[present], count)
        return number, pairs
    if accounts * width <= max(4 * len(code), 2**22):
        unique, number = distinct_places(account * width + code, accounts * width)
        return number, np.stack([unique // width, unique % width], axis=1)
    owner = np.zeros(width, dtype=np.int64)
    owner[code] = account
    blocks = (slice(at, at + _BLOCK) for at in range(0, len(code), _BLOCK))
    if all((owner[code[block]] == account[block]).all() for block in blocks):
        unique = np.sort(owner * width + np.arange(width))
        place = np.empty(width, dtype=np.int64)
        place[unique % width] = np.arange(width)
        number = place[code]
    else:
        number, found = pd.factorize(account * width + code, sort=True)
        unique = np.asarray(found, dtype=np.int64)
    return number, np.stack([unique // width, unique % width], axis=1)


def _column(parts: list[pa.Table], name: str, nothing: float) -> Numbers | Pieces:
    """Return a column of parts one after another, with a number for what is not told.

    Where no part has it that number stands for all, and takes no room.
    """
    if not any(name in part.column_names for part in parts):
        return np.broadcast_to(nothing, sum(map(len, parts)))
    # What is not told is the same for all parts: it stands in memory once.
    same = pa.array(np.full(max(map(len, parts)), nothing))
    chunks = [chunk for part in parts for chunk in _filled(part, name, nothing, same)]
    return Pieces(pa.chunked_array(chunks, pa.float64()))


def _filled(part: pa.Table, name: str, nothing: float, same: pa.Array) -> list[pa.Array]:
    # What is older than every window comes without sums.
    if name not in part.column_names:
        return [same.slice(0, len(part))]
    column = part[name].cast(pa.float64())
    filled = pc.fill_null(column, nothing) if column.null_count else column
    return list(filled.chunks)


def _days(table: pa.Table, name: str) -> Codes:
    return np.asarray(table[name].to_numpy(), dtype=np.int64)
