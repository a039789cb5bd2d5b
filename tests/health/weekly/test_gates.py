"""Gates: what stops a run, and what is only said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from features.errors import HealthError
from features.reading.source import TableSummary
from health.business.feature_table import FeatureTable
from health.reasons.reasons import contribution_sums
from health.settings.weekly import GatesConfig
from health.training.reference import reference_ranges
from health.weekly.gates import Gate, accept, check_counts, refuse_unknown_gates
from health.weekly.shift_gates import Before, drift_of, drift_warnings, shift_gates
from health.weekly.stability import chance_index, stability_index
from health.weekly.table_gates import freshness_gates, row_gates

DAY = datetime(2026, 11, 1)
CONFIG = GatesConfig()


def _failed(gates: list[Gate]) -> list[str]:
    return [gate.name for gate in gates if not gate.passed]


# Row counts and freshness


def test_a_table_that_shrank_or_doubled_fails_and_growth_does_not() -> None:
    earlier = [{"usage": n, "tickets": 100} for n in (900, 1000, 1100, 1200)]
    assert not _failed(row_gates({"usage": 1300, "tickets": 101}, earlier, CONFIG))
    shrunk = row_gates({"usage": 900, "tickets": 100}, earlier, CONFIG)
    assert _failed(shrunk) == ["rows of usage"]
    assert "900 rows, 14% fewer than the 1,050 of the last 4 runs" in shrunk[1].what
    assert _failed(row_gates({"usage": 2200, "tickets": 100}, earlier, CONFIG)) == ["rows of usage"]


def test_a_table_that_is_not_given_any_more_fails() -> None:
    gates = row_gates({"usage": 100}, [{"usage": 100, "tickets": 40}], CONFIG)
    assert _failed(gates) == ["rows of tickets"]
    assert "is missing" in gates[0].what


def test_the_first_run_has_nothing_to_compare_rows_with() -> None:
    assert row_gates({"usage": 5}, [], CONFIG) == []


def _summary(table: str, rows: int, first_days: float, last_days: float) -> TableSummary:
    times = [DAY - timedelta(days=days) for days in (first_days, last_days)]
    return TableSummary(table, f"{table}.csv", rows, *times, (), ())


def test_freshness_follows_the_usual_gap_between_rows() -> None:
    silent = [
        _summary("usage", 10_000, 365, 8.5),
        # A ticket every five days: three weeks without one are nothing.
        _summary("tickets", 70, 350, 21),
        _summary("surveys", 10, 365, 90),
    ]
    assert _failed(freshness_gates(silent, DAY, CONFIG)) == ["freshness of usage"]
    own = GatesConfig(freshness_days={"tickets": 14, "surveys": 100, "usage": 9})
    assert _failed(freshness_gates(silent, DAY, own)) == ["freshness of tickets"]


def test_a_past_date_is_not_stale_because_rows_came_later() -> None:
    later = [_summary("usage", 1000, 300, -40)]
    assert not _failed(freshness_gates(later, DAY, CONFIG))


# The stability index


def test_stability_index_golden_value() -> None:
    # (0.6-0.5) ln(0.6/0.5) + (0.4-0.5) ln(0.4/0.5) = 0.018232 + 0.022314
    assert stability_index([0.6, 0.4], [0.5, 0.5], least=1e-4) == pytest.approx(0.040547, abs=1e-6)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(lambda c: sum(c) > 0))
def test_stability_index_is_zero_of_itself_and_symmetric(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    even = np.full(len(shares), 1 / len(shares))
    assert stability_index(shares, shares, least=1e-3) == pytest.approx(0.0)
    present = stability_index(shares, even, least=1e-3)
    assert present >= 0
    assert present == pytest.approx(stability_index(even, shares, least=1e-3))


def test_chance_alone_stays_below_the_limit() -> None:
    random = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    over = 0
    for _ in range(500):
        now, then = (random.multinomial(n, shares) / n for n in (300, 500))
        over += stability_index(now, then, least=0.5 / 300) > chance_index(10, 300, 500)
    assert over <= 5


# A run against training and the run before


def _week(count: int = 400, seed: int = 0, shift: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    features = pd.DataFrame(
        {f"usage_{i}": random.normal(size=count) - shift for i in range(12)}
        | {f"tickets_{i}": random.normal(size=count) for i in range(8)}
    )
    health = np.clip(60 + 8 * random.normal(size=count) - 10 * shift, 0, 100)
    scores = pd.DataFrame(
        {
            "account_id": [f"A{i}" for i in range(count)],
            "health_score": health,
            "health_band": pd.cut(health, [-1, 50, 75, 101], right=False, labels=False),
            "health_coverage": 0.9,
            "churn_probability": 1 / (1 + np.exp(3 + features["usage_0"])),
        }
    )
    scores["health_band"] = scores["health_band"].map({0: "red", 1: "yellow", 2: "green"})
    return features, scores


def _manifest() -> dict[str, object]:
    features, scores = _week(2000, seed=5)
    return {
        "rows": {"accounts": 500},
        "feature_ranges": reference_ranges(features),
        "score_ranges": {"churn": reference_ranges(scores)["churn_probability"]},
    }


def _drift_of(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    manifest: dict[str, object],
    before: Before | None,
    **more: Any,
) -> pd.DataFrame:
    return drift_of(FeatureTable(features), scores, manifest, CONFIG, before, **more)


def _drift(week: tuple[pd.DataFrame, pd.DataFrame], before: Before | None) -> pd.DataFrame:
    everyone = pd.Series(True, index=week[0].index)
    return _drift_of(*week, _manifest(), before, learned=everyone)


def _gates(now: tuple[pd.DataFrame, pd.DataFrame], before: Before | None) -> list[Gate]:
    drift = _drift(now, before)
    return shift_gates(now[1], drift, CONFIG, before)


def _before(week: tuple[pd.DataFrame, pd.DataFrame]) -> Before:
    return Before(week[1], _drift(week, None))


def test_a_week_like_the_others_passes() -> None:
    first = _week()
    assert not _failed(_gates(first, None))
    second = (first[0] + 0.05, first[1])
    assert not _failed(_gates(second, _before(first)))


def test_a_fleet_that_moves_at_once_is_said_to_be_one() -> None:
    first = _week()
    now = _week(shift=1.5)
    gates = {gate.code: gate for gate in _gates(now, _before(first)) if not gate.passed}
    assert {"feature_drift", "score_drift", "bands_moved", "fleet_shift"} <= set(gates)
    assert "12 of 20 features" in gates["feature_drift"].what
    for code in ("bands_moved", "fleet_shift"):
        assert "a fleet-wide shift" in gates[code].what
        assert "in usage" in gates[code].what
        assert "tickets" not in gates[code].what
    assert gates["fleet_shift"].figures["median_change"] == pytest.approx(-15, abs=0.5)


def test_a_slow_drift_from_training_is_said_and_stops_nothing() -> None:
    first, now = _week(shift=1.5), _week(shift=1.55)
    gates = _gates(now, _before(first))
    assert not _failed(gates)
    drift = _drift(now, _before(first))
    assert "retrain" in drift_warnings(drift)[0]
    assert "usage_" in drift_warnings(drift)[0]


def test_the_first_run_is_compared_with_training_alone() -> None:
    assert _failed(_gates(_week(shift=1.5), None)) == [
        "drift of features",
        "drift of the churn probability",
    ]


def test_a_first_run_is_a_step_away_from_the_newest_date_that_was_learnt_from() -> None:
    # A company that has changed over the years: its newest date lies off the average.
    old, new = _week(2000, seed=5), _week(400, seed=6, shift=1.5)
    features = pd.concat([old[0], new[0]], ignore_index=True)
    scores = pd.concat([old[1], new[1]], ignore_index=True)[["churn_probability"]]
    dates = pd.Series(np.where(features.index >= 2000, 1, 0))
    manifest = {
        "rows": {"accounts": 500},
        "feature_ranges": reference_ranges(features, dates),
        "score_ranges": {"churn": reference_ranges(scores, dates)["churn_probability"]},
    }
    failed = {}
    for shift in (1.5, 3.0):
        now = _week(shift=shift)
        everyone = pd.Series(True, index=now[0].index)
        drift = _drift_of(*now, manifest, None, learned=everyone)
        failed[shift] = _failed(shift_gates(now[1], drift, CONFIG, None))
    assert failed[1.5] == []
    assert failed[3.0] == ["drift of features", "drift of the churn probability"]


def _shares_of_a_fleet(wholes: list[int], accounts: int = 100) -> pd.DataFrame:
    """Shares of a whole that all accounts have in common, and that changes between dates."""
    random = np.random.default_rng(3)
    parts = random.binomial(10, 0.5, accounts)
    return pd.concat(
        [
            pd.DataFrame({"usage_share": parts / whole, "usage_plain": parts + 0.0, "as_of": date})
            for date, whole in enumerate(wholes)
        ],
        ignore_index=True,
    )


def test_a_small_fleet_whose_common_number_changes_has_not_drifted() -> None:
    learned = _shares_of_a_fleet([12, 13, 14, 13, 12, 13, 13, 12])
    columns = ["usage_share", "usage_plain"]
    ranges = reference_ranges(learned[columns], learned["as_of"])
    assert ranges["usage_share"]["usual_step"] > 1 > ranges["usage_plain"]["usual_step"]
    scores = _week(100)[1]
    failed = {}
    for name, now in {
        "another whole": _shares_of_a_fleet([14]),
        "broken": _shares_of_a_fleet([12]).assign(usage_plain=0.0),
    }.items():
        manifest = {"rows": {"accounts": 100}, "feature_ranges": ranges}
        everyone = pd.Series(True, index=now.index)
        drift = _drift_of(now[columns], scores, manifest, None, learned=everyone)
        failed[name] = _failed(shift_gates(scores, drift, CONFIG, None))
    assert failed == {"another whole": [], "broken": ["drift of features"]}


def test_what_may_move_grows_with_the_weeks_between() -> None:
    week = _week(shift=1.5)
    everyone = pd.Series(True, index=week[0].index)
    limits = {}
    for weeks in (0.0, 1.0, 4.0):
        drift = _drift_of(*week, _manifest(), None, learned=everyone, weeks=weeks)
        limits[weeks] = drift.loc[drift["kind"] == "score", ["limit", "limit_before"]].iloc[0]
    assert limits[0.0]["limit_before"] == limits[1.0]["limit_before"] == limits[1.0]["limit"]
    assert limits[4.0]["limit"] == limits[1.0]["limit"]
    grown = limits[4.0]["limit_before"] - limits[1.0]["limit_before"]
    assert grown == pytest.approx(3 * CONFIG.score_psi)


def test_bands_that_move_both_ways_are_no_fleet() -> None:
    features, scores = _week()
    bands = np.resize(["red", "green"], len(scores))
    moved = scores.assign(health_band=bands)
    gate = next(g for g in _gates((features, moved), _before((features, scores))) if not g.passed)
    assert gate.code == "bands_moved"
    assert "fleet-wide" not in gate.what


def test_few_accounts_that_move_are_no_shift() -> None:
    features, scores = _week(count=8)
    now = scores.assign(health_band=["red"] * 4 + list(scores["health_band"][4:]))
    gates = _gates((features, now), _before((features, scores)))
    assert "bands that moved" not in _failed(gates)


def test_coverage_that_falls_and_accounts_without_a_score() -> None:
    features, scores = _week()
    poor = scores.assign(health_coverage=0.7)
    poor.loc[:250, "health_score"] = np.nan
    failed = _failed(_gates((features, poor), _before((features, scores))))
    assert {"coverage", "accounts are scored"} <= set(failed)


def test_another_scorecard_is_not_compared() -> None:
    before = Before(_week()[1], None, "not compared: the scorecard has changed")
    gates = _gates(_week(shift=0.0), before)
    assert gates[-1].what.startswith("not compared")
    assert not _failed(gates)


# Figures, and what may be accepted


def test_contributions_that_do_not_sum_fail_whatever_is_accepted() -> None:
    scores = pd.DataFrame({"account_id": ["A", "B"], "health_score": [60.0, 40.0]}).assign(
        health_coverage=0.9,
        churn_probability=np.nan,
        upsell_probability=np.nan,
        cross_sell_probability=np.nan,
    )
    reasons = pd.DataFrame(
        {"account_id": ["A", "B"], "output": "health", "contribution": [60.0, 39.0]}
    )
    gates = check_counts(scores, contribution_sums([reasons], scores["account_id"]))
    assert _failed(gates) == ["health contributions sum"]
    assert _failed(accept(gates, ["fleet_shift"])) == ["health contributions sum"]


@pytest.mark.parametrize(
    ("log_odds", "off"), [(40.0, 0.0), (18.0, 0.0), (-40.0, 0.0), (3.0, 0.0), (3.0, 1e-4)]
)
def test_a_probability_next_to_certainty_equals_its_sum(log_odds: float, off: float) -> None:
    scores = pd.DataFrame({"account_id": ["A", "B"], "health_score": np.nan}).assign(
        health_coverage=0.9,
        churn_probability=expit([log_odds, 0.0]),
        upsell_probability=np.nan,
        cross_sell_probability=np.nan,
    )
    reasons = pd.DataFrame(
        {"account_id": ["A", "B"], "output": "churn", "contribution": [log_odds + off, 0.0]}
    )
    # Warnings are errors: none reaches the operator.
    gates = check_counts(scores, contribution_sums([reasons], scores["account_id"]))
    assert _failed(gates) == (["churn contributions sum"] if off else [])


def test_a_gate_that_was_accepted_passes_and_says_so() -> None:
    gate = Gate("rows", "rows of usage", False, "half")
    accepted = accept([gate], ["rows"])[0]
    assert accepted.passed
    assert accepted.accepted
    assert not accept([gate], ["coverage"])[0].passed
    with pytest.raises(HealthError, match="sums") as raised:
        refuse_unknown_gates(["rows", "sums"])
    assert "choose from rows" in str(raised.value)


def test_without_usage_the_share_of_accounts_without_a_score_has_no_limit() -> None:
    features, scores = _week(100)
    scores["health_score"] = np.nan
    drift = _drift((features, scores), None)
    refused, passed = (
        next(
            g
            for g in shift_gates(scores, drift, CONFIG, None, few_scores=why)
            if g.code == "unscored"
        )
        for why in ("", "there is no usage")
    )
    assert not refused.passed and "at most 50%" in refused.what
    assert passed.passed and "there is no usage" in passed.what
