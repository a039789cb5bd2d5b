"""What the features of the way of an account should be."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.features.oracle import ORACLES, Then, Value, oracle


def _reached(then: Then, account: str, times: int) -> datetime | None:
    """Return the midnight of the day of the use that made the count full, as uses became known."""

    def midnight(time: datetime) -> datetime:
        return datetime(time.year, time.month, time.day)

    uses = sorted(
        (
            midnight(max(r["occurred_at"], r.get("known_at") or r["occurred_at"])),
            midnight(r["occurred_at"]),
            1.0 if r.get("quantity") is None else r["quantity"],
        )
        for r in then.of("usage", account)
    )
    total = 0.0
    for _, day, quantity in uses:
        total += quantity
        if total >= times:
            return day
    return None


def _ages(then: Then, account: str) -> list[float]:
    days = [_reached(then, account, times) for times in (1, 10, 100, 1000)]
    return [(then.day - day) / timedelta(days=1) for day in days if day is not None]


@oracle("first_value_reached")
def first_value(then: Then, account: str) -> Value:
    return float(_reached(then, account, 1) is not None)


@oracle("days_to_first_value")
def to_first_value(then: Then, account: str) -> Value:
    day = _reached(then, account, 1)
    if day is None:
        return None
    tenure = ORACLES["tenure_days"](then, account)
    assert tenure is not None
    return max(tenure - (then.day - day).days, 0)


@oracle("milestones_reached")
def milestones(then: Then, account: str) -> Value:
    return len(_ages(then, account))


@oracle("milestones_90d")
def recent_milestones(then: Then, account: str) -> Value:
    return sum(age <= 90 for age in _ages(then, account))


@oracle("days_since_milestone")
def since_milestone(then: Then, account: str) -> Value:
    ages = _ages(then, account)
    return min(ages) - 1 if ages else None
