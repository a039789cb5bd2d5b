"""The features of tickets: their names, windows and sentences."""

from __future__ import annotations

from dataclasses import replace

from features.definitions.feature import FeatureFamily
from features.windows.day_rows import Windowed

_UNSOLVED = "no tickets are recorded, or solution times are missing"
_NO_REPLY = "no ticket was answered in the last 90 days"
_NO_SOLUTION = "no ticket was solved in the last 90 days"
_NO_PAST = "insufficient history: no such ticket in 90 days or in the three quarters before"


_TICKETS = FeatureFamily(
    name="tickets",
    table="tickets",
    prefix="tickets_",
    null_means="no tickets are recorded",
    direction=-1,
)
#: A contact is a ticket; the denominator of a contact rate is in its name.
_CONTACTS = replace(_TICKETS, prefix="contacts_per_")
#: Tickets by the day on which they were opened.
OPENED = Windowed("tickets_opened_{days}d", days=(28, 90))

_VOLUME = (
    *_TICKETS.in_windows(
        OPENED.days,
        name="opened_{days}d",
        unit="count",
        sentence="Tickets opened in the last {days} days: {value}",
        zero_means="no ticket was opened in the last {days} days",
        direction=0,
    ),
    _TICKETS.feature(
        name="requesters_90d",
        unit="count",
        sentence="People who opened tickets in the last 90 days: {value}",
        zero_means="nobody opened a ticket in the last 90 days",
        window_days=90,
        direction=0,
        null_means="who opens tickets is not recorded",
    ),
    _TICKETS.feature(
        name="days_since_opened",
        unit="days",
        sentence="Days since the latest ticket: {value}",
        zero_means="a ticket was opened on the day before",
        window_days=365,
        direction=0,
        null_means="no ticket was opened in a year",
    ),
    _TICKETS.feature(
        name="silent_90d",
        unit="flag",
        sentence="Uses the product but has not opened a ticket in 90 days",
        zero_means="opened a ticket in the last 90 days",
        window_days=90,
        direction=0,
        null_means="insufficient history: younger than 90 days, or no usage in 28 or none recorded",
        also=("usage",),
    ),
    _TICKETS.feature(
        name="repeated_share_90d",
        unit="share",
        sentence="{value} of tickets in the last 90 days came within 7 days of the previous one",
        zero_means="no ticket in the last 90 days came within 7 days of the previous one",
        window_days=90,
        null_means="no ticket was opened in 90 days",
    ),
)
_CHANNELS = (
    _TICKETS.feature(
        name="channels_90d",
        unit="count",
        sentence="Support channels used in the last 90 days: {value}",
        zero_means="no ticket was opened in the last 90 days",
        window_days=90,
        direction=0,
        null_means="the channel of tickets is not recorded",
    ),
    _TICKETS.feature(
        name="top_channel_share_90d",
        unit="share",
        sentence="{value} of tickets in the last 90 days came through one channel",
        zero_means="no channel stands out",
        window_days=90,
        direction=0,
        null_means="no ticket in 90 days has a channel",
    ),
    _TICKETS.feature(
        name="live_channel_share_90d",
        unit="share",
        sentence="{value} of tickets in the last 90 days came by phone or chat",
        zero_means="no ticket in the last 90 days came by phone or chat",
        window_days=90,
        direction=0,
        null_means="no ticket in 90 days has a channel",
    ),
)
_RATES = tuple(
    _CONTACTS.feature(
        name=f"{what}_90d",
        unit="count",
        sentence=f"Tickets per {each} in the last 90 days: {{value}}",
        zero_means="no ticket was opened in the last 90 days",
        window_days=90,
        null_means=null,
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
    _TICKETS.feature(
        name="backlog",
        unit="count",
        sentence="Open tickets: {value}",
        zero_means="no ticket is open",
        null_means=_UNSOLVED,
    ),
    *(
        _TICKETS.feature(
            name=f"backlog_{which}_days",
            unit="days",
            sentence=f"{words} in days: {{value}}",
            zero_means="no ticket is open",
            null_means=_UNSOLVED,
        )
        for which, words in (
            ("oldest", "Age of the oldest open ticket"),
            ("mean", "Average age of open tickets"),
        )
    ),
    _TICKETS.feature(
        name="urgent_open",
        unit="count",
        sentence="Open urgent tickets: {value}",
        zero_means="no urgent ticket is open",
        null_means="priority or solution of tickets is not recorded",
    ),
    _TICKETS.feature(
        name="urgent_oldest_days",
        unit="days",
        sentence="Age of the oldest open urgent ticket in days: {value}",
        zero_means="no urgent ticket is open",
        null_means="priority or solution of tickets is not recorded",
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
        _TICKETS.feature(
            name=f"{name}_hours_median_90d",
            unit="hours",
            sentence=f"Median calendar hours {until}: {{value}}",
            zero_means=at_once,
            window_days=90,
            null_means=null,
        ),
        _TICKETS.feature(
            name=f"{name}_hours_p90_90d",
            unit="hours",
            sentence=f"Calendar hours {until} for the slowest 10 % of tickets: {{value}} or more",
            zero_means=at_once,
            window_days=90,
            null_means=null,
        ),
        _TICKETS.feature(
            name=f"{name}_trend",
            unit="ratio",
            sentence=f"The time {until} is {{value}} compared with this account's past",
            zero_means=f"the time {until} is unchanged compared with this account's past",
            window_days=365,
            null_means=_NO_PAST,
        ),
    )
)
_OUTCOME = (
    _TICKETS.feature(
        name="reopen_rate_90d",
        unit="share",
        sentence="{value} of tickets solved in the last 90 days were reopened",
        zero_means="no solved ticket was reopened in the last 90 days",
        window_days=90,
        null_means="no ticket was solved in 90 days, or reopening is not recorded",
    ),
    _TICKETS.feature(
        name="escalated_90d",
        unit="count",
        sentence="Escalated tickets in the last 90 days: {value}",
        zero_means="no ticket was escalated in the last 90 days",
        window_days=90,
        null_means="escalations are not recorded",
    ),
    _TICKETS.feature(
        name="csat_180d",
        unit="share",
        sentence="{value} of rated tickets in the last 180 days left the customer satisfied",
        zero_means="no rated ticket in the last 180 days left the customer satisfied",
        window_days=180,
        direction=1,
        null_means="no ticket was rated in 180 days",
    ),
    _TICKETS.feature(
        name="badly_rated_90d",
        unit="count",
        sentence="Tickets with a bad rating in the last 90 days: {value}",
        zero_means="no ticket got a bad rating in the last 90 days",
        window_days=90,
        null_means="ratings of tickets are not recorded",
    ),
)

FEATURES = (*_VOLUME, *_CHANNELS, *_RATES, *_BACKLOG, *_SPEED, *_OUTCOME)

_SOLVED = ("solved_at", "closed_at", "first_solved_at")
#: Columns of which one of each group must be present for a feature; other features need none.
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
