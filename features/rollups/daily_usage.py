"""Usage by user and day, as numbers, for all windows of all dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.rollups.usage_rollup import known_days, last_days_before, named_codes, rolled_up
from features.tables.opened import Tables
from features.windows.day_rows import (
    BEFORE_ALL_DAYS,
    Codes,
    DayRows,
    Numbers,
    day_number,
    earliest,
    order_of_days,
)

#: Days before a date that a window may reach back.
REACH_DAYS = 126
#: Days before a date that windows of errors reach back.
ERROR_DAYS = 28
#: What a column of sums has where a row has no value.
_ABSENT = {
    "quantity": 0.0,
    "records": 0.0,
    "errors": 0.0,
    "errors_known": 0.0,
    "users_counted": 0.0,
    "active_users": np.nan,
}
_KEYS = ("account_id", "user_id", "day", "known")
_WITHOUT_ERRORS = (*_KEYS, *(name for name in _ABSENT if not name.startswith("errors")))


@dataclass(frozen=True)
class DailyUsage:
    """The usage of all accounts by day.

    Attributes
    ----------
    accounts : pd.Index
        The accounts that ever used something, in order.
    rows : DayRows
        A row per account, user, day and day on which it was known, numbered by user (−1 without
        one), with the sums of quantity and records, and of errors, errors_known and users_counted
        and the largest active_users where the table records them. Errors may be 0 on days more
        than `ERROR_DAYS` before the first date. The time before every window is one row or more
        without sums per user, on the user's last days.
    user_account : array of int
        The account of each user; users are in order of account and name.
    has_users : bool
        Whether the table names users.
    dates : array of int
        The days as of which features are made, in order.
    """

    accounts: pd.Index[str]
    rows: DayRows
    user_account: Codes
    has_users: bool
    dates: Codes

    @cached_property
    def account_days(self) -> DayRows:
        """A row per account and day with usage, of the days that windows reach."""
        rows = self.rows.since(self._since)
        return rows.distinct_days(rows.account)

    @cached_property
    def user_days(self) -> DayRows:
        """A row per named user and day with usage, of the days that windows reach."""
        rows = self.rows.since(self._since)
        named = slice(None) if (rows.member >= 0).all() else np.flatnonzero(rows.member >= 0)
        user, known = rows.member[named], None if rows.known is None else rows.known[named]
        users = DayRows(user, user, rows.day[named], known, {})
        # Without late rows a user has one row a day already.
        return users if known is None else users.distinct_days(user)

    @cached_property
    def weekends(self) -> DayRows:
        """The quantities of Saturdays and Sundays."""
        days = np.arange(self._since, self.dates[-1])
        # 1970-01-01 was a Thursday.
        return self.rows.on_days(days[(days + 3) % 7 >= 5], "quantity")

    @cached_property
    def last_days(self) -> dict[int, Numbers]:
        """The last day of usage of each account as of each date; NaN where none was known."""
        last, found = np.full(len(self.accounts), BEFORE_ALL_DAYS), {}
        parts = [_by_known(part) for part in (self.rows.before(self._since), self.account_days)]
        before = BEFORE_ALL_DAYS
        for date in self.dates.tolist():
            for account, day, known in parts:
                rows = slice(*np.searchsorted(known, [before, date]))
                np.maximum.at(last, account[rows], day[rows])
            found[date], before = np.where(last > BEFORE_ALL_DAYS, last, np.nan), date
        return found

    @cached_property
    def used_from(self) -> Codes:
        """The day on which the first usage of each account was known."""
        return earliest(self.rows.account, len(self.accounts), self.rows.known_from)

    @cached_property
    def named_from(self) -> Codes:
        """The day on which the first usage by a named user of each account was known."""
        is_named = self.rows.member >= 0
        if is_named.all():
            return self.used_from
        named = np.flatnonzero(is_named)
        return earliest(self.rows.account[named], len(self.accounts), self.rows.known_from[named])

    @property
    def _since(self) -> int:
        """The first day that any window reaches."""
        return int(self.dates[0]) - REACH_DAYS


def _by_known(rows: DayRows) -> tuple[Codes, Codes, Codes]:
    """Return accounts, days, and the days on which these were known, in order of the last."""
    if rows.known is None:
        return rows.account, rows.day, rows.day
    order = np.argsort(rows.known_from, kind="stable")
    return rows.account[order], rows.day[order], rows.known_from[order]


def roll_up(tables: Tables, dates: pd.Series[Any]) -> DailyUsage:
    """Roll up the usage that the features of these dates are made from.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    dates : pd.Series of datetime
        The dates as of which features are made; not empty.
    """
    days = np.array(sorted({day_number(date) for date in dates.unique()}))
    since, recent, end = int(days[0]) - REACH_DAYS, int(days[0]) - ERROR_DAYS, int(days[-1])
    parts = [
        *last_days_before(tables, since),
        *rolled_up(tables, "users", since, recent, columns=_WITHOUT_ERRORS),
        *rolled_up(tables, "users", recent, end),
    ]
    usage = _assembled(parts, tables.has("usage", "user_id"), days)
    # Computed now, because several threads need them later.
    for name in ("last_days", "user_days", "weekends", "used_from", "named_from"):
        getattr(usage, name)
    return usage


def _assembled(parts: list[pa.Table], has_users: bool, dates: Codes) -> DailyUsage:
    # Few parts overlap: sorting each is faster than sorting all rows together, which
    # `DayRows.ordered` does where they do.
    parts.sort(key=lambda part: pc.min(part["day"]).as_py() or 0)
    orders = [order_of_days(part["day"].to_numpy()) for part in parts]
    ends = np.cumsum([0, *map(len, parts)]).tolist()

    def put(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Put the rows of each part in order of day."""
        for order, (start, end) in zip(orders, pairwise(ends), strict=True):
            if order is not None:
                values[start:end] = values[start:end][order]
        return values

    present = {name for part in parts for name in part.column_names}
    values = {n: _values(parts, orders, n, at) for n, at in _ABSENT.items() if n in present}
    keys = [part.select([c for c in _KEYS if c in part.column_names]) for part in parts]
    parts.clear()
    table = pa.concat_tables(keys, promote_options="default")
    (accounts, account), (users, user) = (
        named_codes(table[name]) for name in ("account_id", "user_id")
    )
    day, known = put(table["day"].to_numpy().astype(np.int64)), known_days(table)
    del table, keys
    member, owner = _numbered(account, user, len(users))
    late = None if known is None else put(known)
    rows = DayRows.ordered(put(account), put(member), day, late, values)
    index = pd.Index(accounts.to_pylist(), dtype=object)
    return DailyUsage(index, rows, owner, has_users, dates)


