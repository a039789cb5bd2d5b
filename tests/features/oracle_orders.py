"""What the features of orders should be."""

from __future__ import annotations

import math
from datetime import date, datetime
from itertools import pairwise
from statistics import mean, median

from tests.features.company import Row
from tests.features.oracle import Then, Value, oracle


def _rows(then: Then, account: str) -> list[Row]:
    """Return orders and returns without orders that were returned in full, and their returns."""
    rows = [dict(r) for r in then.of("orders", account)]
    parts: list[tuple[int, int, float]] = []
    left = {}
    for i, row in sorted(enumerate(rows), key=lambda p: _place(p[1])):
        if row["amount"] >= 0:
            left[i] = row["amount"]
            continue
        rest = -row["amount"]
        while rest > 0.005 and (before := [k for k in left if left[k] > 0.005]):
            same = [k for k in before if abs(left[k] - rest) <= 0.005]
            enough = [k for k in before if left[k] >= rest]
            chosen = (same or enough or before)[-1]
            part = min(left[chosen], rest)
            left[chosen] -= part
            rest -= part
            parts.append((i, chosen, part))
    gone = {k for k in left if rows[k]["amount"] > 0.005 and left[k] <= 0.005}
    for i, k, part in parts:
        if k in gone:
            rows[i]["amount"] += part
            if rows[i]["amount"] > -0.005:
                gone.add(i)
    return [row for i, row in enumerate(rows) if i not in gone]


def _place(row: Row) -> tuple[date, bool, datetime]:
    """Sort by day; on one day, orders come before returns."""
    return row["ordered_at"].date(), row["amount"] < 0, row["ordered_at"]


def _orders(then: Then, account: str) -> list[Row]:
    """Return the orders without what was given back."""
    return [r for r in _rows(then, account) if r["amount"] >= 0]


def _amounts(then: Then, rows: list[Row], days: float, until: float = 0) -> list[float]:
    return [r["amount"] for r in rows if until < then.days_since(r["ordered_at"]) <= days]


@oracle("orders_recency_days")
def recency(then: Then, account: str) -> Value:
    days = [r["ordered_at"].date() for r in _orders(then, account)]
    return (then.day.date() - max(days)).days - 1 if days else None


def _windowed(window: int) -> None:
    @oracle(f"orders_count_{window}d")
    def count(then: Then, account: str) -> Value:
        orders = _orders(then, account)
        return len(_amounts(then, orders, window)) if orders else None

    @oracle(f"orders_amount_{window}d")
    def amount(then: Then, account: str) -> Value:
        both = _rows(then, account)
        return sum(_amounts(then, both, window)) if _orders(then, account) else None


for _window in (90, 365):
    _windowed(_window)


@oracle("orders_mean_amount_365d")
def mean_amount(then: Then, account: str) -> Value:
    amounts = _amounts(then, _orders(then, account), 365)
    return mean(amounts) if amounts else None


def _begun(then: Then, account: str) -> float:
    days = [r["ordered_at"].date() for r in _orders(then, account)]
    return (then.day.date() - min(days)).days if days else 0


@oracle("orders_amount_change_90d")
def amount_change(then: Then, account: str) -> Value:
    both = _rows(then, account) if _orders(then, account) else []
    now, before = sum(_amounts(then, both, 90)), sum(_amounts(then, both, 360, 90))
    # A usual quarter counts the days since the account, and the records, started.
    age = max(then.days_since(then.created[account]), _begun(then, account))
    days = min(age, max(_begun(then, a) for a in then.accounts), 360) - 90
    return now / (before * 90 / days) - 1 if before > 0 and days >= 90 else None


@oracle("orders_interval_days_median")
def interval(then: Then, account: str) -> Value:
    orders = [r for r in _orders(then, account) if then.days_since(r["ordered_at"]) <= 730]
    days = sorted({r["ordered_at"].date() for r in orders})
    gaps = [(after - before).days for before, after in pairwise(days)]
    return median(gaps) if len(gaps) >= 2 else None


@oracle("orders_interval_vs_habit")
def interval_vs_habit(then: Then, account: str) -> Value:
    since, usual = recency(then, account), interval(then, account)
    return math.log((since + 1) / usual) if since is not None and usual is not None else None
