"""What every feature should be, worked out row by row in plain Python."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from statistics import mean, median
from typing import Any

from tests.features.company import Row, Rows

Value = float | None
Oracle = Callable[["Then", str], Value]
ORACLES: dict[str, Oracle] = {}


def oracle(*names: str) -> Callable[[Oracle], Oracle]:
    """File a function under the features it tells."""

    def file(function: Oracle) -> Oracle:
        ORACLES.update(dict.fromkeys(names, function))
        return function

    return file


class Then:
    """The rows as they stood at a date: what came later is gone or blank."""

    def __init__(self, rows: Rows, day: datetime) -> None:
        self.day = day
        self.rows = {name: [r for r in listed if self._known(r)] for name, listed in rows.items()}
        self.usage = self._dated("usage", "occurred_at")
        self.tickets = [self._ticket(r) for r in self._dated("tickets", "opened_at")]
        self.surveys = [self._survey(r) for r in self.rows["surveys"]]
        self.paid = [r for r in self._dated("subscriptions", "started_at") if r["mrr"] > 0]
        self.created = {
            r["account_id"]: r["created_at"] for r in self._dated("accounts", "created_at")
        }
        self.all_running = [
            r for r in self._dated("subscriptions", "started_at") if self._runs(r, day)
        ]
        self.running = [r for r in self.all_running if r["mrr"] > 0]
        paying = {r["account_id"] for r in self.running}
        self.accounts = sorted(paying & self.created.keys())

    def _known(self, row: Row) -> bool:
        return row.get("known_at") is None or row["known_at"] < self.day

    def _dated(self, table: str, column: str) -> list[Row]:
        return [r for r in self.rows[table] if r[column] < self.day]

    def blank(self, row: Row, time: str, *others: str) -> Row:
        """Blank a time that lies ahead, and what came with it."""
        if row.get(time) is not None and row[time] < self.day:
            return row
        return {**row, time: None, **dict.fromkeys(others)}

    def _ticket(self, row: Row) -> Row:
        for column in ("first_replied_at", "solved_at", "reopened_at", "closed_at"):
            row = self.blank(row, column)
        row = self.blank(row, "csat_at", "csat")
        return {**row, "solved_at": row["solved_at"] or row["closed_at"]}

    def _survey(self, row: Row) -> Row:
        row = self.blank(self.blank(row, "answered_at", "score"), "sent_at")
        return {**row, "kind": row["kind"].lower()}

    @staticmethod
    def _runs(row: Row, day: datetime) -> bool:
        return row["ended_at"] is None or row["ended_at"] >= day

    def days_since(self, time: datetime) -> float:
        return (self.day - time) / timedelta(days=1)

    def of(self, table: str, account: str) -> list[Row]:
        return [r for r in getattr(self, table) if r["account_id"] == account]

    def uses(self, account: str, days: float, until: float = 0) -> list[Row]:
        """Return the account's use in [date − days, date − until)."""
        return [
            r
            for r in self.of("usage", account)
            if until < self.days_since(r["occurred_at"]) <= days
        ]


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


# ------------------------------------------------------------------------------------ usage


def _windowed(window: int) -> None:
    @oracle(f"usage_active_users_{window}d")
    def users(then: Then, account: str) -> Value:
        return len(_users(then.uses(account, window))) if _named(then, account) else None

    @oracle(f"usage_active_days_{window}d")
    def days(then: Then, account: str) -> Value:
        return _days(then.uses(account, window)) if then.of("usage", account) else None

    @oracle(f"usage_events_{window}d")
    def events(then: Then, account: str) -> Value:
        return _quantity(then.uses(account, window)) if then.of("usage", account) else None


for _window in (7, 28, 90):
    _windowed(_window)
del ORACLES["usage_active_days_7d"]


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


def _trend(then: Then, account: str, now: float, before: float, smoothing: float) -> Value:
    if then.days_since(then.created[account]) < 126 or not then.of("usage", account):
        return None
    return math.log((now + smoothing) / (before + smoothing))


@oracle("usage_events_trend")
def events_trend(then: Then, account: str) -> Value:
    now, before = then.uses(account, 28), then.uses(account, 126, 35)
    return _trend(then, account, _quantity(now) / 4, _quantity(before) / 13, 1.0)


@oracle("usage_users_trend")
def users_trend(then: Then, account: str) -> Value:
    now, before = then.uses(account, 28), then.uses(account, 63, 35)
    if not _named(then, account):
        return None
    return _trend(then, account, len(_users(now)), len(_users(before)), 1.0)


@oracle("usage_active_days_trend")
def active_days_trend(then: Then, account: str) -> Value:
    now, before = then.uses(account, 28), then.uses(account, 126, 35)
    return _trend(then, account, _days(now) / 4, _days(before) / 13, 0.5)


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
    users, contracted = ORACLES["usage_active_users_28d"](then, account), seats(then, account)
    return None if users is None or contracted is None else users / contracted


@oracle("usage_quota_use_30d")
def quota_use(then: Then, account: str) -> Value:
    limits: defaultdict[str, float] = defaultdict(float)
    for row in then.of("all_running", account):
        if row.get("quota") and row.get("quota_event"):
            limits[row["quota_event"]] += row["quota"]
    month = then.uses(account, 30)
    return max(
        (_quantity(r for r in month if r["event"] == e) / q for e, q in limits.items()),
        default=None,
    )


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
    busiest = max((_quantity(own) for own in _by_user(rows).values()), default=0.0)
    return _share(busiest, _quantity(rows)) if _named(then, account) else None


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


# ---------------------------------------------------------------------------------- tickets


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


# ---------------------------------------------------------------------------------- surveys


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


# ------------------------------------------------------------------------------- commercial


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
