"""What the features of the contract should be."""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from statistics import median

from tests.features.company import Row
from tests.features.oracle import Then, Value, oracle

_INSTANT = timedelta(microseconds=1)


def _spans(then: Then, account: str) -> list[tuple[datetime, datetime | None, Row]]:
    """Return start, end and row of each paid row: a continued one ends when the next starts."""
    return [(r["started_at"], then.effective_end(r), r) for r in then.of("paid", account)]


def _level(then: Then, account: str, column: str, at: datetime) -> float:
    """Return what was paid, or how many seats, just before a moment."""
    return sum(
        r.get(column) or 0.0
        for start, end, r in _spans(then, account)
        if start < at and (end is None or end >= at)
    )


def _change(then: Then, account: str, column: str, days: int) -> Value:
    before = _level(then, account, column, then.day - timedelta(days=days))
    return _level(then, account, column, then.day) / before - 1 if before else None


def _moments(then: Then, account: str) -> list[tuple[datetime, float, float]]:
    """Return each moment at which MRR changed, with what was paid before and after it."""
    spans = _spans(then, account)
    times = {start for start, _, _ in spans} | {end for _, end, _ in spans if end}
    found = []
    for at in sorted(t for t in times if t < then.day):
        before, after = (_level(then, account, "mrr", t) for t in (at, at + _INSTANT))
        if before != after:
            found.append((at, before, after))
    return found


def _movements(then: Then, account: str, kind: str) -> list[float]:
    """Return the amounts of one kind of movement in 180 days; a pause under 30 days is none."""
    moments, amounts = _moments(then, account), []
    paid = 0.0
    ever = False
    for number, (at, _, after) in enumerate(moments):
        if after == 0:
            again = moments[number + 1][0] if number + 1 < len(moments) else None
            if again is not None and again - at < timedelta(days=30):
                continue
            found, amount, paid = "churn", paid, 0.0
        elif paid == 0:
            found, amount, paid = "reactivation" if ever else "new", after, after
        else:
            found = "expansion" if after > paid else "contraction" if after < paid else ""
            amount, paid = abs(after - paid), after
        ever = True
        if found == kind and then.days_since(at) <= 180:
            amounts.append(amount)
    return amounts


def _moved(kind: str) -> None:
    @oracle(f"mrr_{kind}_180d")
    def amount(then: Then, account: str) -> Value:
        return sum(_movements(then, account, kind))


for _kind in ("new", "expansion", "contraction", "churn", "reactivation"):
    _moved(_kind)


@oracle("expansions_180d")
def expansions(then: Then, account: str) -> Value:
    return len(_movements(then, account, "expansion"))


@oracle("contractions_180d")
def contractions(then: Then, account: str) -> Value:
    return len(_movements(then, account, "contraction"))


@oracle("billing_changes_365d")
def billing_changes(then: Then, account: str) -> Value:
    spans = _spans(then, account)

    def held(at: datetime) -> list[tuple[object, ...]]:
        """Return what is held just before a moment, alike rows summed up."""
        sums: Counter[tuple[object, ...]] = Counter()
        for start, end, r in spans:
            if start < at and (end is None or end >= at):
                terms = (r["product"], r.get("plan"), r.get("billing_months"))
                for what, value in (("mrr", r["mrr"]), ("seats", r.get("seats") or 0.0), ("n", 1)):
                    sums[*terms, what] += value
        return sorted(sums.items(), key=str)

    times = {start for start, _, _ in spans} | {end for _, end, _ in spans if end}
    recent = [t for t in times if t < then.day and then.days_since(t) <= 365]
    pairs = [(held(t), held(t + _INSTANT)) for t in recent]
    return sum(bool(before) and bool(after) and before != after for before, after in pairs)


@oracle("tenure_days")
def tenure(then: Then, account: str) -> Value:
    return math.floor(then.days_since(then.created[account]))


@oracle("tenure_first_year_days")
def first_year(then: Then, account: str) -> Value:
    return min(math.floor(then.days_since(then.created[account])), 365)


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


def _term(row: Row) -> timedelta:
    term: timedelta = row["renews_at"] - row["started_at"]
    return term


@oracle("days_to_renewal")
def to_renewal(then: Then, account: str) -> Value:
    rows = [r for r in _ahead(then, account) if _term(r) > timedelta(days=35)]
    return min((-then.days_since(r["renews_at"]) for r in rows), default=None)


@oracle("days_to_term_end")
def to_term_end(then: Then, account: str) -> Value:
    return min((-then.days_since(r["renews_at"]) for r in _ahead(then, account)), default=None)


@oracle("contract_months")
def contract(then: Then, account: str) -> Value:
    rows = _ahead(then, account)
    if not rows:
        return None
    most = max(r["mrr"] for r in rows)
    terms = [_term(r) for r in rows if r["mrr"] == most]
    days = min(terms) / timedelta(days=1)
    return round(days / 365.25 * 12, 1 if days < 21 else 0)


@oracle("price_per_seat")
def price(then: Then, account: str) -> Value:
    contracted, paid = seats(then, account), mrr(then, account)
    return paid / contracted if contracted and paid is not None else None


@oracle("price_per_seat_change_365d")
def price_change(then: Then, account: str) -> Value:
    a_year_ago = then.day - timedelta(days=365)
    paid, held = (_level(then, account, c, a_year_ago) for c in ("mrr", "seats"))
    now = price(then, account)
    return now / (paid / held) - 1 if now is not None and paid and held else None


def _unit_prices(then: Then) -> dict[tuple[object, object], dict[str, tuple[float, float]]]:
    """Return by product and plan what each account pays, and for how many seats."""
    found: dict[tuple[object, object], dict[str, tuple[float, float]]] = {}
    for row in then.running:
        if row.get("seats"):
            deal = found.setdefault((row["product"], row.get("plan")), {})
            paid, held = deal.get(row["account_id"], (0.0, 0.0))
            deal[row["account_id"]] = (paid + row["mrr"], held + row["seats"])
    return found


@oracle("price_vs_peers")
def price_vs_peers(then: Then, account: str) -> Value:
    paid = usual = 0.0
    for accounts in _unit_prices(then).values():
        if account in accounts and len(accounts) >= 5:
            middle = median(mrr / seats for mrr, seats in accounts.values())
            paid += accounts[account][0]
            usual += accounts[account][1] * middle
    return paid / usual - 1 if usual else None


@oracle("discount_share")
def discount(then: Then, account: str) -> Value:
    rows = [r for r in then.of("running", account) if r.get("list_mrr")]
    return 1 - sum(r["mrr"] for r in rows) / sum(r["list_mrr"] for r in rows) if rows else None


@oracle("billing_months")
def billing_months(then: Then, account: str) -> Value:
    rows = [r for r in then.of("running", account) if r.get("billing_months")]
    paid = sum(r["mrr"] for r in rows)
    return sum(r["mrr"] * r["billing_months"] for r in rows) / paid if rows else None


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
