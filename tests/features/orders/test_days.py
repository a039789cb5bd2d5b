"""Days between orders as dates see them, against a search through what each date knows."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from features.orders.days import HABIT_DAYS, Intervals
from features.windows.day_rows import DayRows

ACCOUNTS = 3
#: Account, day of the order, and days until it was known: often more than to the next order.
ORDERS = st.lists(
    st.tuples(
        st.integers(0, ACCOUNTS - 1),
        st.sampled_from([-HABIT_DAYS, 1 - HABIT_DAYS, *range(8)]),
        st.integers(0, 9),
    ),
    max_size=12,
)
DATES = st.sets(st.integers(1, 12), min_size=1, max_size=5)


def _rows(orders: list[tuple[int, int, int]], *, late: bool) -> DayRows:
    account, day, until_known = np.array(orders, dtype=np.int64).reshape(-1, 3).T
    return DayRows.ordered(account, account, day, day + until_known if late else None, {})


@given(orders=ORDERS, dates=DATES, late=st.booleans())
# The day between becomes known after both others; a day is known from its first order.
@example(orders=[(0, 0, 0), (0, 2, 5), (0, 4, 0)], dates={5, 8}, late=True)
@example(orders=[(0, 0, 0), (0, 2, 5), (0, 2, 1), (0, 4, 0)], dates={5, 8}, late=True)
# The longest interval there may be, and a day that has just left the reach.
@example(orders=[(0, 1 - HABIT_DAYS, 0), (0, 0, 0)], dates={1}, late=False)
@example(orders=[(0, -HABIT_DAYS, 0), (0, 1 - HABIT_DAYS, 0)], dates={1}, late=False)
def test_each_date_sees_the_intervals_of_the_days_it_knows(
    orders: list[tuple[int, int, int]], dates: set[int], *, late: bool
) -> None:
    intervals = Intervals(_rows(orders, late=late), ACCOUNTS, sorted(dates))
    for date in sorted(dates):
        found = intervals.as_of(date)
        for account in range(ACCOUNTS):
            days = {
                day
                for owner, day, until_known in orders
                if owner == account
                and date - HABIT_DAYS <= day < date
                and (day + until_known < date or not late)
            }
            lengths = [after - before for before, after in pairwise(sorted(days))]
            assert found["intervals"][account] == len(lengths)
            usual = median(lengths) if lengths else np.nan
            np.testing.assert_equal(found["interval"][account], usual)
