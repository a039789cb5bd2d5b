"""Sigmoid calibration on the log-odds scale, which keeps additive contributions exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from models.base.inputs import BoolArray, FloatArray, IntArray, group_codes

#: Name of the contribution that does not belong to a feature.
BASELINE = "baseline"


@dataclass(frozen=True)
class Calibration:
    """A straight line on the log-odds scale: calibrated logit = intercept + slope · logit.

    Attributes
    ----------
    kind : str
        ``"none"``, ``"shift"`` (slope 1) or ``"sigmoid"`` (Platt 1999).
    intercept, slope : float
        The line; the slope is never negative, so the ranking is never reversed.
    log_loss_before, log_loss_after : float
        Cross-validated log loss on the later period, without and with the calibration.
    rows, events : int
        Number of rows and events that it was fitted on.
    standard_error : float
        Standard error of the intercept, clustered by account: the uncertainty of the overall level.
    """

    kind: str = "none"
    intercept: float = 0.0
    slope: float = 1.0
    log_loss_before: float = float("nan")
    log_loss_after: float = float("nan")
    rows: int = 0
    events: int = 0
    standard_error: float = float("nan")

    def logit(self, raw: FloatArray) -> FloatArray:
        """Return calibrated log-odds of the same shape as `raw`."""
        return self.intercept + self.slope * raw

    def contributions(self, raw: pd.DataFrame) -> pd.DataFrame:
        """Scale contributions so that their row sums are the calibrated log-odds."""
        scaled = raw.copy(deep=False) if self.slope == 1.0 else raw * self.slope
        scaled[BASELINE] = scaled[BASELINE] + self.intercept
        return scaled

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class CalibrationFit:
    """A fitted calibration and out-of-fold log-odds: the row's own account was held out."""

    calibration: Calibration
    held_out_logit: FloatArray


def log_loss(y: FloatArray, logit: FloatArray) -> float:
    """Return the mean of −log P(y) for log-odds `logit`; finite for finite log-odds."""
    return float(row_log_loss(y, logit).mean())


def row_log_loss(y: Any, logit: FloatArray) -> FloatArray:
    """Return −log P(y) of each row."""
    return np.asarray(np.logaddexp(0.0, logit) - y * logit)


def fit_calibration(
    logit: FloatArray, y: Any, *, groups: Any = None, seed: int = 0, n_folds: int = 5
) -> CalibrationFit:
    """Choose no calibration, a shift or a sigmoid by cross-validated log loss.

    Parameters
    ----------
    logit : array, shape = (n_samples,)
        Log-odds for rows of a period later than the training rows.
    y : array-like, shape = (n_samples,)
        Outcomes, 0 or 1.
    groups : array-like, shape = (n_samples,), optional
        The account of each row; an account is never on both sides of a fold.
    seed : int
        Seed of the folds.

    Returns
    -------
    CalibrationFit
        ``kind`` is ``"none"`` if neither candidate lowers the log loss.
    """
    target = np.asarray(y, dtype="float64")
    codes = group_codes(groups, len(target))
    folds = _folds(codes, n_folds, seed)
    with threadpool_limits(limits=1, user_api="blas"):
        held_out = {kind: _held_out(fit, logit, target, folds) for kind, fit in _CANDIDATES.items()}
        losses = {kind: log_loss(target, values) for kind, values in held_out.items()}
        # min() returns the first of equal values, so a tie leaves the model unchanged.
        kind = min(losses, key=losses.__getitem__)
        intercept, slope = _CANDIDATES[kind](logit, target)
    calibration = Calibration(
        kind=kind,
        intercept=intercept,
        slope=slope,
        log_loss_before=losses["none"],
        log_loss_after=losses[kind],
        rows=len(target),
        events=int(target.sum()),
        standard_error=_clustered_error(intercept + slope * logit, target, codes),
    )
    return CalibrationFit(calibration, held_out[kind])


def _identity(logit: FloatArray, y: FloatArray) -> tuple[float, float]:
    return 0.0, 1.0


def _shift(logit: FloatArray, y: FloatArray) -> tuple[float, float]:
    return _line(logit, y, slope_free=False)


def _sigmoid(logit: FloatArray, y: FloatArray) -> tuple[float, float]:
    return _line(logit, y, slope_free=True)


_CANDIDATES: dict[str, Callable[[FloatArray, FloatArray], tuple[float, float]]] = {
    "none": _identity,
    "shift": _shift,
    "sigmoid": _sigmoid,
}


def _line(logit: FloatArray, y: FloatArray, *, slope_free: bool) -> tuple[float, float]:
    """Fit the line by penalised likelihood; a unit-normal prior keeps it finite."""

    def loss(line: FloatArray) -> tuple[float, FloatArray]:
        shifted = line[0] + line[1] * logit
        away = line - np.array([0.0, 1.0])
        value = np.sum(np.logaddexp(0.0, shifted) - y * shifted) + 0.5 * away @ away
        error = expit(shifted) - y
        return float(value), np.array([error.sum(), error @ logit]) + away

    bounds = [(None, None), (0.0, None) if slope_free else (1.0, 1.0)]
    fitted = minimize(loss, x0=np.array([0.0, 1.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(fitted.x[0]), float(fitted.x[1])


def _folds(codes: IntArray, n_folds: int, seed: int) -> IntArray:
    n_groups = int(codes.max()) + 1
    order = np.random.default_rng(seed).permutation(n_groups)
    return (order % n_folds)[codes]


def _held_out(
    fit: Callable[[FloatArray, FloatArray], tuple[float, float]],
    logit: FloatArray,
    y: FloatArray,
    folds: IntArray,
) -> FloatArray:
    result = logit.copy()
    for fold in np.unique(folds):
        inside: BoolArray = folds == fold
        if not inside.all():
            intercept, slope = fit(logit[~inside], y[~inside])
            result[inside] = intercept + slope * logit[inside]
    return result


def _clustered_error(logit: FloatArray, y: FloatArray, codes: IntArray) -> float:
    """Return the sandwich standard error of a shift of all log-odds, clustered by account."""
    p = expit(logit)
    residuals = np.bincount(codes, weights=y - p)
    return float(np.sqrt(residuals @ residuals) / max(float(np.sum(p * (1 - p))), 1e-12))
