"""The features of orders: their names, windows and sentences."""

from __future__ import annotations

from features.definitions.feature import FeatureFamily
from features.windows.day_rows import Windowed

#: Windows of recent orders.
WINDOWS = (90, 365)
COUNT = Windowed("orders_count_{days}d", days=WINDOWS)
#: Amounts of orders, and (below zero) of returns: their sum is what was kept.
BOUGHT = Windowed("bought_{days}d", "amount", WINDOWS)
RETURNED = Windowed("returned_{days}d", "amount", WINDOWS)
#: The habit is estimated from the intervals of this many days.
HABIT_DAYS = 730

_NO_HABIT = "insufficient history: ordered on fewer than three days in two years"
_ORDERS = FeatureFamily(
    name="orders", table="orders", prefix="orders_", null_means="nothing was ever ordered"
)

FEATURES = (
    _ORDERS.feature(
        name="recency_days",
        unit="days",
        sentence="Days since the last order: {value}",
        zero_means="ordered on the day before",
        direction=-1,
    ),
    *_ORDERS.in_windows(
        COUNT.days,
        name="count_{days}d",
        unit="count",
        sentence="Orders in the last {days} days: {value}",
        zero_means="nothing was ordered in the last {days} days",
        size=True,
    ),
    *_ORDERS.in_windows(
        BOUGHT.days,
        name="amount_{days}d",
        unit="money",
        sentence="Amount ordered in the last {days} days, less returns: {value}",
        zero_means="nothing was ordered in the last {days} days, or everything was returned",
        direction=0,
        size=True,
    ),
    _ORDERS.feature(
        name="mean_amount_365d",
        unit="money",
        sentence="Average order value in the last 365 days, before returns: {value}",
        zero_means="the orders of 365 days are worth nothing",
        window_days=365,
        direction=0,
        null_means="nothing was ordered in 365 days",
        size=True,
    ),
    _ORDERS.feature(
        name="amount_change_90d",
        unit="change",
        sentence=(
            "The amount ordered in the last 90 days, less returns, is {value} "
            "compared with the average of the three previous quarters"
        ),
        zero_means="the amount ordered equals the average of the three previous quarters",
        window_days=360,
        null_means=(
            "insufficient history: account or records younger than 180 days, or nothing ordered "
            "and kept in the three quarters before"
        ),
    ),
    _ORDERS.feature(
        name="interval_days_median",
        unit="days",
        sentence="Usual number of days between orders: {value}",
        zero_means="orders several times a day",
        window_days=HABIT_DAYS,
        direction=0,
        null_means=_NO_HABIT,
        size=True,
    ),
    _ORDERS.feature(
        name="interval_vs_habit",
        unit="ratio",
        sentence="The time since the last order is {value} compared with the usual interval",
        zero_means="the time since the last order is the usual interval",
        window_days=HABIT_DAYS,
        direction=-1,
        null_means=_NO_HABIT,
    ),
)
