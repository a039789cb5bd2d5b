"""Rows as they were at a date, cut row by row."""

from __future__ import annotations

from datetime import datetime

from features.tables.schema import TABLES
from tests.features.company import Row, Rows

#: Values that are filled in after their row, and what comes with them.
LATE: dict[str, dict[str, tuple[str, ...]]] = {
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


def truncated(rows: Rows, day: datetime) -> Rows:
    """Return the tables as they were at a date: without later rows, later values blank."""
    cut = {
        table: [_as_it_stood(table, row, day) for row in listed if _was_present(table, row, day)]
        for table, listed in rows.items()
        if table != "accounts"
    }
    accounts = [_account_as_it_stood(row, cut, day) for row in rows["accounts"]]
    return {"accounts": [row for row in accounts if _was_present("accounts", row, day)]} | cut


def _account_as_it_stood(row: Row, cut: Rows, day: datetime) -> Row:
    """Replace a date of creation that is still to come by the start of paying, if it is known."""
    if "subscriptions" in cut:
        paid = [(r["account_id"], r["started_at"]) for r in cut["subscriptions"] if r["mrr"] > 0]
    else:
        paid = [(r["account_id"], r["ordered_at"]) for r in cut["orders"]]
    starts = [at for account, at in paid if account == row["account_id"]]
    is_ahead = row["created_at"] >= day and bool(starts)
    return {**row, "created_at": min(starts)} if is_ahead else row


def _was_present(table: str, row: Row, day: datetime) -> bool:
    # A survey is there once it was sent, and where that is not recorded, once it was answered.
    dated = row.get("sent_at") or row["answered_at"] if table == "surveys" else None
    time = dated or row.get(TABLES[table].dated_by)
    if table == "surveys" and row["answered_at"] is not None:
        time = min(time, row["answered_at"])
    return time is not None and time < day and not is_later(row.get("known_at"), day)


def _as_it_stood(table: str, row: Row, day: datetime) -> Row:
    for column, others in LATE.get(table, {}).items():
        if is_later(row.get(column), day):
            row = {**row, column: None, **dict.fromkeys(others)}
    return row


def is_later(time: datetime | None, day: datetime) -> bool:
    """Tell whether a time lies at the date or after it."""
    return time is not None and time >= day
