from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.base.inputs import ModelInputError
from models.survival.shifted_beta_geo import ShiftedBetaGeometric, survival
from tests.models.conftest import shared


def test_recursion_and_survival_are_one() -> None:
    # Fader & Hardie: P(T = t) = P(T = t − 1) · (β + t − 2) ⁄ (α + β + t − 1).
    t = np.arange(2, 31)
    steps = (1.182 + t - 2) / (0.704 + 1.182 + t - 1)
    p = 0.704 / (0.704 + 1.182) * np.cumprod([1.0, *steps])
    np.testing.assert_allclose(1 - np.cumsum(p), survival(0.704, 1.182, np.arange(1, 31)))


def test_it_finds_the_parameters_it_was_made_of() -> None:
    left = 1e6 * survival(0.668, 3.806, np.arange(8))
    fitted = ShiftedBetaGeometric().fit(left)
    assert (fitted.alpha_, fitted.beta_) == pytest.approx((0.668, 3.806), rel=1e-3)
    np.testing.assert_allclose(fitted.survival(np.arange(8)), left / 1e6, rtol=1e-5)
    rates = fitted.retention_rate(np.arange(1, 8))
    np.testing.assert_allclose(rates, left[1:] / left[:-1], rtol=1e-5)
    assert (np.diff(rates) > 0).all()


@pytest.mark.parametrize(
    ("series", "alpha", "beta", "mape"),
    [("high_end_pct", 0.668, 3.806, 2.85), ("regular_pct", 0.704, 1.182, 1.5)],
)
def test_the_published_fit(series: str, alpha: float, beta: float, mape: float) -> None:
    left = pd.read_csv(shared("sbg/sbg_survival_12yr.csv"))[series].to_numpy()
    fitted = ShiftedBetaGeometric().fit(left[:8])
    assert (fitted.alpha_, fitted.beta_) == pytest.approx((alpha, beta), abs=1e-3)
    error = np.abs(100 * fitted.survival(np.arange(8, 13)) / left[8:] - 1).mean()
    assert 100 * error <= mape


@pytest.mark.parametrize("left", [[100], [100, 110], [100, -1], [0, 0]])
def test_bad_counts(left: list[float]) -> None:
    with pytest.raises(ModelInputError, match="decreasing counts"):
        ShiftedBetaGeometric().fit(left)
