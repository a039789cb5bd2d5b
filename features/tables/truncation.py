"""The tables as they stood at a date: later rows gone, values that were filled in later blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import narwhals as nw

from features.tables.opened import Tables
from features.tables.point_in_time import Frame, is_before
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
    """Return the tables as they stood just before a date.

    A feature made from these knows nothing of the date or later, whatever it does; and a feature
    that differs from the one made from all tables has looked ahead.

    Parameters
    ----------
    tables : Tables
        The input tables.
    as_of : datetime
        A row counts from the later of its time and ``known_at``. A survey counts once it was
        sent, or answered where that is not recorded. An account exists from the earlier of
        ``created_at`` and its first paid contract (without subscriptions, its first order);
        where its ``created_at`` is still to come, that start replaces it.
    """
    frames = {
        name: _as_it_stood(tables, name, as_of) for name in tables.frames if name != "accounts"
    }
    if "accounts" in tables.frames:
        frames["accounts"] = _existing_accounts(tables, frames, as_of)
    return replace(tables, frames=frames, observed_until=min(as_of, tables.observed_until))


def _as_it_stood(tables: Tables, table: str, as_of: datetime) -> Frame:
    frame = tables[table].filter(_was_present(tables, table, as_of))
    for time, others in _FILLED_IN.get(table, {}).items():
        if not tables.has(table, time):
            continue
        present = [column for column in others if tables.has(table, column)]
        known = nw.col(time) < as_of
        # Null is not known either, but leaves what stands beside it as it is.
        kept = known | nw.col(time).is_null()
        blanked = [nw.when(kept).then(nw.col(column)).alias(column) for column in present]
        frame = frame.with_columns(*blanked, nw.when(known).then(nw.col(time)).alias(time))
    return frame


def _existing_accounts(tables: Tables, frames: Mapping[str, Frame], as_of: datetime) -> Frame:
    paid = tables.has("subscriptions")
    table, column = ("subscriptions", "started_at") if paid else ("orders", "ordered_at")
    rows = tables["accounts"]
    if table not in frames:
        return rows.filter(_was_present(tables, "accounts", as_of))
    known = frames[table].filter(nw.col("mrr") > 0) if paid else frames[table]
    first = known.group_by("account_id").agg(nw.col(column).min().alias(_FIRST))
    columns = rows.collect_schema().names()
    rows = rows.join(first, on="account_id", how="left")
    to_come = nw.col("created_at") >= as_of
    begins = nw.when(to_come).then(nw.col(_FIRST)).otherwise(nw.col("created_at"))
    rows = rows.with_columns(created_at=begins).filter(_was_present(tables, "accounts", as_of))
    return rows.select(columns)


def _was_present(tables: Tables, table: str, as_of: datetime) -> nw.Expr:
    present = is_before(table, as_of, TABLES[table].dated_by)
    if tables.has(table, "sent_at"):
        present = present | (nw.col("sent_at") < as_of)
    if tables.has(table, "known_at"):
        present = present & (nw.col("known_at").is_null() | (nw.col("known_at") < as_of))
    return present
