"""What the features of surveys should be."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import mean

from tests.features.company import Row
from tests.features.oracle import ORACLES, Then, Value, oracle

#: By kind and scale: good answers, bad answers, and the ends of the scale.
_NPS = (set(range(9, 11)), set(range(7)), 0, 10)
_SCALES: dict[tuple[str, str | None], tuple[set[int], set[int], int, int]] = {
    ("nps", None): _NPS,
    ("nps", "0-10"): _NPS,
    ("csat", None): ({4, 5}, {1, 2}, 1, 5),
    ("csat", "1-5"): ({4, 5}, {1, 2}, 1, 5),
    ("csat", "1-3"): ({3}, {1}, 1, 3),
    ("csat", "good/bad"): ({1}, {0}, 0, 1),
    ("csat", "1-7"): ({6, 7}, {1, 2, 3}, 1, 7),
    ("csat", "0-10"): ({8, 9, 10}, {0, 1, 2, 3, 4}, 0, 10),
    ("csat", "0-100"): (set(range(80, 101)), set(range(41)), 0, 100),
    ("ces", None): ({5, 6, 7}, {1, 2, 3}, 1, 7),
    ("ces", "1-5"): ({4, 5}, {1, 2}, 1, 5),
}
_LATEST_WITHIN = 365


def _answers(then: Then, account: str, kind: str, days: float, until: float = 0) -> list[Row]:
    """Return the answers of a window: the latest of each person, all that are anonymous."""
    rows = [
        r
        for r in then.of("surveys", account)
        if r["kind"] == kind
        and r.get("score") is not None
        and until < then.days_since(r["answered_at"]) <= days
    ]
    named: dict[object, list[Row]] = {}
    for row in rows:
        if row.get("respondent_id") is not None:
            named.setdefault(row["respondent_id"], []).append(row)
    # Of two answers at once the worse one counts.
    latest = [max(own, key=lambda r: (r["answered_at"], -_points(r))) for own in named.values()]
    return [*latest, *(row for row in rows if row.get("respondent_id") is None)]


def _scale(row: Row) -> tuple[set[int], set[int], int, int]:
    return _SCALES[row["kind"].lower(), row.get("scale")]


def is_good(row: Row) -> bool:
    return row["score"] in _scale(row)[0]


def is_bad(row: Row) -> bool:
    return row["score"] in _scale(row)[1]


def _net(rows: list[Row]) -> Value:
    return 100 * mean(is_good(r) - is_bad(r) for r in rows) if rows else None


def _satisfied(rows: list[Row]) -> Value:
    return mean(is_good(r) for r in rows) if rows else None


def _points(row: Row) -> float:
    """Return the score on the usual scale of its kind."""
    low, high = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}[row["kind"]]
    *_, own_low, own_high = _scale(row)
    return low + (high - low) * (row["score"] - own_low) / (own_high - own_low)


def _ease(rows: list[Row]) -> Value:
    return mean(_points(r) for r in rows) if rows else None


def _of_kind(kind: str, level: str, measure: Callable[[list[Row]], Value]) -> None:
    @oracle(f"surveys_{kind}_latest")
    def latest(then: Then, account: str) -> Value:
        rows = _answers(then, account, kind, _LATEST_WITHIN)
        last = max((r["answered_at"] for r in rows), default=None)
        return min((_points(r) for r in rows if r["answered_at"] == last), default=None)

    @oracle(f"surveys_{level}_180d")
    def now(then: Then, account: str) -> Value:
        return measure(_answers(then, account, kind, 180))

    @oracle(f"surveys_{kind}_trend_180d")
    def trend(then: Then, account: str) -> Value:
        after = measure(_answers(then, account, kind, 180))
        before = measure(_answers(then, account, kind, 360, 180))
        return None if after is None or before is None else after - before


_of_kind("nps", "nps", _net)
_of_kind("csat", "csat", _satisfied)
_of_kind("ces", "ces", _ease)


@oracle("surveys_net_easy_180d")
def net_easy(then: Then, account: str) -> Value:
    return _net(_answers(then, account, "ces", 180))


def _counts(then: Then, account: str, kind: str) -> list[int]:
    """Return good, (of NPS) bad, and other answers."""
    rows = _answers(then, account, kind, 180)
    good, bad = sum(map(is_good, rows)), sum(map(is_bad, rows))
    return [good, bad, len(rows) - good - bad] if kind == "nps" else [good, len(rows) - good]


def _strength(all_counts: list[list[int]]) -> float:
    """Return how many answers the peers count for, worked out from how alike accounts are."""
    answered = [c for c in all_counts if sum(c)]
    total = sum(map(sum, answered))
    repeats = total - len(answered)
    if repeats < 30 or len(answered) < 10:
        return 5.0
    shares = [sum(c[k] for c in answered) / total for k in range(len(answered[0]))]
    spread = sum(p * (1 - p) for p in shares)
    if spread == 0:
        return 100.0
    difference = sum(
        sum(c) * (c[k] / sum(c) - p) ** 2 for c in answered for k, p in enumerate(shares)
    )
    alike = (difference / spread - (len(answered) - 1)) / repeats
    return 100.0 if alike <= 0 else min(max(1 / alike - 1, 1.0), 100.0)


def _shrunk(then: Then, account: str, kind: str) -> tuple[list[float], float] | None:
    """Return the shares drawn to the peers', and the answers they rest on."""
    counts = {a: _counts(then, a, kind) for a in then.accounts}
    own = counts[account]
    if not sum(own):
        return None
    strength = _strength(list(counts.values()))
    segment = then.segments
    peers = [counts[a] for a in then.accounts if segment[a] == segment[account]]
    everybody = list(counts.values())
    shares = []
    for k in range(len(own)):
        fleet = sum(c[k] for c in everybody) / sum(map(sum, everybody))
        of_peers = (sum(c[k] for c in peers) + strength * fleet) / (sum(map(sum, peers)) + strength)
        shares.append((own[k] + strength * of_peers) / (sum(own) + strength))
    return shares, sum(own) + strength


