"""Tickets as they stood on each date: what was filled in later is not seen yet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import narwhals as nw
import pandas as pd

from features.many_dates import Frame, column_or_null, days_between, known_on_dates, seen
from features.tables import Tables

#: A rating without a time of its own is taken as known so many days after the ticket opened.
_RATED_AFTER = timedelta(days=30)
_TIMES = (
    *("first_replied_at", "first_solved_at", "solved_at", "reopened_at", "closed_at"),
    *("csat_at", "escalated_at", "priority_at"),
)
#: Of these is the time at which a ticket was first solved, or solved for good.
_ENDS = ("first_solved_at", "solved_at", "reopened_at", "closed_at")
_OTHERS: dict[str, Any] = {
    "requester_id": nw.String,
    "channel": nw.String,
    "priority": nw.String,
    "first_priority": nw.String,
    "escalated": nw.Boolean,
    "csat": nw.Float64,
}


def tickets_on_dates(tables: Tables, spine: pd.DataFrame) -> Frame:
    """Return every known ticket once a date, as it stood then.

    Returns
    -------
    narwhals.LazyFrame
        as_of, account_id, ticket_id, opened_at, requester_id, channel (lower case);

        is_open, is_urgent (1.0 or 0.0); escalated (bool or null), reopened_at;
        first_replied_at, ended_at (the latest solution), rated_at, csat (null unless rated);
        age_days, and the hours from opening to the first_reply, the first_resolution and the
        (full) resolution with the times they ended at: first_resolved_at, resolved_at.

        Without a first_solved_at, a ticket that was reopened before its solved_at was first
        solved at an unknown time: its reopening, the latest possible, stands for it.
        A priority set at priority_at counts from then on, and first_priority before; without
        these columns a priority holds from the opening, and so does an escalation without a time.
    """
    rows = known_on_dates(tables, "tickets", spine, _with_hours(tables))
    rows = rows.with_columns(_priority(), _escalated(tables))
    rows = rows.with_columns(*(seen(c) for c in _TIMES))
    solved = nw.coalesce("solved_at", "closed_at", "first_solved_at")
    rows = rows.with_columns(
        solved=solved,
        ended_at=nw.max_horizontal("solved_at", "closed_at", "first_solved_at"),
        rated_at=_rated_at(tables, solved),
    )
    back = (nw.col("reopened_at") >= nw.col("ended_at")).fill_null(False)
    rows = rows.with_columns(
        is_open=_number(nw.col("ended_at").is_null() | back),
        is_urgent=_number(nw.col("priority").str.to_lowercase() == "urgent"),
        first_resolved_at=nw.coalesce(
            nw.col("first_solved_at"), nw.min_horizontal("solved", "reopened_at")
        ),
        rated_at=seen("rated_at"),
    )
    rows = rows.with_columns(
        resolved_at=nw.when(nw.col("is_open") == 0.0).then(_solved_for_good()),
        csat=nw.when(~nw.col("rated_at").is_null()).then(nw.col("csat")),
    )
    return rows.with_columns(
        age_days=days_between("opened_at", "as_of"),
        first_reply=_hours_until("first_replied_at", "first_replied_at"),
        first_resolution=_hours_until("first_resolved_at", *_ENDS),
        resolution=_hours_until("resolved_at", *_ENDS),
    )


def _number(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1.0)).otherwise(nw.lit(0.0))


def _priority() -> nw.Expr:
    changed_later = (nw.col("priority_at") >= nw.col("as_of")).fill_null(False)
    now = nw.coalesce("priority", "first_priority")
    held = nw.when(changed_later).then(nw.col("first_priority")).otherwise(now)
    return held.alias("priority")


def _escalated(tables: Tables) -> nw.Expr:
    """Return whether a ticket was escalated by then; a time of escalation says it by itself."""
    if not tables.has("tickets", "escalated_at"):
        return nw.col("escalated")
    told = nw.col("escalated_at") < nw.col("as_of")
    if not tables.has("tickets", "escalated"):
        return told.alias("escalated")
    timeless = nw.col("escalated_at").is_null()
    return nw.when(timeless).then(nw.col("escalated")).otherwise(told).alias("escalated")


def _solved_for_good() -> nw.Expr:
    """Return the last solution: of a ticket reopened after it was solved, its closing."""
    lasting = nw.col("reopened_at").is_null() | (nw.col("solved") > nw.col("reopened_at"))
    return nw.when(lasting).then(nw.col("solved")).otherwise(nw.col("closed_at"))


def _rated_at(tables: Tables, solved: nw.Expr) -> nw.Expr:
    """Return when a rating became known, from the best column there is."""
    if tables.has("tickets", "csat_at"):
        return nw.col("csat_at")
    if tables.has("tickets", "solved_at") or tables.has("tickets", "closed_at"):
        return solved
    return nw.col("opened_at") + _RATED_AFTER


def _with_hours(tables: Tables) -> Frame:
    """Return tickets with every optional column, and the hours from opening to each time."""
    known = ["known_at"] if tables.has("tickets", "known_at") else []
    rows = tables["tickets"].select(
        "account_id",
        "ticket_id",
        "opened_at",
        *known,
        *(column_or_null(tables, "tickets", c, nw.Datetime("us")) for c in _TIMES),
        *(column_or_null(tables, "tickets", c, kind) for c, kind in _OTHERS.items()),
    )
    hours = {f"hours_{c}": _hours(c) for c in ("first_replied_at", *_ENDS)}
    return rows.with_columns(nw.col("channel").str.to_lowercase(), **hours)


def _hours(end: str) -> nw.Expr:
    """Return the hours from opening; 0 where the data has the end before it."""
    hours = days_between("opened_at", end) * 24
    return nw.when(hours < 0).then(nw.lit(0.0)).otherwise(hours)


def _hours_until(end: str, *columns: str) -> nw.Expr:
    """Return the hours of that one of the columns which the end was taken from."""
    found: nw.Expr = nw.lit(None, dtype=nw.Float64)
    for column in columns:
        same = nw.col(end) == nw.col(column)
        found = nw.when(same).then(nw.col(f"hours_{column}")).otherwise(found)
    return found