def _values(
    parts: list[pa.Table], orders: Sequence[npt.NDArray[np.intp] | None], name: str, absent: float
) -> Numbers:
    """Return a column of all parts, each in its order.

    Where none of them has a value, it takes no memory.
    """
    rows = sum(map(len, parts))
    values, done = np.zeros(rows) if absent == 0 else np.full(rows, absent), 0
    for part, order in zip(parts, orders, strict=True):
        if name in part.column_names:
            column = part[name]
            column = (pc.fill_null(column, absent) if column.null_count else column).to_numpy()
            values[done : done + len(part)] = column if order is None else column[order]
        done += len(part)
    return values


def _numbered(account: Codes, user: Codes, users: int) -> tuple[Codes, Codes]:
    """Return the number of each row's pair of account and user, and the account of each pair.

    Pairs are numbered in order of account and user; a row without a user has −1.
    """
    owner = np.full(users + 1, -1)
    owner[user] = account
    if ((owner[user] == account) | (user < 0)).all():
        # Each user belongs to one account, as most do: users are sorted instead of rows.
        order = np.argsort(owner[:-1] * users + np.arange(users))
        order = order[owner[order] >= 0]
        number = np.full(users + 1, -1)
        number[order] = np.arange(len(order))
        return number[user], owner[order]
    pair = np.where(user >= 0, account * users + user, -1)
    number, pairs = pd.factorize(pair, sort=True, use_na_sentinel=False)
    owner = np.asarray(pairs, dtype=np.int64)
    nameless = int(len(owner) > 0 and owner[0] < 0)
    return number.astype(np.int64) - nameless, owner[nameless:] // max(users, 1)
