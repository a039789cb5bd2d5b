"""What the features of use declare of themselves."""

from __future__ import annotations

from features.definitions.feature import Feature, Unit


def _usage(
    name: str,
    window: int | None,
    unit: Unit,
    sentence: str,
    zero: str,
    *,
    direction: int = 1,
    null: str = "no use was ever recorded",
    size: bool = False,
    also: tuple[str, ...] = (),
) -> Feature:
    full = f"usage_{name}"
    return Feature(
        full, "usage", "usage", window, unit, direction, null, zero, sentence, size, also
    )


FEATURES = (
    *(
        _usage(
            f"active_users_{w}d",
            w,
            "count",
            f"Active users in the last {w} days: {{value}}",
            f"nobody was active in the last {w} days",
            null="no user was ever recorded",
            size=True,
        )
        for w in (7, 28, 90)
    ),
    *(
        _usage(
            f"active_days_{w}d",
            w,
            "count",
            f"Days with use in the last {w}: {{value}}",
            f"no use on any of the last {w} days",
        )
        for w in (7, 28, 90)
    ),
    *(
        _usage(
            f"events_{w}d",
            w,
            "count",
            f"Actions in the last {w} days: {{value}}",
            f"no use in the last {w} days",
            size=True,
        )
        for w in (7, 28, 90)
    ),
    *(
        _usage(
            f"records_{w}d",
            w,
            "count",
            f"Records of use in the last {w} days: {{value}}",
            f"no use in the last {w} days",
            size=True,
        )
        for w in (7, 28, 90)
    ),
    _usage(
        "distinct_events_28d",
        28,
        "count",
        "Different features used in 28 days: {value}",
        "no feature was used in 28 days",
    ),
    _usage(
        "breadth_share_28d",
        28,
        "share",
        "Uses {value} of the features that customers use",
        "no feature was used in 28 days",
    ),
    _usage(
        "sticky_share_28d",
        56,
        "share",
        "Uses {value} of the features that make customers come back",
        "none of the features that make customers come back was used in 28 days",
        null="no use was ever recorded, or no feature makes customers come back",
    ),
    *(
        _usage(
            name,
            126,
            "ratio",
            f"{subject} {{value}} against {against}",
            f"{subject} unchanged against {against}",
            null="insufficient history: account or records too young for a baseline, or never used",
        )
        for name, subject, against in (
            ("events_trend", "Use is", "its own baseline"),
            ("users_trend", "The number of active users is", "two months ago"),
            ("active_days_trend", "The number of days with use is", "its own baseline"),
            ("events_vs_fleet_trend", "Use is", "the trend of all accounts"),
        )
    ),
    _usage(
        "weekend_share_change",
        126,
        "share",
        "The weekend's share of use moved by {value} against its own habit",
        "use is spread over the week as it used to be",
        direction=0,
        null="insufficient history: account or records too young for a habit, or no use",
    ),
    _usage(
        "recency_days",
        None,
        "days",
        "Days without use: {value}",
        "used on the day before",
        direction=-1,
    ),
    _usage(
        "seat_utilisation_28d",
        28,
        "share",
        "Active users in 28 days make up {value} of the seats",
        "no seat was in use in 28 days",
        null="no seats in the contract, or never used",
        also=("subscriptions",),
    ),
    _usage(
        "seats_in_use_daily_28d",
        28,
        "share",
        "On an average day of 28, {value} of the seats are in use",
        "no seat was in use in 28 days",
        null="no seats in the contract, never used, or users are neither recorded nor counted",
        also=("subscriptions",),
    ),
    *(
        _usage(
            f"days_per_user_{w}d",
            w,
            "count",
            f"Days in {w} on which an average active user works with it: {{value}}",
            f"no active user worked with it on any of {w} days",
            null=f"nobody was active in {w} days, or users are neither recorded nor counted",
        )
        for w in (28, 90)
    ),
    _usage(
        "quota_use_30d",
        30,
        "share",
        "{value} of the fullest monthly quota was used",
        "nothing of the quota was used in 30 days",
        direction=0,
        null="no product with a quota",
        also=("subscriptions",),
    ),
    _usage(
        "quota_days_to_limit",
        30,
        "days",
        "Days until the fullest monthly quota is used up at the present pace: {value}",
        "a monthly quota is used up",
        direction=0,
        null="no product with a quota, or no steady use of it",
        also=("subscriptions",),
    ),
    _usage(
        "quotas_near_limit",
        30,
        "count",
        "Products with four fifths of their monthly quota used, or more: {value}",
        "no quota is near its limit",
        direction=0,
        null="no product with a quota",
        also=("subscriptions",),
    ),
    _usage(
        "errors_per_100_events_28d",
        28,
        "count",
        "Errors per 100 actions in 28 days: {value}",
        "no errors in 28 days",
        direction=-1,
        null="no use in 28 days, or errors are not recorded",
    ),
    _usage(
        "top_user_share_28d",
        28,
        "share",
        "The busiest user does {value} of what people did in 28 days",
        "no user stands out",
        direction=-1,
        null="no use in 28 days, or users are not recorded",
    ),
    _usage(
        "champions_silent",
        118,
        "share",
        "{value} of the most active users of the quarter before have gone quiet",
        "the most active users are still there",
        direction=-1,
        null="nobody was active in the quarter before, or users are not recorded",
    ),
    _usage(
        "new_users_28d",
        # Who came before is told by all use there was.
        None,
        "count",
        "New users in 28 days: {value}",
        "no new user in 28 days",
        null="no user was ever recorded",
    ),
    _usage(
        "regular_share_28d",
        28,
        "share",
        "{value} of the active users are regulars (on 4 of 28 days or more)",
        "none of the active users is a regular (on 4 of 28 days or more)",
        null="nobody was active in 28 days, or users are not recorded",
    ),
)
