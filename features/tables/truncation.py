"""The tables as they were at a date: without later rows and values that were filled in later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import narwhals as nw

from features.tables.opened import Tables
from features.tables.point_in_time import Frame, account_starts, known_from
from features.tables.schema import TABLES

_FIRST = "_first_paid_at"
#: Times that are written after their row, and the values that come with them.
_FILLED_IN: dict[str, dict[str, tuple[str, ...]]] = {
    "subscriptions": {"ended_at": (), "notice_at": ()},
    "tickets": {
        "first_replied_at": (),
        "first_solved_at": (),
        "solved_at": (),
        "reopened_at": (),
        "closed_at": (),
        "csat_at": ("csat",),
        "escalated_at": ("escalated",),
        "priority_at": ("priority",),
    },
    "surveys": {"answered_at": ("score", "comment")},
    "contacts": {"left_at": ()},
    "invoices": {"paid_at": ()},
    "goals": {"reached_at": ()},
}


def as_known(tables: Tables, as_of: datetime) -> Tables:
    """Return the tables as they were just before a date.

    A feature made from these cannot use anything of the date or later; a feature that differs
    from the one made from all tables uses the future.

    Parameters
    ----------
    tables : Tables
        The input tables.
    as_of : datetime
        A row counts from the later of its time and ``known_at``. A survey counts once it was
        sent, or answered where that is not recorded. An account exists from the earlier of
        ``created_at`` and its first paid contract (without subscriptions, its first order);
        where its ``created_at`` is in the future, that start replaces it.
    """
    frames = {name: _as_known(tables, name, as_of) for name in tables.frames if name != "accounts"}
    if "accounts" in tables.frames:
        frames["accounts"] = _existing_accounts(tables, as_of)
    return replace(tables, frames=frames, observed_until=min(as_of, tables.observed_until))


def _as_known(tables: Tables, table: str, as_of: datetime) -> Frame:
    rows, dated_by = tables[table], TABLES[table].dated_by
    if tables.has(table, "sent_at"):
        rows = rows.with_columns(nw.min_horizontal(dated_by, "sent_at").alias(_FIRST))
        frame = rows.filter(known_from(rows, _FIRST) < as_of).drop(_FIRST)
    else:
        undated = TABLES[table].may_be_undated
        frame = rows.filter(known_from(rows, dated_by, undated=undated) < as_of)
    for time, others in _FILLED_IN.get(table, {}).items():
        if not tables.has(table, time):
            continue
        present = [column for column in others if tables.has(table, column)]
        known = nw.col(time) < as_of
        # Null is not known either, but does not blank the other values.
        kept = known | nw.col(time).is_null()
        blanked = [nw.when(kept).then(nw.col(column)).alias(column) for column in present]
        frame = frame.with_columns(*blanked, nw.when(known).then(nw.col(time)).alias(time))
    return frame


def _existing_accounts(tables: Tables, as_of: datetime) -> Frame:
    starts = account_starts(tables).filter(nw.col("known_from") < as_of)
    first = starts.group_by("account_id").agg(nw.col("start").min().alias(_FIRST))
    rows = tables["accounts"]
    columns = rows.collect_schema().names()
    created = nw.col("created_at")
    start = nw.when(created < as_of).then(created).otherwise(nw.col(_FIRST))
    rows = rows.join(first, on="account_id").with_columns(created_at=start)
    return rows.select(columns)
