from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from models.base.inputs import ModelInputError
from models.churn.leakage import leakage_suspects
from models.evaluation.classification import evaluate


def drawn(n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 4, n)
    return (rng.random(n) < p).astype(int), p


@pytest.mark.parametrize("decimals", [9, 1])
def test_the_usual_figures_are_scikit_learns(decimals: int) -> None:
    y, p = drawn()
    p = np.clip(np.round(p, decimals), 0.01, 0.99)
    result = evaluate(y, p)
    assert result.auc.value == pytest.approx(metrics.roc_auc_score(y, p))
    assert result.average_precision.value == pytest.approx(metrics.average_precision_score(y, p))
    assert result.brier.value == pytest.approx(metrics.brier_score_loss(y, p))
    assert result.log_loss.value == pytest.approx(metrics.log_loss(y, p))
    assert result.auc.low < result.auc.value < result.auc.high


def test_lists_by_hand() -> None:
    y = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0] * 2)
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05] * 2)
    once = evaluate(y, p, capacity=3)
    # The three first are both 0.9s, and one of the two 0.8s.
    assert once.precision_at_capacity.value == pytest.approx(2 / 3)
    assert once.recall_at_capacity.value == pytest.approx(2 / 4)
    weekly = evaluate(y, p, capacity=3, times=np.repeat([1, 2], 10))
    assert weekly.precision_at_capacity.value == pytest.approx(4 / 6)
    assert weekly.recall_at_capacity.value == 1
    # Both 0.9s are the tenth: all events, against a base rate of a fifth.
    assert once.lift_top_decile.value == pytest.approx(5)


def test_a_constant_gains_nothing_in_any_order_of_rows() -> None:
    y = np.r_[np.ones(20), np.zeros(80)]
    result = evaluate(y, np.full(100, 0.3), capacity=10)
    assert result.auc.value == 0.5
    assert result.lift_top_decile.value == pytest.approx(1)
    assert result.precision_at_capacity.value == pytest.approx(0.2)
    assert result.calibration_error.value == pytest.approx(0.1)
    assert len(result.reliability) == 1


def test_reliability_by_hand() -> None:
    y, p = drawn(1000)
    result = evaluate(y, p)
    order = np.argsort(p)
    assert [b.rows for b in result.reliability] == [100] * 10
    errors = []
    for found, chosen in zip(result.reliability, np.split(order, 10), strict=True):
        assert found.mean_probability == pytest.approx(p[chosen].mean())
        assert found.observed_rate == pytest.approx(y[chosen].mean())
        errors.append(abs(p[chosen].mean() - y[chosen].mean()))
    assert result.calibration_error.value == pytest.approx(np.mean(errors))


def test_accounts_are_resampled_not_rows() -> None:
    y, p = drawn(300)
    alone = evaluate(y, p, n_resamples=400)
    copied = evaluate(
        np.tile(y, 5), np.tile(p, 5), groups=np.tile(np.arange(300), 5), n_resamples=400
    )
    assert copied.accounts == 300
    assert copied.auc.high - copied.auc.low == pytest.approx(
        alone.auc.high - alone.auc.low, rel=0.2
    )


def test_the_same_seed_gives_the_same_interval() -> None:
    y, p = drawn()
    assert evaluate(y, p, seed=3) == evaluate(y, p, seed=3)
    assert evaluate(y, p, seed=3).auc != evaluate(y, p, seed=4).auc


def test_ranking_by_something_else_leaves_the_calibration() -> None:
    y, p = drawn()
    turned = evaluate(y, p, rank_by=-p)
    plain = evaluate(y, p)
    assert turned.auc.value == pytest.approx(1 - plain.auc.value)
    assert turned.calibration_error == plain.calibration_error
    assert turned.reliability == plain.reliability


def test_without_events_a_figure_is_none_in_json() -> None:
    result = evaluate(np.zeros(50), np.full(50, 0.1))
    found_values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert found_values["auc"] == {"value": None, "low": None, "high": None}
    assert found_values["brier"]["value"] == pytest.approx(0.01)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(0, 4), st.integers(0, 2)),
        min_size=1,
        max_size=40,
    )
)
def test_figures_stay_in_their_ranges(cells: list[tuple[int, float, int, int]]) -> None:
    y, p, groups, times = map(np.array, zip(*cells, strict=True))
    result = evaluate(y, p, groups=groups, times=times, capacity=3, n_resamples=20)
    for name in ("auc", "average_precision", "brier", "calibration_error"):
        value = getattr(result, name).value
        assert np.isnan(value) or -1e-9 <= value <= 1 + 1e-9
    for name in ("precision_at_capacity", "recall_at_capacity"):
        assert not getattr(result, name).value > 1 + 1e-9
    assert sum(b.rows for b in result.reliability) == len(y)


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 2], [0.1, 0.2], "other than 0 and 1"),
        ([0, 1], [0.1, 1.2], "outside 0-1"),
        ([0, 1], [0.1, np.nan], "outside 0-1"),
        ([0, 1], [0.1], "shape"),
        ([], [], "no rows"),
    ],
)
def test_bad_input(y: Any, p: Any, message: str) -> None:
    with pytest.raises(ModelInputError, match=message):
        evaluate(y, p)


def test_leaks_are_named() -> None:
    y, p = drawn()
    X = pd.DataFrame(
        {
            "honest": p,
            "leak": -y + 0.1 * p,
            "reason": np.where(y == 1, "left", "stays"),
            "ended_at": np.where(y == 1, 5.0, np.nan),
            "account": [f"a{i}" for i in range(len(y))],
            "never": np.nan,
        }
    )
    assert {s.feature for s in leakage_suspects(X, y)} == {"leak", "reason", "ended_at"}
    assert leakage_suspects(X[["honest"]], y, threshold=0.6)[0].auc == pytest.approx(
        metrics.roc_auc_score(y, p)
    )
