"""Golden values of the survey metrics."""

from __future__ import annotations

import math

import pytest

from features import metrics


def test_nps_of_five_promoters_three_passives_two_detractors() -> None:
    assert metrics.nps([9, 10, 9, 10, 9, 7, 8, 7, 0, 6]) == pytest.approx(30.0)


def test_nps_variance() -> None:
    assert metrics.nps_variance(1 / 2, 1 / 6) == pytest.approx(0.5556, abs=5e-5)


def test_nps_of_a_half_a_third_and_a_sixth() -> None:
    assert metrics.nps([10, 9, 9, 7, 8, 6]) == pytest.approx(100 / 3)


def test_csat_is_the_share_of_the_top_two_boxes() -> None:
    assert metrics.csat([3, 4, 5, 5, 2]) == pytest.approx(0.60)


@pytest.mark.parametrize(
    ("scale", "scores", "share"),
    [("1-3", [3, 2, 1, 3], 0.5), ("good/bad", [1, 0, 0, 1, 1], 0.6)],
)
def test_csat_knows_its_scale(scale: str, scores: list[float], share: float) -> None:
    assert metrics.csat(scores, scale) == pytest.approx(share)


def test_ces_and_net_easy() -> None:
    assert metrics.ces([7, 6, 5, 2]) == pytest.approx(5.0)
    assert metrics.net_easy([7, 6, 5, 2]) == pytest.approx(50.0)


@pytest.mark.parametrize("metric", [metrics.nps, metrics.csat, metrics.ces, metrics.net_easy])
def test_no_answer_is_no_figure(metric: object) -> None:
    assert callable(metric)
    assert math.isnan(metric([]))


def test_every_scale_leaves_satisfied_above_dissatisfied() -> None:
    assert metrics.SATISFIED_FROM.keys() == metrics.DISSATISFIED_TO.keys()
    for scale, least in metrics.SATISFIED_FROM.items():
        assert metrics.DISSATISFIED_TO[scale] < least
