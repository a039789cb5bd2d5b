"""What the features of use should be."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from statistics import mean, median

from tests.features.company import Row
from tests.features.oracle import ORACLES, Then, Value, oracle


def _quantity(rows: Iterable[Row]) -> float:
    return sum(1.0 if r.get("quantity") is None else r["quantity"] for r in rows)


def _users(rows: Iterable[Row]) -> set[str]:
    return {r["user_id"] for r in rows if r["user_id"] is not None}


def _days(rows: Iterable[Row]) -> int:
    return len({r["occurred_at"].date() for r in rows})


def _named(then: Then, account: str) -> bool:
    return bool(_users(then.of("usage", account)))


def _share(part: float, whole: float) -> Value:
    return part / whole if whole else None


def _windowed(window: int) -> None:
    @oracle(f"usage_active_users_{window}d")
    def users(then: Then, account: str) -> Value:
        return len(_users(then.uses(account, window))) if _named(then, account) else None

    @oracle(f"usage_active_days_{window}d")
    def days(then: Then, account: str) -> Value:
        return _days(then.uses(account, window)) if then.of("usage", account) else None

    @oracle(f"usage_records_{window}d")
    def records(then: Then, account: str) -> Value:
        return len(then.uses(account, window)) if then.of("usage", account) else None

    @oracle(f"usage_events_{window}d")
    def events(then: Then, account: str) -> Value:
        return _quantity(then.uses(account, window)) if then.of("usage", account) else None


for _window in (7, 28, 90):
    _windowed(_window)


def _different(rows: Iterable[Row]) -> set[str]:
    """Return the events whose quantities add up to something."""
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["event"]] += _quantity([row])  # type: ignore[assignment]
    return {event for event, total in sums.items() if total > 0}


@oracle("usage_distinct_events_28d")
def distinct_events(then: Then, account: str) -> Value:
    return len(_different(then.uses(account, 28))) if then.of("usage", account) else None


@oracle("usage_breadth_share_28d")
def breadth(then: Then, account: str) -> Value:
    everybody = {r["account_id"] for r in then.usage}
    features = set().union(*(_different(then.uses(a, 28)) for a in everybody))
    own = distinct_events(then, account)
    return None if own is None else own / max(len(features), 1)


@oracle("usage_sticky_share_28d")
def sticky(then: Then, account: str) -> Value:
    existing = {a for a, created in then.created.items() if created < then.day}
    everybody = {r["account_id"] for r in then.usage} & existing
    before = {a: _different(then.uses(a, 56, 28)) for a in everybody}
    now = {a: _different(then.uses(a, 28)) for a in everybody}
    least = max(3, 0.05 * sum(bool(events) for events in before.values()))
    held = set()
    for event in set().union(*before.values()):
        users = [a for a in everybody if event in before[a]]
        if len(users) >= least and sum(event in now[a] for a in users) >= 0.5 * len(users):
            held.add(event)
    if account not in everybody or not held:
        return None
    return len(now[account] & held) / len(held)


def _typical_week(
    then: Then, account: str, first: int, weeks: int, level: Callable[[list[Row]], float]
) -> float:
    """Return the median of a level over weeks that begin `first` days back and go further."""
    starts = range(first, first + 7 * weeks, 7)
    return median(level(then.uses(account, start + 7, start)) for start in starts)


def _is_too_young(then: Then, account: str) -> bool:
    """Tell accounts, and whole records, that do not reach back over all weeks of a trend."""
    begins = min((r["occurred_at"].date() for r in then.usage), default=then.day.date())
    days = (then.day.date() - begins).days
    return then.days_since(then.created[account]) < 126 or days < 126


def _trend(then: Then, account: str, now: float, before: float, smoothing: float) -> Value:
    if _is_too_young(then, account) or not then.of("usage", account):
        return None
    return math.log((now + smoothing) / (before + smoothing))


@oracle("usage_events_trend")
def events_trend(then: Then, account: str) -> Value:
    now = _typical_week(then, account, 0, 4, _quantity)
    before = _typical_week(then, account, 35, 13, _quantity)
    return _trend(then, account, now, before, 1.0)


@oracle("usage_users_trend")
def users_trend(then: Then, account: str) -> Value:
    now, before = then.uses(account, 28), then.uses(account, 63, 35)
    if not _named(then, account):
        return None
    return _trend(then, account, len(_users(now)), len(_users(before)), 1.0)


@oracle("usage_active_days_trend")
def active_days_trend(then: Then, account: str) -> Value:
    now = _typical_week(then, account, 0, 4, _days)
    before = _typical_week(then, account, 35, 13, _days)
    return _trend(then, account, now, before, 0.5)


@oracle("usage_weekend_share_change")
def weekend_change(then: Then, account: str) -> Value:
    if _is_too_young(then, account):
        return None
    shares = []
    for rows in (then.uses(account, 28), then.uses(account, 126, 35)):
        weekend = [r for r in rows if r["occurred_at"].strftime("%a") in {"Sat", "Sun"}]
        shares.append(_share(_quantity(weekend), _quantity(rows)))
    now, before = shares
    return None if now is None or before is None else now - before


@oracle("usage_events_vs_fleet_trend")
def fleet_trend(then: Then, account: str) -> Value:
    fleet = [t for a in then.accounts if (t := events_trend(then, a)) is not None]
    own = events_trend(then, account)
    return None if own is None else own - median(fleet)


@oracle("usage_recency_days")
def recency(then: Then, account: str) -> Value:
    used = [r["occurred_at"] for r in then.of("usage", account)]
    return (then.day.date() - max(used).date()).days - 1 if used else None


@oracle("usage_seat_utilisation_28d")
def utilisation(then: Then, account: str) -> Value:
    users, contracted = (
        ORACLES["usage_active_users_28d"](then, account),
        ORACLES["seats"](then, account),
    )
    return None if users is None or contracted is None else users / contracted


def _user_days(then: Then, account: str, days: int) -> int:
    return sum(_days(rows) for rows in _by_user(then.uses(account, days)).values())


@oracle("usage_seats_in_use_daily_28d")
def seats_in_use_daily(then: Then, account: str) -> Value:
    contracted = ORACLES["seats"](then, account)
    if contracted is None or not _named(then, account):
        return None
    return _user_days(then, account, 28) / 28 / contracted


def _days_per_user(days: int) -> None:
    @oracle(f"usage_days_per_user_{days}d")
    def days_per_user(then: Then, account: str) -> Value:
        return _share(_user_days(then, account, days), len(_users(then.uses(account, days))))


for _window in (28, 90):
    _days_per_user(_window)


def _quotas(then: Then, account: str) -> dict[str, float]:
    limits: defaultdict[str, float] = defaultdict(float)
    for row in then.of("all_running", account):
        if row.get("quota") and row.get("quota_event"):
            limits[row["quota_event"]] += row["quota"]
    return limits


def _used(then: Then, account: str, event: str, days: int, until: int = 0) -> float:
    return _quantity(r for r in then.uses(account, days, until) if r["event"] == event)


@oracle("usage_quota_use_30d")
def quota_use(then: Then, account: str) -> Value:
    limits = _quotas(then, account)
    return max((_used(then, account, e, 30) / q for e, q in limits.items()), default=None)


@oracle("usage_quotas_near_limit")
def near_limit(then: Then, account: str) -> Value:
    limits = _quotas(then, account)
    full = {e for e, q in limits.items() if _used(then, account, e, 30) >= 0.8 * q}
    held = {(r["product"], r.get("quota_event")) for r in then.of("all_running", account)}
    return sum(event in full for _, event in held) if limits else None


@oracle("usage_quota_days_to_limit")
def days_to_limit(then: Then, account: str) -> Value:
    days = []
    for event, limit in _quotas(then, account).items():
        left = limit - _used(then, account, event, 30)
        pace = median(_used(then, account, event, w + 7, w) for w in (0, 7, 14, 21)) / 7
        if left <= 0:
            days.append(0.0)
        elif pace > 0:
            days.append(left / pace)
    return min(days, default=None)


@oracle("usage_errors_per_100_events_28d")
def errors(then: Then, account: str) -> Value:
    rows = then.uses(account, 28)
    counted = [r["errors"] for r in rows if r.get("errors") is not None]
    return 100 * sum(counted) / _quantity(rows) if counted and _quantity(rows) else None


def _by_user(rows: Iterable[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["user_id"] is not None:
            grouped[row["user_id"]].append(row)
    return grouped


@oracle("usage_top_user_share_28d")
def top_user(then: Then, account: str) -> Value:
    rows = then.uses(account, 28)
    people = [_quantity(own) for own in _by_user(rows).values()]
    return _share(max(people, default=0.0), sum(people)) if _named(then, account) else None


@oracle("usage_champions_silent")
def champions_silent(then: Then, account: str) -> Value:
    quarter = {u: _quantity(r) for u, r in _by_user(then.uses(account, 118, 28)).items()}
    champions = sorted((u for u in quarter if quarter[u] > 0), key=lambda u: (-quarter[u], u))[:3]
    active = _users(then.uses(account, 28))
    return mean(u not in active for u in champions) if champions else None


@oracle("usage_new_users_28d")
def new_users(then: Then, account: str) -> Value:
    old = _users(then.uses(account, math.inf, 28))
    return len(_users(then.uses(account, 28)) - old) if _named(then, account) else None


@oracle("usage_regular_share_28d")
def regulars(then: Then, account: str) -> Value:
    users = _by_user(then.uses(account, 28))
    return mean(_days(rows) >= 4 for rows in users.values()) if users else None
