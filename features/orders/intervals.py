"""Days from one day with orders to the next, and which of them a date sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from features.windows.day_rows import AFTER_ALL_DAYS, Codes, DayRows, summed
from features.windows.observation_dates import ByAccount
from features.windows.table_columns import Quantiles

#: The habit is told by the intervals of so many days.
HABIT_DAYS = 730
_Rows = npt.NDArray[np.intp]


class Intervals:
    """The intervals of all accounts, in order of account and length.

    Parameters
    ----------
    rows : DayRows
        Days with orders.
    accounts : int
        How many accounts there are.
    dates : sequence of int
        The dates that are asked for later, as days from 1970.

    Notes
    -----
    An interval is seen from when both of its days are known, and until a day between them is: of
    an account whose orders become known in their order each interval is one of two neighbours.
    """

    def __init__(self, rows: DayRows, accounts: int, dates: Sequence[int]) -> None:
        self._accounts = accounts
        account, day, known_from = _distinct_days(rows)
        start, end, until = _neighbours(account, known_from, dates)
        length = day[end] - day[start]
        inside = np.flatnonzero(length < HABIT_DAYS)
        order = inside[np.lexsort((length[inside], account[end[inside]]))]
        start, end = start[order], end[order]
        self._account, self._length, self._start = account[end], length[order], day[start]
        self._known_from = np.maximum(known_from[start], known_from[end])
        self._until = until if until is None else until[order]

    def as_of(self, as_of: int) -> ByAccount:
        """Return the median of days of each account's intervals, and how many there are."""
        inside = (self._start >= as_of - HABIT_DAYS) & (self._known_from < as_of)
        if self._until is not None:
            inside &= self._until >= as_of
        rows = np.flatnonzero(inside)
        account = self._account[rows]
        usual = Quantiles(account, self._accounts, self._length[rows])
        return {"interval": usual.of(0.5), "intervals": summed(account, self._accounts)}


def _distinct_days(rows: DayRows) -> tuple[Codes, Codes, Codes]:
    """Return account and day of each day with orders, in this order, and when it was known."""
    order = np.argsort(rows.account, kind="stable")
    account, day = rows.account[order], rows.day[order]
    is_new = (account[1:] != account[:-1]) | (day[1:] != day[:-1])
    first = np.flatnonzero(np.append(len(order) > 0, is_new))
    distinct = day[first]
    if rows.known is None or not len(first):
        return account[first], distinct, distinct
    return account[first], distinct, np.minimum.reduceat(rows.known_from[order], first)


def _neighbours(
    account: Codes, known_from: Codes, dates: Sequence[int]
) -> tuple[_Rows, _Rows, Codes | None]:
    """Return the days that any date sees one after another, and the last date that does so.

    Parameters
    ----------
    account, known_from : array of int
        Of days in order of account and day.
    dates : sequence of int
        In order.

    Returns
    -------
    start, end : array of int
        The places of both days.
    until : array of int or None
        None where every date sees them so, once both days are known.
    """
    start = np.flatnonzero(account[1:] == account[:-1])
    late = start[known_from[start] > known_from[start + 1]]
    if not len(late):
        return start, start + 1, None
    starts, ends, untils = [start], [start + 1], [np.full(len(start), AFTER_ALL_DAYS)]
    # From the last date back: what it does not see yet leaves the days beside it neighbours.
    left = np.flatnonzero(np.isin(account, account[late]))
    for date in reversed(dates):
        seen = np.flatnonzero(known_from[left] < date)
        gaps = np.flatnonzero(np.diff(seen) > 1)
        left = left[seen]
        gaps = gaps[account[left[gaps]] == account[left[gaps + 1]]]
        starts.append(left[gaps])
        ends.append(left[gaps + 1])
        untils.append(np.full(len(gaps), date))
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(untils)