@oracle("surveys_nps_shrunk_180d")
def nps_shrunk(then: Then, account: str) -> Value:
    found = _shrunk(then, account, "nps")
    return 100 * (found[0][0] - found[0][1]) if found else None


def _nps_reach(then: Then, account: str) -> tuple[float, float] | None:
    found = _shrunk(then, account, "nps")
    if found is None:
        return None
    (good, bad, _), weight = found
    error = math.sqrt((good + bad - (good - bad) ** 2) / (weight + 1))
    if sum(bool(sum(_counts(then, a, "nps"))) for a in then.accounts) < 10:
        # Nobody to compare with: no more certainty than the account's own answers give.
        own = _counts(then, account, "nps")
        for more in (0, 1):
            n = sum(own) + 3 * more
            up, down = ((count + more) / n for count in own[:2])
            error = max(error, math.sqrt((up + down - (up - down) ** 2) / n))
    return 100 * (good - bad), 100 * 1.959963984540054 * error


@oracle("surveys_nps_low_180d")
def nps_low(then: Then, account: str) -> Value:
    found = _nps_reach(then, account)
    return max(found[0] - found[1], -100) if found else None


@oracle("surveys_nps_high_180d")
def nps_high(then: Then, account: str) -> Value:
    found = _nps_reach(then, account)
    return min(found[0] + found[1], 100) if found else None


def _share(kind: str, name: str) -> None:
    @oracle(f"surveys_{name}_shrunk_180d")
    def shrunk(then: Then, account: str) -> Value:
        found = _shrunk(then, account, kind)
        return found[0][0] if found else None

    for end, sign in (("low", -1), ("high", 1)):
        _wilson(kind, f"surveys_{name}_{end}_180d", sign)


def _wilson(kind: str, name: str, sign: int) -> None:
    @oracle(name)
    def end(then: Then, account: str) -> Value:
        good, rest = _counts(then, account, kind)
        n, z = good + rest, 1.959963984540054
        if not n:
            return None
        # The root of (share − p)² = z² p (1 − p) ⁄ n.
        a, b, c = n + z * z, -(2 * good + z * z), good * good / n
        return (-b + sign * math.sqrt(max(b * b - 4 * a * c, 0.0))) / (2 * a)


_share("csat", "csat")
_share("ces", "easy")


def _people(then: Then, account: str) -> list[Row]:
    """Return the latest NPS answer of each person."""
    return _answers(then, account, "nps", 180)


@oracle("surveys_detractors_180d")
def detractors(then: Then, account: str) -> Value:
    people = _people(then, account)
    return sum(map(is_bad, people)) if people else None


@oracle("surveys_deciding_detractors_180d")
def deciding_detractors(then: Then, account: str) -> Value:
    deciding = {"executive", "owner", "admin", "champion", "sponsor"}
    people = [r for r in _people(then, account) if (r.get("role") or "").lower() in deciding]
    return sum(map(is_bad, people)) if people else None


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


@oracle("surveys_expectation_gap_180d")
def expectation_gap(then: Then, account: str) -> Value:
    gaps = []
    for kind in ("nps", "csat", "ces"):
        for row in _answers(then, account, kind, 180):
            if row.get("expected") is not None:
                *_, low, high = _scale(row)
                gaps.append(10 * (row["score"] - row["expected"]) / (high - low))
    return mean(gaps) if gaps else None


@oracle("surveys_negative_90d")
def negative(then: Then, account: str) -> Value:
    bad = sum(
        is_bad(r) for kind in ("nps", "csat", "ces") for r in _answers(then, account, kind, 90)
    )
    return min(bad + ORACLES["tickets_badly_rated_90d"](then, account), 2)  # type: ignore[operator]
