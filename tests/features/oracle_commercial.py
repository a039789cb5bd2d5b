"""What the features of the contract should be."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tests.features.company import Row
from tests.features.oracle import Then, Value, oracle


def _level(then: Then, account: str, column: str, at: datetime) -> float:
    """Return what was paid, or how many seats, just before a moment."""
    return sum(
        r.get(column) or 0.0
        for r in then.of("paid", account)
        if r["started_at"] < at and (r["ended_at"] is None or r["ended_at"] >= at)
    )


def _change(then: Then, account: str, column: str, days: int) -> Value:
    before = _level(then, account, column, then.day - timedelta(days=days))
    return _level(then, account, column, then.day) / before - 1 if before else None


def _moves(then: Then, account: str) -> list[float]:
    """Return how much more or less was paid at each moment, while paying before and after."""
    rows = then.of("paid", account)
    times = {r["started_at"] for r in rows} | {r["ended_at"] for r in rows if r["ended_at"]}
    moves = []
    for at in times:
        if not then.day - timedelta(days=180) <= at < then.day:
            continue
        after = at + timedelta(microseconds=1)
        before, since = (_level(then, account, "mrr", t) for t in (at, after))
        if before and since:
            moves.append(since - before)
    return moves


@oracle("tenure_days")
def tenure(then: Then, account: str) -> Value:
    starts = [r["started_at"] for r in then.of("paid", account)]
    return math.floor(then.days_since(min([then.created[account], *starts])))


@oracle("mrr")
def mrr(then: Then, account: str) -> Value:
    return sum(r["mrr"] for r in then.of("running", account))


@oracle("mrr_change_90d")
def mrr_change(then: Then, account: str) -> Value:
    return _change(then, account, "mrr", 90)


@oracle("seats")
def seats(then: Then, account: str) -> Value:
    return sum(r.get("seats") or 0.0 for r in then.of("running", account)) or None


@oracle("seats_change_180d")
def seats_change(then: Then, account: str) -> Value:
    return _change(then, account, "seats", 180)


@oracle("products_held")
def products(then: Then, account: str) -> Value:
    return len({r["product"] for r in then.of("running", account)})


def _ahead(then: Then, account: str) -> list[Row]:
    rows = then.of("running", account)
    return [r for r in rows if r.get("renews_at") is not None and r["renews_at"] >= then.day]


@oracle("days_to_renewal")
def to_renewal(then: Then, account: str) -> Value:
    return min((-then.days_since(r["renews_at"]) for r in _ahead(then, account)), default=None)


@oracle("contract_days")
def contract(then: Then, account: str) -> Value:
    rows = _ahead(then, account)
    if not rows:
        return None
    largest = max(rows, key=lambda r: r["mrr"])
    return (largest["renews_at"] - largest["started_at"]) / timedelta(days=1)


@oracle("price_per_seat")
def price(then: Then, account: str) -> Value:
    contracted, paid = seats(then, account), mrr(then, account)
    return paid / contracted if contracted and paid is not None else None


@oracle("expansions_180d")
def expansions(then: Then, account: str) -> Value:
    return sum(move > 0 for move in _moves(then, account))


@oracle("contractions_180d")
def contractions(then: Then, account: str) -> Value:
    return sum(move < 0 for move in _moves(then, account))


def _notices(then: Then, account: str) -> list[datetime]:
    """Return the notices of every running subscription; none unless all have one."""
    given = [r.get("notice_at") for r in then.of("running", account)]
    seen = [at for at in given if at is not None and at < then.day]
    return seen if len(seen) == len(given) else []


@oracle("notice_given")
def notice(then: Then, account: str) -> Value:
    return float(bool(_notices(then, account)))


@oracle("days_since_notice")
def since_notice(then: Then, account: str) -> Value:
    notices = _notices(then, account)
    return then.days_since(max(notices)) if notices else None
