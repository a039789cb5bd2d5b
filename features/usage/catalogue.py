"""The features of usage: their names, windows and sentences."""

from __future__ import annotations

from features.definitions.feature import FeatureFamily
from features.windows.day_rows import Windowed

#: Days of the windows.
WINDOWS = (7, 28, 90)
EVENTS = Windowed("usage_events_{days}d", "quantity", WINDOWS)
RECORDS = Windowed("usage_records_{days}d", "records", WINDOWS)
ACTIVE_DAYS = Windowed("usage_active_days_{days}d", days=WINDOWS)

_USAGE = FeatureFamily(
    name="usage", table="usage", prefix="usage_", null_means="no use was ever recorded"
)
_NEITHER_NAMED_NOR_COUNTED = "users are neither recorded nor counted"

FEATURES = (
    *_USAGE.in_windows(
        WINDOWS,
        name="active_users_{days}d",
        unit="count",
        sentence="Active users in the last {days} days: {value}",
        zero_means="nobody was active in the last {days} days",
        null_means="no user was ever recorded",
        size=True,
    ),
    *_USAGE.in_windows(
        WINDOWS,
        name="active_days_{days}d",
        unit="count",
        sentence="Active days in the last {days} days: {value}",
        zero_means="not used in the last {days} days",
    ),
    *_USAGE.in_windows(
        WINDOWS,
        name="events_{days}d",
        unit="count",
        sentence="Actions in the last {days} days: {value}",
        zero_means="not used in the last {days} days",
        size=True,
    ),
    *_USAGE.in_windows(
        WINDOWS,
        name="records_{days}d",
        unit="count",
        sentence="Usage records in the last {days} days: {value}",
        zero_means="not used in the last {days} days",
        size=True,
    ),
    _USAGE.feature(
        name="distinct_events_28d",
        window_days=28,
        unit="count",
        sentence="Features used in the last 28 days: {value}",
        zero_means="no feature was used in the last 28 days",
    ),
    _USAGE.feature(
        name="breadth_share_28d",
        window_days=28,
        unit="share",
        sentence="Uses {value} of the features that other customers use",
        zero_means="no feature was used in the last 28 days",
    ),
    _USAGE.feature(
        name="sticky_share_28d",
        window_days=56,
        unit="share",
        sentence="Uses {value} of the features that make customers come back",
        zero_means="used none of the features that make customers come back in the last 28 days",
        null_means="no use was ever recorded, or no feature makes customers come back",
    ),
    *(
        _USAGE.feature(
            name=name,
            window_days=126,
            unit="ratio",
            sentence=f"{subject} {{value}} compared with {baseline}",
            zero_means=f"{subject} unchanged compared with {baseline}",
            null_means="insufficient history: account or records too young for a baseline, "
            "or never used",
        )
        for name, subject, baseline in (
            ("events_trend", "Usage is", "the account's own baseline"),
            ("users_trend", "The number of active users is", "two months ago"),
            ("active_days_trend", "The number of active days is", "the account's own baseline"),
            ("events_vs_fleet_trend", "Usage is", "the trend of all accounts"),
        )
    ),
    _USAGE.feature(
        name="weekend_share_change",
        window_days=126,
        unit="share",
        sentence="The share of weekend usage changed by {value} compared with the account's habit",
        zero_means="the share of weekend usage is unchanged",
        direction=0,
        null_means="insufficient history: account or records too young for a habit, or no use",
    ),
    _USAGE.feature(
        name="recency_days",
        unit="days",
        sentence="Days without use: {value}",
        zero_means="used on the day before",
        direction=-1,
    ),
    _USAGE.feature(
        name="seat_utilisation_28d",
        window_days=28,
        unit="share",
        sentence="{value} of seats were used in the last 28 days",
        zero_means="no seat was used in the last 28 days",
        null_means="no seats in the contract, or never used",
        also=("subscriptions",),
    ),
    _USAGE.feature(
        name="seats_in_use_daily_28d",
        window_days=28,
        unit="share",
        sentence="{value} of seats are used on a typical day",
        zero_means="no seat was used in the last 28 days",
        null_means=f"no seats in the contract, never used, or {_NEITHER_NAMED_NOR_COUNTED}",
        also=("subscriptions",),
    ),
    *_USAGE.in_windows(
        (28, 90),
        name="days_per_user_{days}d",
        unit="count",
        sentence="Active users log in on {value} of {days} days",
        zero_means="no active user logged in on any of {days} days",
        null_means=f"nobody was active in {{days}} days, or {_NEITHER_NAMED_NOR_COUNTED}",
    ),
    _USAGE.feature(
        name="quota_use_30d",
        window_days=30,
        unit="share",
        sentence="{value} of the fullest monthly quota was used",
        zero_means="none of the quota was used in 30 days",
        direction=0,
        null_means="no product with a quota",
        also=("subscriptions",),
    ),
    _USAGE.feature(
        name="quota_days_to_limit",
        window_days=30,
        unit="days",
        sentence="Days until the fullest monthly quota is used up at the current pace: {value}",
        zero_means="a monthly quota is used up",
        direction=0,
        null_means="no product with a quota, or no steady use of it",
        also=("subscriptions",),
    ),
    _USAGE.feature(
        name="quotas_near_limit",
        window_days=30,
        unit="count",
        sentence="Products at 80 % of their monthly quota or more: {value}",
        zero_means="no quota is near its limit",
        direction=0,
        null_means="no product with a quota",
        also=("subscriptions",),
    ),
    _USAGE.feature(
        name="errors_per_100_events_28d",
        window_days=28,
        unit="count",
        sentence="Errors per 100 actions in the last 28 days: {value}",
        zero_means="no errors in the last 28 days",
        direction=-1,
        null_means="no use in 28 days, or errors are not recorded",
    ),
    _USAGE.feature(
        name="top_user_share_28d",
        window_days=28,
        unit="share",
        sentence="One user accounts for {value} of activity in the last 28 days",
        zero_means="no user stands out",
        direction=-1,
        null_means="no use in 28 days, or users are not recorded",
    ),
    _USAGE.feature(
        name="champions_silent",
        window_days=118,
        unit="share",
        sentence="{value} of last quarter's power users have stopped logging in",
        zero_means="none of last quarter's power users has stopped logging in",
        direction=-1,
        null_means="nobody was active in the quarter before, or users are not recorded",
    ),
    _USAGE.feature(
        # Whether a user is new depends on the whole history.
        name="new_users_28d",
        unit="count",
        sentence="New users in the last 28 days: {value}",
        zero_means="no new user in the last 28 days",
        null_means="no user was ever recorded",
    ),
    _USAGE.feature(
        name="regular_share_28d",
        window_days=28,
        unit="share",
        sentence="{value} of active users are regulars (active on 4 or more of 28 days)",
        zero_means="no active user is a regular (active on 4 or more of 28 days)",
        null_means="nobody was active in 28 days, or users are not recorded",
    ),
)
