"""What the features of support say of themselves."""

from __future__ import annotations

from features.definitions.feature import Feature, Unit

_NONE = "no tickets are recorded"
_UNSOLVED = "no tickets are recorded, or not when they are solved"
_NO_REPLY = "no ticket was answered in 90 days"
_NO_SOLUTION = "no ticket was solved in 90 days"
_NO_PAST = "insufficient history: no such ticket in 90 days or in the three quarters before"


def _ticket(
    name: str,
    window: int | None,
    unit: Unit,
    sentence: str,
    zero: str,
    *,
    direction: int = -1,
    null: str = _NONE,
    also: tuple[str, ...] = (),
) -> Feature:
    # A contact is a ticket; the denominator of a contact rate stands in its name.
    full = name if name.startswith("contacts_") else f"tickets_{name}"
    return Feature(
        full, "tickets", "tickets", window, unit, direction, null, zero, sentence, also=also
    )


_VOLUME = (
    *(
        _ticket(
            f"opened_{w}d",
            w,
            "count",
            f"Tickets opened in the last {w} days: {{value}}",
            f"no ticket was opened in the last {w} days",
            direction=0,
        )
        for w in (28, 90)
    ),
    _ticket(
        "requesters_90d",
        90,
        "count",
        "People who opened tickets in 90 days: {value}",
        "nobody opened a ticket in 90 days",
        direction=0,
        null="who opens tickets is not recorded",
    ),
    _ticket(
        "days_since_opened",
        365,
        "days",
        "Days since the latest ticket: {value}",
        "a ticket was opened on the day before",
        direction=0,
        null="no ticket was opened in a year",
    ),
    _ticket(
        "silent_90d",
        90,
        "flag",
        "Uses the product, and has opened no ticket in 90 days",
        "opened a ticket in the last 90 days",
        direction=0,
        null="insufficient history: younger than 90 days, not active in 28, or use is not recorded",
        also=("usage",),
    ),
    _ticket(
        "repeated_share_90d",
        90,
        "share",
        "{value} of the tickets of 90 days came within 7 days of the one before",
        "no ticket of 90 days came within 7 days of the one before",
        null="no ticket was opened in 90 days",
    ),
)
_CHANNELS = (
    _ticket(
        "channels_90d",
        90,
        "count",
        "Channels by which tickets came in 90 days: {value}",
        "no ticket was opened in 90 days",
        direction=0,
        null="the channel of tickets is not recorded",
    ),
    _ticket(
        "top_channel_share_90d",
        90,
        "share",
        "{value} of the tickets of 90 days came by one channel",
        "no channel stands out",
        direction=0,
        null="no ticket of 90 days has a channel",
    ),
    _ticket(
        "live_channel_share_90d",
        90,
        "share",
        "{value} of the tickets of 90 days came by telephone or chat",
        "no ticket of 90 days came by telephone or chat",
        direction=0,
        null="no ticket of 90 days has a channel",
    ),
)
_RATES = tuple(
    _ticket(
        f"contacts_per_{what}_90d",
        90,
        "count",
        f"Tickets for each {each} in 90 days: {{value}}",
        "no ticket was opened in 90 days",
        null=null,
        also=(table,),
    )
    for what, each, table, null in (
        (
            "active_user",
            "active user",
            "usage",
            "nobody was active in 90 days, or users are not recorded",
        ),
        ("seat", "seat", "subscriptions", "no seats in the contract, or no tickets are recorded"),
        ("order", "order", "orders", "nothing was ordered in 90 days, or orders are not recorded"),
    )
)
_BACKLOG = (
    _ticket("backlog", None, "count", "Open tickets: {value}", "no ticket is open", null=_UNSOLVED),
    *(
        _ticket(
            f"backlog_{which}_days",
            None,
            "days",
            f"{words} in days: {{value}}",
            "no ticket is open",
            null=_UNSOLVED,
        )
        for which, words in (
            ("oldest", "Age of the oldest open ticket"),
            ("mean", "Mean age of the open tickets"),
        )
    ),
    _ticket(
        "urgent_open",
        None,
        "count",
        "Urgent tickets open: {value}",
        "no urgent ticket is open",
        null="priority or solution of tickets is not recorded",
    ),
    _ticket(
        "urgent_oldest_days",
        None,
        "days",
        "Age of the oldest open urgent ticket in days: {value}",
        "no urgent ticket is open",
        null="priority or solution of tickets is not recorded",
    ),
)
_SPEED = tuple(
    feature
    for name, until, at_once, null in (
        ("first_reply", "to a first reply", "tickets are answered at once", _NO_REPLY),
        (
            "first_resolution",
            "until a ticket is first solved",
            "tickets are solved at once",
            _NO_SOLUTION,
        ),
        (
            "resolution",
            "until a ticket is solved for good",
            "tickets are solved at once",
            _NO_SOLUTION,
        ),
    )
    for feature in (
        _ticket(
            f"{name}_hours_median_90d",
            90,
            "hours",
            f"Median calendar hours {until}: {{value}}",
            at_once,
            null=null,
        ),
        _ticket(
            f"{name}_hours_p90_90d",
            90,
            "hours",
            f"Calendar hours {until} for the slowest 10 % of tickets: {{value}} or more",
            at_once,
            null=null,
        ),
        _ticket(
            f"{name}_trend",
            365,
            "ratio",
            f"The time {until} is {{value}} against the account's own past",
            f"the time {until} is unchanged against the account's own past",
            null=_NO_PAST,
        ),
    )
)
_OUTCOME = (
    _ticket(
        "reopen_rate_90d",
        90,
        "share",
        "{value} of the tickets solved in 90 days were reopened",
        "no solved ticket was reopened in 90 days",
        null="no ticket was solved in 90 days, or reopening is not recorded",
    ),
    _ticket(
        "escalated_90d",
        90,
        "count",
        "Escalated tickets in 90 days: {value}",
        "no ticket of the last 90 days was escalated",
        null="escalations are not recorded",
    ),
    _ticket(
        "csat_180d",
        180,
        "share",
        "{value} of the tickets rated in 180 days left the customer satisfied",
        "none of the tickets rated in 180 days left the customer satisfied",
        direction=1,
        null="no ticket was rated in 180 days",
    ),
    _ticket(
        "badly_rated_90d",
        90,
        "count",
        "Badly rated tickets in the last 90 days: {value}",
        "no ticket was rated badly in the last 90 days",
        null="ratings of tickets are not recorded",
    ),
)

FEATURES = (*_VOLUME, *_CHANNELS, *_RATES, *_BACKLOG, *_SPEED, *_OUTCOME)

_SOLVED = ("solved_at", "closed_at", "first_solved_at")
#: Columns of which one must be there for a feature to say anything; others need none.
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "tickets_requesters_90d": (("requester_id",),),
    "tickets_channels_90d": (("channel",),),
    "tickets_backlog": (_SOLVED,),
    "tickets_backlog_oldest_days": (_SOLVED,),
    "tickets_backlog_mean_days": (_SOLVED,),
    "tickets_urgent_open": (_SOLVED, ("priority",)),
    "tickets_urgent_oldest_days": (_SOLVED, ("priority",)),
    "tickets_reopen_rate_90d": (("reopened_at",),),
    "tickets_escalated_90d": (("escalated", "escalated_at"),),
    "tickets_badly_rated_90d": (("csat",),),
}
