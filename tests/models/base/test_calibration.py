from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.base.calibration import fit_calibration, log_loss
from models.glass_box.classifier import GlassBoxClassifier


def drawn(n: int, line: tuple[float, float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 1.5, n)
    return logit, (rng.random(n) < expit(line[0] + line[1] * logit)).astype(int)


def test_a_sound_model_is_left_alone() -> None:
    logit, y = drawn(4000, (0, 1), seed=1)
    fitted = fit_calibration(logit, y).calibration
    assert fitted.log_loss_after <= fitted.log_loss_before
    np.testing.assert_allclose(fitted.logit(logit), logit, atol=0.15)


@pytest.mark.parametrize("line", [(-0.8, 1.0), (0.5, 0.4), (-1.0, 2.0)])
def test_the_line_is_found(line: tuple[float, float]) -> None:
    logit, y = drawn(20_000, line)
    fitted = fit_calibration(logit, y).calibration
    assert fitted.kind in ("shift", "sigmoid")
    assert (fitted.intercept, fitted.slope) == pytest.approx(line, abs=0.1)
    assert fitted.log_loss_after < fitted.log_loss_before


def test_the_sigmoid_is_platts() -> None:
    logit, y = drawn(5000, (0.5, 0.4))
    platt = LogisticRegression(C=np.inf).fit(logit[:, None], y)
    fitted = fit_calibration(logit, y).calibration
    assert fitted.slope == pytest.approx(platt.coef_[0, 0], abs=1e-3)
    assert fitted.intercept == pytest.approx(platt.intercept_[0], abs=1e-3)


def test_the_slope_is_never_negative() -> None:
    logit, y = drawn(3000, (0.0, -1.0))
    assert fit_calibration(logit, y).calibration.slope >= 0


def test_log_loss_is_finite_and_right() -> None:
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(np.log(2))
    assert log_loss(np.array([0.0, 1.0]), np.array([-900.0, 900.0])) == 0


def test_rows_of_one_account_widen_the_standard_error() -> None:
    logit, y = drawn(500, (0, 1))
    alone = fit_calibration(logit, y).calibration
    copied = fit_calibration(
        np.tile(logit, 4), np.tile(y, 4), groups=np.tile(np.arange(500), 4)
    ).calibration
    p = expit(alone.logit(logit))
    assert alone.standard_error == pytest.approx(1 / np.sqrt((p * (1 - p)).sum()), rel=0.1)
    assert copied.standard_error == pytest.approx(alone.standard_error, rel=0.1)


def test_contributions_stay_exact(rows: Any) -> None:
    model = GlassBoxClassifier(outer_bags=2).fit(rows.X, rows.y, groups=rows.groups)
    raw = model.decision_function(rows.X)
    rarer = rows.y * (np.random.default_rng(0).random(len(rows.y)) < 0.4)
    model.calibrate(rows.X, rarer, groups=rows.groups)
    assert model.calibration_.kind != "none"
    z = model.decision_function(rows.X)
    np.testing.assert_allclose(model.contributions(rows.X).sum(axis=1), z, rtol=0, atol=1e-9)
    np.testing.assert_allclose(z, model.calibration_.logit(raw), atol=1e-12)
    assert model.predict_proba(rows.X)[:, 1].mean() == pytest.approx(rarer.mean(), abs=0.01)
