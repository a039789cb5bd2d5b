"""Curves of several models on the same follow_up, and what was known of follow_up on a date."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import concordance, integrated_brier_score
from models.base.inputs import ModelInputError
from models.survival.comparison import compare_curves, landmark_follow_up

TIMES = np.array([60.0, 120.0, 180.0, 240.0])


def _lives(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exponential follow_up with a hazard of their own, followed for 300 days."""
    rng = np.random.default_rng(0)
    hazard = rng.choice([1 / 1500, 1 / 150], n)
    time = rng.exponential(1 / hazard)
    return np.minimum(time, 300.0), (time < 300).astype(float), hazard


def test_figures_are_those_of_the_single_measures_and_the_truth_wins() -> None:
    time, died, hazard = _lives()
    true = np.exp(-hazard[:, None] * TIMES)
    flat = np.tile(true.mean(axis=0), (len(time), 1))
    found = compare_curves(time, died, {"flat": flat, "true": true}, TIMES)
    result = found["true"]
    assert result.concordance.value == pytest.approx(concordance(time, hazard, died), abs=1e-6)
    assert result.integrated_brier.value == pytest.approx(
        integrated_brier_score(time, died, true, TIMES), abs=1e-6
    )
    assert found["flat"].concordance.value == 0.5
    assert result.concordance_against_first.low > 0
    assert result.integrated_brier_against_first.high < 0
    assert result.concordance.low < result.concordance.value < result.concordance.high


@pytest.mark.slow
def test_of_very_many_accounts_some_are_drawn_and_the_same_each_time() -> None:
    time, died, hazard = _lives(4000)
    curves = {"true": np.exp(-hazard[:, None] * TIMES)}
    one, two = (compare_curves(time, died, curves, TIMES, n_resamples=5, seed=3) for _ in range(2))
    assert one == two
    assert one["true"].concordance.value == pytest.approx(concordance(time, hazard, died), abs=0.02)


def test_where_nobody_left_nothing_can_be_ranked() -> None:
    with pytest.raises(ModelInputError, match="no pair"):
        compare_curves([300.0] * 5, [0.0] * 5, {"flat": np.full((5, 4), 0.5)}, TIMES)


def test_an_end_counts_once_its_grace_has_passed() -> None:
    day, until = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-07-01")
    spells = pd.DataFrame(
        {
            "account_id": ["stays", "left", "late", "before"],
            "began_at": pd.Timestamp("2024-01-01"),
            "duration_days": [900.0, 400.0, 540.0, 200.0],
            "churned": [False, True, True, True],
        }
    )
    rows = pd.DataFrame(
        {"account_id": spells["account_id"].to_list(), "as_of": day}, index=[7, 8, 9, 10]
    )
    follow_up = landmark_follow_up(spells, rows, until, grace_days=30)
    assert follow_up["days"].to_list() == pytest.approx([181.0, 34.0, 174.0, np.nan], nan_ok=True)
    # The end of "late", on 24 June, may yet turn out to be a late renewal.
    assert follow_up["left"].to_list() == pytest.approx([0.0, 1.0, 0.0, np.nan], nan_ok=True)
