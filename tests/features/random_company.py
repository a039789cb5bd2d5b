"""Random companies: every table and column, often at the very edge of a window or of the date."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from tests.features.company import DAY, TEXTS, Row, Rows, ago

ACCOUNTS = tuple("abcdefghijkl")
_EDGES = (0, 7, 28, 35, 63, 90, 97, 118, 126, 180, 360, 365, 730)
_INSTANT = timedelta(microseconds=1)


def random_company(seed: int) -> Rows:
    """Return a company whose accounts all pay, so that there is much to compare."""
    chance = Random(seed)
    ages = [chance.choice((900, 700, 400, 200, 126, 40, 9)) for _ in ACCOUNTS]
    accounts = [
        {"account_id": a, "created_at": ago(age), "segment": chance.choice(("x", "y", None))}
        for a, age in zip(ACCOUNTS, ages, strict=True)
    ]
    # A migration wrote when these were created: before the date, on it and after it.
    for account, migrated in zip(accounts[3:6], (20, 0, -9), strict=True):
        account["created_at"] = ago(migrated)
    pays: list[Row] = [
        {"account_id": a, "product": "core", "started_at": ago(age), "mrr": 80.0, "seats": 4.0}
        for a, age in zip(ACCOUNTS, ages, strict=True)
    ]
    # The first two hold one contract alone, so that a notice is one of all they hold.
    pays[0]["notice_at"] = ago(chance.uniform(0, 60))
    pays[1]["notice_at"] = chance.choice((DAY, ago(-3), ago(1)))
    return {
        "accounts": accounts,
        "subscriptions": [*pays, *(_subscription(chance) for _ in range(60)), *_billed(chance)],
        "usage": [_use(chance) for _ in range(400)],
        "tickets": [_ticket(chance, number) for number in range(150)],
        "surveys": [_survey(chance) for _ in range(200)],
        "orders": [_order(chance) for _ in range(100)],
        "contacts": [_contact(chance, number) for number in range(80)],
        "invoices": [_invoice(chance, number) for number in range(120)],
        "interactions": [_interaction(chance) for _ in range(150)],
        "goals": [_goal(chance, number) for number in range(60)],
    }


def _time(chance: Random) -> datetime:
    """Return a time: at an edge of a window, an instant from it, or anywhere."""
    kind = chance.random()
    if kind < 0.3:
        return ago(chance.choice(_EDGES)) + chance.choice((-_INSTANT, 0 * _INSTANT, _INSTANT))
    if kind < 0.5:
        return ago(chance.randint(-40, 400))
    return ago(chance.uniform(-40, 400))


def _known(chance: Random) -> datetime | None:
    return _time(chance) if chance.random() < 0.3 else None


def _after(chance: Random, start: datetime) -> datetime | None:
    if chance.random() < 0.3:
        return None
    if chance.random() < 0.15:
        return max(start, DAY + chance.choice((-_INSTANT, 0 * _INSTANT, _INSTANT)))
    return start + timedelta(days=chance.choice((0, 0.1, 1, 3, 20, 60, 130)) * chance.random())


def _times(chance: Random, start: datetime, *columns: str) -> dict[str, Any]:
    return {column: _after(chance, start) for column in columns}


def _subscription(chance: Random) -> Row:
    start = _time(chance)
    return {
        "account_id": chance.choice(ACCOUNTS[2:]),
        "product": chance.choice(("core", "addon")),
        "plan": chance.choice((None, "basic")),
        "started_at": start,
        "mrr": chance.choice((0.0, 50.0, 100.0)),
        "seats": chance.choice((None, 5.0, 10.0)),
        "list_mrr": chance.choice((None, 120.0)),
        "billing_months": chance.choice((None, 1.0, 12.0)),
        "quota": 20.0,
        "quota_event": "view",
        "known_at": _known(chance),
        **_times(chance, start, "ended_at", "notice_at"),
        "renews_at": start + timedelta(days=chance.choice((20, 35, 36, 90, 365, 500))),
    }


def _billed(chance: Random) -> list[Row]:
    """Return add-ons billed by the month: a row a month, with the company's usual gap or another.

    The last row of some ends shortly before the date; some rows have an id, and several versions.
    """
    usual = timedelta(days=chance.choice((0, 1, 1, 3, 45)))
    rows: list[Row] = []
    for number, account in enumerate(ACCOUNTS[4:10]):
        start = ago(chance.uniform(200, 400))
        until = DAY - chance.choice((0.5, 1, 1.5, 4)) * usual if chance.random() < 0.7 else DAY
        while start < DAY:
            end = start + timedelta(days=chance.choice((28, 30, 31)))
            end = until if start < until < end + timedelta(days=9) else end
            row = {
                **{"account_id": account, "product": "monthly", "plan": "basic"},
                **{"started_at": start, "ended_at": end, "renews_at": end},
                **{"mrr": chance.choice((20.0, 20.0, 20.0, 0.0, 30.0)), "seats": 2.0},
                **{"quota": 20.0, "quota_event": "view"},
            }
            if number % 2:
                row["subscription_id"] = account
                rows += chance.choice(([], [], [{**row, "ended_at": None}, row]))
                if chance.random() < 0.1:
                    late = {"mrr": 25.0, "known_at": start + timedelta(days=50)}
                    rows.append({**row, **late})
            if chance.random() < 0.05:
                row["notice_at"] = end - timedelta(days=2)
            rows.append(row)
            gap = usual if chance.random() < 0.9 else timedelta(days=chance.choice((0, 2, 29, 30)))
            start = end + gap
    return rows


def _use(chance: Random) -> Row:
    # The first accounts use little, and the last one is busy of late.
    (account,) = chance.choices(ACCOUNTS, range(len(ACCOUNTS)))
    recent = account == ACCOUNTS[-1] and chance.random() < 0.5
    return {
        "account_id": account,
        "event": chance.choice(("view", "export")),
        "occurred_at": ago(chance.uniform(0, 28)) if recent else _time(chance),
        "user_id": chance.choice((None, "u", "v", "w", f"rare{chance.randint(1, 9)}")),
        "quantity": chance.choice((None, None, None, 1.0, 20.0)),
        "errors": chance.choice((None, 0.0, 1.0)),
        "known_at": _known(chance),
    }


def _ticket(chance: Random, number: int) -> Row:
    opened = _time(chance)
    return {
        "account_id": chance.choice(ACCOUNTS[:-1]),
        "ticket_id": f"t{number}",
        "opened_at": opened,
        "requester_id": chance.choice((None, "u", "v")),
        "channel": chance.choice((None, "Email", "chat", "phone")),
        "priority": chance.choice((None, "low", "urgent")),
        "first_priority": chance.choice((None, "low", "urgent")),
        "escalated": chance.choice((None, True, False)),
        "csat": chance.choice((1.0, 3.0, 5.0)),
        "subject": chance.choice(TEXTS),
        "reason": chance.choice((None, None, "wants_out")),
        "known_at": _known(chance),
        **_times(chance, opened, "first_replied_at", "solved_at", "reopened_at", "closed_at"),
        **_times(chance, opened, "first_solved_at", "csat_at", "escalated_at", "priority_at"),
    }


def _survey(chance: Random) -> Row:
    sent = _time(chance)
    kind, scale, top = chance.choice(
        (("nps", None, 10), ("csat", "1-5", 5), ("csat", "0-100", 100), ("ces", "1-7", 7))
    )
    return {
        "account_id": chance.choice(ACCOUNTS),
        "kind": kind,
        "scale": scale,
        "sent_at": sent,
        "answered_at": _after(chance, sent),
        "score": float(chance.randint(1, top)),
        "expected": chance.choice((None, float(top))),
        "respondent_id": chance.choice((None, "u", "v", "w")),
        "role": chance.choice((None, "user", "Owner")),
        "comment": chance.choice(TEXTS),
        "known_at": _known(chance),
    }


def _order(chance: Random) -> Row:
    return {
        "account_id": chance.choice(ACCOUNTS),
        "ordered_at": _time(chance),
        "amount": chance.choice((0.0, 10.0, 25.5, -8.0)),
        "known_at": _known(chance),
    }


def _account_of(chance: Random, person: int) -> str:
    """Return mostly the same account for a person: some ids occur in several accounts."""
    known = ACCOUNTS[:-1]
    return known[person % len(known)] if chance.random() < 0.8 else chance.choice(known)


def _contact(chance: Random, number: int) -> Row:
    came = _time(chance)
    return {
        "account_id": _account_of(chance, number % 60),
        "contact_id": f"p{number % 60}",
        "created_at": came,
        "role": chance.choice((None, "user", "Owner")),
        "is_champion": chance.choice((None, True, False)),
        "left_at": _after(chance, came),
        "known_at": _known(chance),
    }


def _invoice(chance: Random, number: int) -> Row:
    due = _time(chance)
    return {
        "account_id": chance.choice(ACCOUNTS[:-2]),
        "invoice_id": f"i{number}",
        "due_at": due,
        "amount": chance.choice((10.0, 25.5, -8.0)),
        "paid_at": _after(chance, due - timedelta(days=chance.choice((0, 5)))),
        "failed_attempts": chance.choice((None, 0.0, 2.0)),
        "known_at": _known(chance),
    }


def _interaction(chance: Random) -> Row:
    person = chance.randint(0, 70)
    return {
        "account_id": _account_of(chance, person),
        "occurred_at": _time(chance),
        "kind": chance.choice(("call", "Meeting", "email", "email", "note")),
        "direction": chance.choice((None, "in", "Out")),
        "contact_id": chance.choice((None, f"p{person}")),
        "known_at": _known(chance),
    }


def _goal(chance: Random, number: int) -> Row:
    start = _time(chance)
    return {
        "account_id": chance.choice(ACCOUNTS[:-1]),
        "goal": f"g{number}",
        "set_at": start,
        "known_at": _known(chance),
        **_times(chance, start, "target_at", "reached_at"),
    }
