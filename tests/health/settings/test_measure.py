"""Measures: every shape of curve, percentiles among peers, what a missing value does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from health.scorecard.points import curve_points
from health.scorecard.score import HealthScores, score_health
from health.settings.measure import Component, Measure
from health.settings.scorecard import Scorecard

NPS, RECENCY = "surveys_nps_latest", "usage_recency_days"


def _points(values: list[float], **shape: Any) -> list[float]:
    return curve_points(np.array(values), Measure(feature=NPS, **shape)).tolist()


def _card(*measures: Measure) -> Scorecard:
    every = Component(name="all", weight=1, measures=measures)
    return Scorecard(components=(every,), minimum_coverage=0)


def test_a_curve_is_straight_between_its_corners_and_flat_outside() -> None:
    assert _points([-1, 0, 5, 10, 11], curve=((0, 10), (10, 90))) == [10, 10, 50, 90, 90]


def test_worst_and_best_may_run_either_way() -> None:
    assert _points([0, 5, 10], worst=0, best=10) == [0, 50, 100]
    assert _points([0, 5, 10], worst=10, best=0) == [100, 50, 0]


def test_a_band_begins_exactly_at_its_value() -> None:
    got = _points([-3, 6.999, 7, 8.999, 9, 10], bands=((0, 0), (7, 60), (9, 100)))
    assert got == [0, 0, 60, 60, 100, 100]


def test_percentiles_are_read_among_peers_of_the_same_date() -> None:
    frame = pd.DataFrame(
        {
            NPS: [1, 2, 3, 4, 5, 10, 20, 30, 40, 50, np.nan, 9.0],
            "segment": ["SMB"] * 5 + ["Enterprise"] * 6 + ["SMB"],
            "as_of": pd.to_datetime(["2026-06-07"] * 11 + ["2026-06-14"]),
        }
    )
    scores = score_health(frame, _card(Measure(feature=NPS, percentile=True)))
    assert scores.score.tolist()[:10] == [0, 25, 50, 75, 100] * 2
    assert np.isnan(scores.score[10])
    assert scores.score[11] == 50


def test_ties_share_a_percentile_and_few_peers_are_read_against_all() -> None:
    frame = pd.DataFrame(
        {NPS: [1, 1, 3, 3, 9, 5.0], "segment": ["SMB"] * 5 + ["Enterprise"]}, dtype=object
    ).astype({NPS: float})
    scores = score_health(frame, _card(Measure(feature=NPS, percentile=True)))
    assert scores.score.tolist() == [12.5, 12.5, 62.5, 62.5, 100, 80]


def test_a_percentile_turns_round_where_less_is_healthier() -> None:
    frame = pd.DataFrame({RECENCY: [0, 1, 2, 3, 40.0]})
    assert score_health(frame, _card(Measure(feature=RECENCY, percentile=True))).score[4] == 0
    ceiling = Measure(feature=RECENCY, percentile=True, curve=((0, 80), (100, 20)))
    assert score_health(frame, _card(ceiling)).score.tolist() == [80, 65, 50, 35, 20]


def _one_missing(policy: str) -> HealthScores:
    frame = pd.DataFrame({NPS: [np.nan], RECENCY: [2.0]})
    card = _card(
        Measure(feature=NPS, weight=3, curve=((0, 20), (10, 100)), missing=policy),  # type: ignore[arg-type]
        Measure(feature=RECENCY, bands=((0, 80), (7, 0))),
    )
    return score_health(frame, card)


@pytest.mark.parametrize(
    ("policy", "score"), [("reweigh", 80), ("neutral", (3 * 50 + 80) / 4), ("worst", 35)]
)
def test_a_missing_measure_counts_as_its_policy_says(policy: str, score: float) -> None:
    scores = _one_missing(policy)
    assert scores.score[0] == pytest.approx(score)
    # Whatever it counts as, there was no data.
    assert scores.coverage[0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({}, "give one of: curve"),
        ({"worst": 3}, "worst and best go together"),
        ({"worst": 3, "best": 3}, "worst and best go together"),
        ({"curve": [(0, 0), (1, 1)], "worst": 0, "best": 1}, "give one of: curve"),
        ({"bands": [(1, 0), (0, 100)]}, "by rising value"),
        ({"percentile": True, "worst": 0, "best": 1}, "a percentile takes curve or bands"),
    ],
)
def test_a_measure_has_one_shape(shape: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Measure(feature=NPS, **shape)


def test_a_percentile_of_what_is_neither_good_nor_bad_needs_a_curve() -> None:
    with pytest.raises(ValidationError, match="neither more nor less"):
        Measure(feature="mrr", percentile=True)
