"""What the features of support should be."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import timedelta
from statistics import mean, median

import numpy as np

from tests.features.company import Row
from tests.features.oracle import ORACLES, Then, Value, oracle

_ENDS = ("solved_at", "closed_at", "first_solved_at")
_GOOD = {None: (4, 2), "1-5": (4, 2), "1-3": (3, 1), "good/bad": (1, 0)}


def _opened(then: Then, account: str, days: float) -> list[Row]:
    return [r for r in then.of("tickets", account) if then.days_since(r["opened_at"]) <= days]


def _last_end(row: Row) -> object:
    return max((row[c] for c in _ENDS if row.get(c) is not None), default=None)


def _is_open(row: Row) -> bool:
    """Tell tickets never solved nor closed, or reopened after the last time they were."""
    end, back = _last_end(row), row["reopened_at"]
    return end is None or (back is not None and back >= end)


def _open(then: Then, account: str, *, urgent: bool = False) -> list[Row]:
    return [
        r
        for r in then.of("tickets", account)
        if _is_open(r) and (not urgent or (r.get("priority") or "").lower() == "urgent")
    ]


def _unsolved(row: Row) -> bool:
    return row.get("merged_into") is not None or (row.get("status") or "").lower() in (
        "merged",
        "spam",
        "closed unsolved",
    )


def _waiting(then: Then, row: Row) -> float:
    """Return the days since it was opened, or reopened."""
    times = [row[c] for c in ("opened_at", "reopened_at") if row[c] is not None]
    return then.days_since(max(times))


def _first_solved(row: Row) -> object:
    """Return when it was first solved; its reopening where nothing else shows it."""
    if _unsolved(row):
        return None
    if row.get("first_solved_at") is not None:
        return row["first_solved_at"]
    return min((row[c] for c in ("solved_at", "reopened_at") if row[c] is not None), default=None)


def _solved_for_good(row: Row) -> object:
    if _is_open(row) or _unsolved(row):
        return None
    back = row["reopened_at"]
    after = [row[c] for c in ("solved_at", "closed_at", "first_solved_at") if row.get(c)]
    return next(end for end in after if back is None or end > back)


_TIMES = {
    "first_reply": lambda row: row["first_replied_at"],
    "first_resolution": _first_solved,
    "resolution": _solved_for_good,
}


def _hours(then: Then, account: str, name: str, days: float, until: float = 0) -> list[float]:
    """Return the hours of those that ended in [date − days, date − until)."""
    hours = []
    for row in then.of("tickets", account):
        end = _TIMES[name](row)
        if end is not None and until < then.days_since(end) <= days:
            hours.append((end - row["opened_at"]) / timedelta(hours=1))
    return hours


def _timed(name: str) -> None:
    @oracle(f"tickets_{name}_hours_median_90d")
    def middle(then: Then, account: str) -> Value:
        hours = _hours(then, account, name, 90)
        return median(hours) if hours else None

    @oracle(f"tickets_{name}_hours_p90_90d")
    def slowest(then: Then, account: str) -> Value:
        hours = _hours(then, account, name, 90)
        return float(np.percentile(hours, 90)) if hours else None

    @oracle(f"tickets_{name}_trend")
    def trend(then: Then, account: str) -> Value:
        now, past = _hours(then, account, name, 90), _hours(then, account, name, 365, 90)
        if not now or not past:
            return None
        return math.log(median(now) + 1) - math.log(median(past) + 1)


for _name in _TIMES:
    _timed(_name)


@oracle("tickets_opened_28d")
def opened_28d(then: Then, account: str) -> Value:
    return len(_opened(then, account, 28))


@oracle("tickets_opened_90d")
def opened_90d(then: Then, account: str) -> Value:
    return len(_opened(then, account, 90))


@oracle("tickets_requesters_90d")
def requesters(then: Then, account: str) -> Value:
    return len({r.get("requester_id") for r in _opened(then, account, 90)} - {None})


@oracle("tickets_days_since_opened")
def since_opened(then: Then, account: str) -> Value:
    times = [r["opened_at"] for r in _opened(then, account, 365)]
    return (then.day.date() - max(times).date()).days - 1 if times else None


@oracle("tickets_silent_90d")
def silent(then: Then, account: str) -> Value:
    if not then.uses(account, 28) or then.days_since(then.created[account]) < 90:
        return None
    return float(not _opened(then, account, 90))


@oracle("tickets_repeated_share_90d")
def repeated(then: Then, account: str) -> Value:
    tickets = _opened(then, account, 90)
    by_person: dict[str | None, list[Row]] = defaultdict(list)
    for row in sorted(then.of("tickets", account), key=lambda r: (r["opened_at"], r["ticket_id"])):
        by_person[row.get("requester_id")].append(row)
    again = 0
    for rows in by_person.values():
        for number, row in enumerate(rows):
            if row in tickets and number:
                again += row["opened_at"] - rows[number - 1]["opened_at"] <= timedelta(days=7)
    return again / len(tickets) if tickets else None


def _channels(then: Then, account: str) -> Counter[str]:
    rows = _opened(then, account, 90)
    return Counter(r["channel"].lower() for r in rows if r.get("channel") is not None)


@oracle("tickets_channels_90d")
def channels(then: Then, account: str) -> Value:
    return len(_channels(then, account))


@oracle("tickets_top_channel_share_90d")
def top_channel(then: Then, account: str) -> Value:
    counted = _channels(then, account)
    return max(counted.values()) / counted.total() if counted else None


@oracle("tickets_live_channel_share_90d")
def live_channel(then: Then, account: str) -> Value:
    counted = _channels(then, account)
    live = sum(counted[c] for c in ("phone", "telephone", "call", "voice", "chat", "live chat"))
    return live / counted.total() if counted else None


def _per(name: str, denominator: str) -> None:
    @oracle(name)
    def rate(then: Then, account: str) -> Value:
        whole = ORACLES[denominator](then, account)
        return len(_opened(then, account, 90)) / whole if whole else None


_per("contacts_per_active_user_90d", "usage_active_users_90d")
_per("contacts_per_seat_90d", "seats")
_per("contacts_per_order_90d", "orders_count_90d")


@oracle("tickets_backlog")
def backlog(then: Then, account: str) -> Value:
    return len(_open(then, account))


@oracle("tickets_backlog_oldest_days")
def oldest(then: Then, account: str) -> Value:
    return max((_waiting(then, r) for r in _open(then, account)), default=0.0)


@oracle("tickets_backlog_mean_days")
def mean_age(then: Then, account: str) -> Value:
    ages = [_waiting(then, r) for r in _open(then, account)]
    return mean(ages) if ages else 0.0


@oracle("tickets_urgent_open")
def urgent_open(then: Then, account: str) -> Value:
    return len(_open(then, account, urgent=True))


@oracle("tickets_urgent_oldest_days")
def urgent_oldest(then: Then, account: str) -> Value:
    urgent = _open(then, account, urgent=True)
    return max((_waiting(then, r) for r in urgent), default=0.0)


@oracle("tickets_reopen_rate_90d")
def reopen_rate(then: Then, account: str) -> Value:
    ended = [
        r
        for r in then.of("tickets", account)
        if not _unsolved(r) and (end := _last_end(r)) is not None and then.days_since(end) <= 90  # type: ignore[arg-type]
    ]
    return mean(r["reopened_at"] is not None for r in ended) if ended else None


@oracle("tickets_escalated_90d")
def escalated(then: Then, account: str) -> Value:
    return sum(bool(r.get("escalated")) for r in _opened(then, account, 90))


def _rated(then: Then, account: str, days: float) -> list[Row]:
    rows = then.of("tickets", account)
    return [r for r in rows if r["csat_at"] is not None and then.days_since(r["csat_at"]) <= days]


@oracle("tickets_csat_180d")
def ticket_csat(then: Then, account: str) -> Value:
    rated = _rated(then, account, 180)
    return mean(r["csat"] >= _GOOD[r.get("csat_scale")][0] for r in rated) if rated else None


@oracle("tickets_badly_rated_90d")
def badly_rated(then: Then, account: str) -> Value:
    return sum(r["csat"] <= _GOOD[r.get("csat_scale")][1] for r in _rated(then, account, 90))
