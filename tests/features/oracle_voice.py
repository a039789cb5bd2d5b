"""What the features of tickets and surveys should be."""

from __future__ import annotations

from datetime import timedelta
from statistics import mean, median
from typing import Any

from tests.features.company import Row
from tests.features.oracle import ORACLES, Then, Value, oracle


def _opened(then: Then, account: str, days: int) -> list[Row]:
    return [r for r in then.of("tickets", account) if then.days_since(r["opened_at"]) <= days]


def _open(then: Then, account: str, *, urgent: bool = False) -> list[Row]:
    """Return tickets neither solved nor closed, or reopened after both."""
    return [
        r
        for r in then.of("tickets", account)
        if (r["solved_at"] is None or _is_back(r))
        and (not urgent or (r.get("priority") or "").lower() == "urgent")
    ]


def _is_back(row: Row) -> bool:
    ends = [row[c] for c in ("solved_at", "closed_at") if row[c] is not None]
    return row["reopened_at"] is not None and row["reopened_at"] >= max(ends)


def _ended(then: Then, account: str, column: str, days: int) -> list[Row]:
    return [
        r
        for r in then.of("tickets", account)
        if r[column] is not None and then.days_since(r[column]) <= days
    ]


@oracle("tickets_opened_28d")
def opened_28d(then: Then, account: str) -> Value:
    return len(_opened(then, account, 28))


@oracle("tickets_opened_90d")
def opened_90d(then: Then, account: str) -> Value:
    return len(_opened(then, account, 90))


@oracle("tickets_backlog")
def backlog(then: Then, account: str) -> Value:
    return len(_open(then, account))


@oracle("tickets_backlog_oldest_days")
def oldest(then: Then, account: str) -> Value:
    return max((then.days_since(r["opened_at"]) for r in _open(then, account)), default=0.0)


@oracle("tickets_urgent_open")
def urgent_open(then: Then, account: str) -> Value:
    return len(_open(then, account, urgent=True))


@oracle("tickets_urgent_oldest_days")
def urgent_oldest(then: Then, account: str) -> Value:
    urgent = _open(then, account, urgent=True)
    return max((then.days_since(r["opened_at"]) for r in urgent), default=0.0)


def _median_hours(rows: list[Row], column: str) -> Value:
    hours = [(r[column] - r["opened_at"]) / timedelta(hours=1) for r in rows]
    return median(hours) if hours else None


@oracle("tickets_first_reply_hours_median_90d")
def first_reply(then: Then, account: str) -> Value:
    return _median_hours(_ended(then, account, "first_replied_at", 90), "first_replied_at")


@oracle("tickets_resolution_hours_median_90d")
def resolution(then: Then, account: str) -> Value:
    return _median_hours(_ended(then, account, "solved_at", 90), "solved_at")


@oracle("tickets_reopen_rate_90d")
def reopen_rate(then: Then, account: str) -> Value:
    solved = _ended(then, account, "solved_at", 90)
    return mean(r["reopened_at"] is not None for r in solved) if solved else None


@oracle("tickets_escalated_90d")
def escalated(then: Then, account: str) -> Value:
    return sum(bool(r.get("escalated")) for r in _opened(then, account, 90))


@oracle("tickets_csat_180d")
def ticket_csat(then: Then, account: str) -> Value:
    rated = _ended(then, account, "csat_at", 180)
    return mean(r["csat"] >= 4 for r in rated) if rated else None


@oracle("tickets_per_active_user_90d")
def per_user(then: Then, account: str) -> Value:
    users = ORACLES["usage_active_users_90d"](then, account)
    return opened_90d(then, account) / users if users else None  # type: ignore[operator]


def _scored(then: Then, account: str, kind: str, days: int) -> list[Row]:
    return [
        r
        for r in then.of("surveys", account)
        if r["kind"] == kind
        and r.get("score") is not None
        and then.days_since(r["answered_at"]) <= days
    ]


@oracle("surveys_nps_latest")
def nps_latest(then: Then, account: str) -> Value:
    answers = _scored(then, account, "nps", 365)
    if not answers:
        return None
    last = max(r["answered_at"] for r in answers)
    return min(r["score"] for r in answers if r["answered_at"] == last)


@oracle("surveys_nps_180d")
def nps(then: Then, account: str) -> Value:
    scores = [r["score"] for r in _scored(then, account, "nps", 180)]
    return 100 * mean((s >= 9) - (s <= 6) for s in scores) if scores else None


_SATISFIED: dict[Any, set[float]] = {"1-3": {3}, "good/bad": {1}}
_DISSATISFIED: dict[Any, set[float]] = {"1-3": {1}, "good/bad": {0}}


@oracle("surveys_csat_180d")
def csat(then: Then, account: str) -> Value:
    answers = _scored(then, account, "csat", 180)
    good = [r["score"] in _SATISFIED.get(r.get("scale"), {4, 5}) for r in answers]
    return mean(good) if good else None


@oracle("surveys_ces_180d")
def ces(then: Then, account: str) -> Value:
    scores = [r["score"] for r in _scored(then, account, "ces", 180)]
    return mean(scores) if scores else None


@oracle("surveys_days_since_answer")
def since_answer(then: Then, account: str) -> Value:
    answered = [r["answered_at"] for r in then.of("surveys", account) if r["answered_at"]]
    return (then.day.date() - max(answered).date()).days - 1 if answered else None


@oracle("surveys_response_rate_180d")
def response_rate(then: Then, account: str) -> Value:
    sent = [
        r
        for r in then.of("surveys", account)
        if r["sent_at"] is not None and then.days_since(r["sent_at"]) <= 180
    ]
    return mean(r["answered_at"] is not None for r in sent) if sent else None


@oracle("surveys_negative_90d")
def negative(then: Then, account: str) -> Value:
    bad = sum(r["score"] <= 6 for r in _scored(then, account, "nps", 90))
    bad += sum(r["score"] <= 3 for r in _scored(then, account, "ces", 90))
    bad += sum(
        r["score"] in _DISSATISFIED.get(r.get("scale"), {1, 2})
        for r in _scored(then, account, "csat", 90)
    )
    bad += sum(r["csat"] <= 2 for r in _ended(then, account, "csat_at", 90))
    return min(bad, 2)
