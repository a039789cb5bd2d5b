"""Support: how much is open, how fast it is answered, how it is rated."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import pandas as pd

from features.feature import Feature, Unit
from features.point_in_time import collect, known_rows, seen
from features.tables import Tables

#: A rating without a time of its own is taken as known so many days after the ticket opened.
_RATED_AFTER = timedelta(days=30)
#: Of 1-5, these and higher are satisfied (top-2-box).
_SATISFIED = 4.0
_NONE = "no tickets are recorded"


def _ticket(
    name: str,
    window: int | None,
    unit: Unit,
    sentence: str,
    zero: str,
    *,
    direction: int = -1,
    null: str = _NONE,
) -> Feature:
    return Feature(
        f"tickets_{name}", "tickets", "tickets", window, unit, direction, null, zero, sentence
    )


FEATURES = (
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
    _ticket("backlog", None, "count", "Open tickets: {value}", "no ticket is open"),
    _ticket(
        "backlog_oldest_days",
        None,
        "days",
        "Age of the oldest open ticket in days: {value}",
        "no ticket is open",
    ),
    _ticket(
        "urgent_open", None, "count", "Urgent tickets open: {value}", "no urgent ticket is open"
    ),
    _ticket(
        "urgent_oldest_days",
        None,
        "days",
        "Age of the oldest open urgent ticket in days: {value}",
        "no urgent ticket is open",
    ),
    _ticket(
        "first_reply_hours_median_90d",
        90,
        "hours",
        "Typical hours to a first reply: {value}",
        "tickets are answered at once",
        null="no ticket was answered in 90 days",
    ),
    _ticket(
        "resolution_hours_median_90d",
        90,
        "hours",
        "Typical hours until a ticket is solved: {value}",
        "tickets are solved at once",
        null="no ticket was solved in 90 days",
    ),
    _ticket(
        "reopen_rate_90d",
        90,
        "share",
        "{value} of the tickets solved in 90 days were reopened",
        "no solved ticket was reopened in 90 days",
        null="no ticket was solved in 90 days",
    ),
    _ticket(
        "escalated_90d",
        90,
        "count",
        "Escalated tickets in 90 days: {value}",
        "no ticket of the last 90 days was escalated",
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
        "per_active_user_90d",
        90,
        "count",
        "Tickets for each active user in 90 days: {value}",
        "no ticket was opened in 90 days",
        null="nobody was active in 90 days, or users are not recorded",
    ),
)
_OPTIONAL = ("first_replied_at", "solved_at", "reopened_at", "closed_at", "csat_at")


def build(
    tables: Tables, as_of: datetime, accounts: pd.DataFrame, active_users_90d: pd.Series[float]
) -> pd.DataFrame:
    """Return the ticket features as of a date; parameters and result as in `usage.build`."""
    tickets = _tickets(tables, as_of)
    day = pd.Timestamp(as_of)
    recent = {w: tickets["opened_at"] >= day - timedelta(days=w) for w in (28, 90)}
    out = pd.DataFrame(index=accounts.index)
    for window in (28, 90):
        out[f"tickets_opened_{window}d"] = _count(tickets[recent[window]], out.index)
    open_now = tickets[tickets["is_open"]]
    urgent = open_now[open_now["priority"].str.lower() == "urgent"]
    out["tickets_backlog"] = _count(open_now, out.index)
    out["tickets_backlog_oldest_days"] = _oldest(open_now, day, out.index)
    out["tickets_urgent_open"] = _count(urgent, out.index)
    out["tickets_urgent_oldest_days"] = _oldest(urgent, day, out.index)
    replied = tickets[tickets["first_replied_at"] >= day - timedelta(days=90)]
    out["tickets_first_reply_hours_median_90d"] = _median_hours(replied, "first_replied_at")
    solved = tickets[tickets["solved_at"] >= day - timedelta(days=90)]
    out["tickets_resolution_hours_median_90d"] = _median_hours(solved, "solved_at")
    reopened = solved["reopened_at"].notna().groupby(solved["account_id"]).mean()
    out["tickets_reopen_rate_90d"] = reopened.reindex(out.index)
    escalated = tickets[recent[90] & (tickets["escalated"] == True)]  # noqa: E712
    out["tickets_escalated_90d"] = _count(escalated, out.index)
    rated = tickets[tickets["csat"].notna() & (tickets["rated_at"] >= day - timedelta(days=180))]
    share = (rated["csat"] >= _SATISFIED).groupby(rated["account_id"]).mean()
    out["tickets_csat_180d"] = share.reindex(out.index)
    users = active_users_90d.where(active_users_90d > 0)
    out["tickets_per_active_user_90d"] = out["tickets_opened_90d"] / users
    return out[[feature.name for feature in FEATURES]].astype(float)


def negative_ratings(tables: Tables, as_of: datetime, *, days: int) -> pd.DataFrame:
    """Return account_id and rated_at of tickets rated 1 or 2 within `days` before the date."""
    tickets = _tickets(tables, as_of)
    bad = tickets["csat"].le(2) & (
        tickets["rated_at"] >= pd.Timestamp(as_of) - timedelta(days=days)
    )
    return tickets.loc[bad, ["account_id", "rated_at"]]


def _tickets(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return the tickets that can still matter, each as it stood at the date."""
    rows = known_rows(tables, "tickets", as_of)
    there = [c for c in _OPTIONAL if tables.has("tickets", c)]
    times = [seen(c, as_of) for c in there]
    absent = [nw.lit(None, dtype=nw.Datetime("us")).alias(c) for c in _OPTIONAL if c not in there]
    plain = [
        nw.col(c) if tables.has("tickets", c) else nw.lit(None, dtype=t).alias(c)
        for c, t in (("priority", nw.String), ("escalated", nw.Boolean), ("csat", nw.Float64))
    ]
    rows = rows.select("account_id", "opened_at", *times, *absent, *plain)
    # Closed without ever being marked solved is solved too; reopened after that is open again.
    rows = rows.with_columns(solved_at=nw.coalesce("solved_at", "closed_at"))
    back = nw.col("reopened_at") >= nw.max_horizontal("solved_at", "closed_at")
    rows = rows.with_columns(is_open=nw.col("solved_at").is_null() | back.fill_null(False))
    rows = rows.with_columns(rated_at=_rated_at(there))
    known = nw.col("rated_at") < as_of
    rows = rows.with_columns(
        csat=nw.when(known).then(nw.col("csat")), rated_at=nw.when(known).then(nw.col("rated_at"))
    )
    old = as_of - timedelta(days=180)
    alive = (
        nw.col("is_open")
        | (nw.col("solved_at") >= old)
        | (nw.col("opened_at") >= old)
        | (nw.col("rated_at") >= old)
    )
    return collect(rows.filter(alive))


def _rated_at(there: list[str]) -> Any:
    """Return when a rating became known, from the best column there is."""
    if "csat_at" in there:
        return nw.col("csat_at")
    if "solved_at" in there or "closed_at" in there:
        return nw.col("solved_at")
    return nw.col("opened_at") + _RATED_AFTER


def _count(tickets: pd.DataFrame, index: pd.Index[str]) -> pd.Series[float]:
    return tickets.groupby("account_id").size().astype(float).reindex(index).fillna(0.0)


def _oldest(tickets: pd.DataFrame, day: pd.Timestamp, index: pd.Index[str]) -> pd.Series[float]:
    first = tickets.groupby("account_id")["opened_at"].min().reindex(index)
    days: pd.Series[float] = (day - first).dt.total_seconds() / 86_400
    return days.fillna(0.0)


def _median_hours(tickets: pd.DataFrame, end: str) -> pd.Series[float]:
    hours = (tickets[end] - tickets["opened_at"]).dt.total_seconds() / 3600
    median: pd.Series[float] = hours.clip(lower=0).groupby(tickets["account_id"]).median()
    return median
