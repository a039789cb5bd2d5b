"""What the features of contacts, invoices, interactions and goals should be."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta
from statistics import mean, median

from features.definitions.settings import DEFAULT_SETTINGS
from tests.features.company import Row
from tests.features.oracle import Then, Value, oracle


def _known(then: Then, table: str, account: str, dated_by: str) -> list[Row]:
    return [r for r in then.rows[table] if r["account_id"] == account and r[dated_by] < then.day]


def _latest(rows: list[Row], *key: str) -> list[Row]:
    """Return the rows without earlier versions of others."""
    written = {id(row): row.get("known_at") or datetime.min for row in rows}
    return [
        row
        for row in rows
        if not any(
            all(row[name] == other[name] for name in key) and written[id(other)] > written[id(row)]
            for other in rows
        )
    ]


def _happened(then: Then, at: datetime | None, days: float | None = None) -> bool:
    if at is None or at >= then.day:
        return False
    return days is None or at >= then.day - timedelta(days=days)


# Contacts.


def _contacts(then: Then, account: str) -> list[Row]:
    return _latest(_known(then, "contacts", account, "created_at"), "contact_id", "created_at")


def _present(then: Then, account: str) -> list[Row]:
    return [r for r in _contacts(then, account) if not _happened(then, r.get("left_at"))]


def _is_key(row: Row) -> bool:
    role = (row.get("role") or "").lower()
    return row.get("is_champion") is True or role in DEFAULT_SETTINGS.deciding_roles


def _people(rows: list[Row]) -> set[str]:
    return {row["contact_id"] for row in rows}


@oracle("contacts_present")
def present(then: Then, account: str) -> Value:
    return len(_people(_present(then, account))) if _contacts(then, account) else None


@oracle("contacts_key")
def key(then: Then, account: str) -> Value:
    if not _contacts(then, account):
        return None
    return len(_people([r for r in _present(then, account) if _is_key(r)]))


@oracle("contacts_key_left_180d")
def key_left(then: Then, account: str) -> Value:
    rows = _contacts(then, account)
    left = [r for r in rows if _is_key(r) and _happened(then, r.get("left_at"), 180)]
    return len(_people(left) - _people(_present(then, account))) if rows else None


@oracle("contacts_key_silent_share_90d")
def key_silent(then: Then, account: str) -> Value:
    heard = {
        r.get("contact_id")
        for r in _interactions(then, account)
        if _is_heard(r) and _happened(then, r["occurred_at"], 90)
    }
    people = _people([r for r in _present(then, account) if _is_key(r)])
    return mean(person not in heard for person in people) if people else None


@oracle("contacts_single_threaded")
def single_threaded(then: Then, account: str) -> Value:
    count = len(_people(_present(then, account)))
    return float(count == 1) if count else None


@oracle("contacts_new_90d")
def new(then: Then, account: str) -> Value:
    rows = _contacts(then, account)
    return len(_people([r for r in rows if _happened(then, r["created_at"], 90)])) if rows else None


# Invoices.


def _bills(then: Then, account: str) -> list[Row]:
    return _known(then, "invoices", account, "due_at")


def _paid(then: Then, row: Row) -> bool:
    return _happened(then, row.get("paid_at"))


def _late(row: Row) -> float:
    return (row["paid_at"] - row["due_at"]) / timedelta(days=1)


def _unpaid(then: Then, account: str) -> list[Row]:
    return [r for r in _bills(then, account) if not _paid(then, r) and r["amount"] > 0]


@oracle("invoices_overdue_amount")
def overdue_amount(then: Then, account: str) -> Value:
    unpaid = _unpaid(then, account)
    return math.fsum(r["amount"] for r in unpaid) if _bills(then, account) else None


@oracle("invoices_overdue_days")
def overdue_days(then: Then, account: str) -> Value:
    days = [math.floor(then.days_since(r["due_at"])) for r in _unpaid(then, account)]
    return max(days, default=0) if _bills(then, account) else None


@oracle("invoices_failed_payments_90d")
def failed_payments(then: Then, account: str) -> Value:
    rows = _bills(then, account)
    failed = 0.0
    for row in rows:
        given_up = row["due_at"] + timedelta(days=30)
        settled = min(row["paid_at"], given_up) if row.get("paid_at") else given_up
        failed += (row.get("failed_attempts") or 0) if _happened(then, settled, 90) else 0
    return failed if rows else None


def _lately(then: Then, account: str) -> list[float]:
    rows = _bills(then, account)
    return [_late(r) for r in rows if r.get("paid_at") and _happened(then, r["paid_at"], 90)]


@oracle("invoices_days_late_90d")
def days_late(then: Then, account: str) -> Value:
    late = _lately(then, account)
    return mean(late) if late else None


@oracle("invoices_days_late_vs_habit")
def days_late_vs_habit(then: Then, account: str) -> Value:
    before = [
        _late(r)
        for r in _bills(then, account)
        if r.get("paid_at")
        and _happened(then, r["paid_at"], 455)
        and not _happened(then, r["paid_at"], 90)
    ]
    late = _lately(then, account)
    return mean(late) - median(before) if late and len(before) >= 3 else None


# Interactions.


def _interactions(then: Then, account: str) -> list[Row]:
    return _known(then, "interactions", account, "occurred_at")


def _is_spoken(row: Row) -> bool:
    return row["kind"].lower() in ("call", "meeting")


def _direction(row: Row) -> str:
    return (row.get("direction") or "").lower()


def _conversations(then: Then, account: str) -> list[Row]:
    """Return one row for each conversation at a time of day, whoever took part."""
    seen, rows = set(), []
    for row in _interactions(then, account):
        at = row["occurred_at"]
        key = (at, row["kind"].lower(), _direction(row))
        if at.time() == time(0) or key not in seen:
            rows.append(row)
        seen.add(key)
    return rows


def _is_heard(row: Row) -> bool:
    return _is_spoken(row) or _direction(row) == "in"


def _heard(then: Then, account: str) -> datetime | None:
    times = [r["occurred_at"] for r in _interactions(then, account) if _is_heard(r)]
    return max(times, default=None)


@oracle("interactions_days_since")
def days_since(then: Then, account: str) -> Value:
    last = _heard(then, account)
    return math.ceil(then.days_since(last)) - 1 if last else None


@oracle("interactions_meetings_90d")
def meetings(then: Then, account: str) -> Value:
    rows = _conversations(then, account)
    spoken = [_is_spoken(r) and _happened(then, r["occurred_at"], 90) for r in rows]
    return sum(spoken) if rows else None


@oracle("interactions_unanswered_emails_28d")
def unanswered(then: Then, account: str) -> Value:
    rows, last = _conversations(then, account), _heard(then, account)
    sent = [
        r["occurred_at"]
        for r in rows
        if r["kind"].lower() == "email"
        and _direction(r) == "out"
        and _happened(then, r["occurred_at"], 28)
    ]
    return sum(last is None or at > last for at in sent) if rows else None


@oracle("interactions_inbound_share_90d")
def inbound_share(then: Then, account: str) -> Value:
    began = [
        _direction(r) == "in"
        for r in _conversations(then, account)
        if _direction(r) in ("in", "out") and _happened(then, r["occurred_at"], 90)
    ]
    return mean(began) if began else None


# Goals.


def _goals(then: Then, account: str) -> list[Row]:
    return _latest(_known(then, "goals", account, "set_at"), "goal", "set_at")


def _reached(then: Then, account: str) -> list[Row]:
    return [r for r in _goals(then, account) if _happened(then, r.get("reached_at"))]


@oracle("goals_set_365d")
def goals_set(then: Then, account: str) -> Value:
    rows = _goals(then, account)
    return sum(_happened(then, r["set_at"], 365) for r in rows) if rows else None


@oracle("goals_reached_share")
def reached_share(then: Then, account: str) -> Value:
    rows = _goals(then, account)
    return len(_reached(then, account)) / len(rows) if rows else None


@oracle("goals_reached_365d")
def reached(then: Then, account: str) -> Value:
    rows = _reached(then, account)
    lately = sum(_happened(then, r["reached_at"], 365) for r in rows)
    return lately if _goals(then, account) else None


@oracle("goals_overdue")
def goals_overdue(then: Then, account: str) -> Value:
    rows, done = _goals(then, account), _reached(then, account)
    late = [r for r in rows if r not in done and _happened(then, r.get("target_at"))]
    return len(late) if rows else None
