"""Golden values of the survey metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest

from features import metrics
from features.survey_scales import SCALES


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


@pytest.mark.parametrize(("kind", "scale"), [(k, s) for k in SCALES for s in SCALES[k]])
def test_every_scale_leaves_good_above_bad(kind: str, scale: str) -> None:
    ends = SCALES[kind][scale]
    assert ends.low <= ends.bad_to < ends.good_from <= ends.high


@pytest.mark.parametrize(
    ("scale", "satisfied", "not_satisfied"),
    [
        ("1-5", 4, 3),
        ("1-3", 3, 2),
        ("good/bad", 1, 0),
        ("1-7", 6, 5),
        ("0-10", 8, 7),
        ("0-100", 80, 79),
    ],
)
def test_satisfied_begins_where_the_scale_says(
    scale: str, satisfied: float, not_satisfied: float
) -> None:
    assert metrics.csat([satisfied, not_satisfied], scale) == 0.5


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(KeyError):
        metrics.csat([3], "1-4")


def test_wilson_interval_of_published_examples() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    good, asked = np.array([81.0, 15, 0, 1, 0]), np.array([263.0, 148, 20, 29, 0])
    ends = metrics.wilson_interval(good, asked)
    assert ends.low[:4].tolist() == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=5e-5)
    assert ends.high[:4].tolist() == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)
    assert math.isnan(ends.low[4])
    assert math.isnan(ends.high[4])


def test_nps_standard_error_is_the_root_of_the_variance_over_the_answers() -> None:
    error = metrics.nps_standard_error(np.array([1 / 2]), np.array([1 / 6]), np.array([6.0]))
    assert error[0] == pytest.approx(math.sqrt(0.5556 / 6), rel=1e-4)


def test_expectation_gap() -> None:
    assert metrics.expectation_gap([6.0], [8.0]) == -2
    assert metrics.expectation_gap([6.0, 9.0], [8.0, 8.0]) == -0.5
    assert math.isnan(metrics.expectation_gap([], []))
