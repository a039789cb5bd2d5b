"""Golden values of the survey metrics, by themselves and in the feature table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from features import build_features
from features.definitions import metrics
from features.tables.survey_scales import SCALES
from tests.features.company import DAY, Row, ago, open_tables

Scores = list[float]
#: What was answered, on which scale, and what the feature table says of it.
_GOLDEN: dict[str, tuple[str, str | None, Scores, dict[str, float]]] = {
    "nps of ten": ("nps", None, [9, 10, 9, 10, 9, 7, 8, 7, 0, 6], {"nps": 30.0}),
    "nps of six": ("nps", "0-10", [10, 9, 9, 7, 8, 6], {"nps": 100 / 3}),
    "csat of five": ("csat", None, [3, 4, 5, 5, 2], {"csat": 0.60}),
    "csat on three": ("csat", "1-3", [3, 2, 1, 3], {"csat": 0.5}),
    "csat good or bad": ("csat", "good/bad", [1, 0, 0, 1, 1], {"csat": 0.6}),
    "ces of four": ("ces", None, [7, 6, 5, 2], {"ces": 5.0, "net_easy": 50.0}),
    # Where satisfied begins on each scale.
    "csat top two": ("csat", "1-5", [4, 3], {"csat": 0.5}),
    "csat top of three": ("csat", "1-3", [3, 2], {"csat": 0.5}),
    "csat good": ("csat", "good/bad", [1, 0], {"csat": 0.5}),
    "csat on seven": ("csat", "1-7", [6, 5], {"csat": 0.5}),
    "csat on ten": ("csat", "0-10", [8, 7], {"csat": 0.5}),
    "csat on a hundred": ("csat", "0-100", [80, 79], {"csat": 0.5}),
}
_GAPS: dict[str, tuple[Scores, Scores, float]] = {
    "gap of one": ([6], [8], -2.0),
    "gap of two": ([6, 9], [8, 8], -0.5),
}


def _asked(account: str, kind: str, score: float, **rest: object) -> Row:
    times = {"sent_at": ago(9), "answered_at": ago(8)}
    return {"account_id": account, "kind": kind, "score": score, **times, **rest}


@pytest.fixture(scope="module")
def built() -> pd.DataFrame:
    """Return the features of accounts that each gave the answers of one golden value."""
    surveys = [
        _asked(account, kind, score, scale=scale)
        for account, (kind, scale, scores, _) in _GOLDEN.items()
        for score in scores
    ]
    surveys += [
        _asked(account, "nps", score, expected=expected)
        for account, (scores, expectations, _) in _GAPS.items()
        for score, expected in zip(scores, expectations, strict=True)
    ]
    # One question was not answered.
    surveys.append({**_asked("csat top two", "csat", 0), "answered_at": None, "score": None})
    names = [*_GOLDEN, *_GAPS, "silent"]
    pays = {"product": "core", "started_at": ago(300), "mrr": 80.0}
    rows = {
        "accounts": [{"account_id": name, "created_at": ago(300)} for name in names],
        "subscriptions": [{"account_id": name, **pays} for name in names],
        "surveys": surveys,
    }
    return build_features(open_tables(rows), [DAY]).set_index("account_id")


@pytest.mark.parametrize("account", _GOLDEN)
def test_the_feature_table_has_the_golden_values(account: str, built: pd.DataFrame) -> None:
    for name, value in _GOLDEN[account][-1].items():
        assert built.loc[account, f"surveys_{name}_180d"] == pytest.approx(value)
        assert math.isnan(built.loc["silent", f"surveys_{name}_180d"])


@pytest.mark.parametrize("account", _GAPS)
def test_the_expectation_gap_is_experience_less_expectation(
    account: str, built: pd.DataFrame
) -> None:
    gaps = built["surveys_expectation_gap_180d"]
    assert gaps[account] == pytest.approx(_GAPS[account][-1])
    assert math.isnan(gaps["silent"])


def test_the_response_rate_is_answered_over_sent(built: pd.DataFrame) -> None:
    rate = built["surveys_response_rate_180d"]
    assert rate["csat top two"] == pytest.approx(2 / 3)
    assert rate["ces of four"] == 1
    assert math.isnan(rate["silent"])


def test_nps_of_five_promoters_three_passives_two_detractors() -> None:
    assert metrics.nps([9, 10, 9, 10, 9, 7, 8, 7, 0, 6]) == pytest.approx(30.0)


def test_nps_of_a_half_a_third_and_a_sixth() -> None:
    assert metrics.nps([10, 9, 9, 7, 8, 6]) == pytest.approx(100 / 3)


def test_ces_is_a_mean() -> None:
    assert metrics.ces([7, 6, 5, 2]) == pytest.approx(5.0)


@pytest.mark.parametrize("metric", [metrics.nps, metrics.ces])
def test_no_answer_is_no_figure(metric: object) -> None:
    assert callable(metric)
    assert math.isnan(metric([]))


@pytest.mark.parametrize(("kind", "scale"), [(k, s) for k in SCALES for s in SCALES[k]])
def test_every_scale_leaves_good_above_bad(kind: str, scale: str) -> None:
    ends = SCALES[kind][scale]
    assert ends.low <= ends.bad_to < ends.good_from <= ends.high


def test_wilson_interval_of_published_examples() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    good, asked = np.array([81.0, 15, 0, 1, 0]), np.array([263.0, 148, 20, 29, 0])
    ends = metrics.wilson_interval(good, asked)
    assert ends.low[:4].tolist() == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=5e-5)
    assert ends.high[:4].tolist() == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)
    assert math.isnan(ends.low[4])
    assert math.isnan(ends.high[4])


def test_nps_variance_of_a_half_a_third_and_a_sixth() -> None:
    error = metrics.nps_standard_error(np.array([1 / 2]), np.array([1 / 6]), np.array([6.0]))
    assert 6 * error[0] ** 2 == pytest.approx(0.5556, abs=5e-5)
