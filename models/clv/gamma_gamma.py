"""Expected amount of a customer's purchase, shrunk to the mean of all."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import gammaln
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray
from models.clv.beta_geo import FEWEST_REPEATERS, WIDEST


class SpendModel(BaseEstimator):  # type: ignore[misc]
    """Gamma-Gamma: expected amount of a customer's purchase (Fader & Hardie 2013).

    Attributes
    ----------
    basis_ : str
        ``"gamma-gamma"`` or ``"mean spend"``.
    message_ : str
        Why the mean is used; empty otherwise.
    p_, q_, v_ : float
        Parameters, v in currency; NaN without a fit.
    mean_ : float
        Mean spend of a repeat purchase over customers.
    """

    def fit(self, history: pd.DataFrame, y: Any = None) -> Self:
        """Fit on repeats and mean_spend of the customers who came back."""
        back = history[(history["repeats"] > 0) & (history["mean_spend"] > 0)]
        x = back["repeats"].to_numpy(dtype="float64")
        spend = back["mean_spend"].to_numpy(dtype="float64")
        # Refunds of purchases before the records start may exceed all purchases.
        every = max(history["spent"].sum() / max((history["repeats"] + 1).sum(), 1), 0.0)
        self.mean_ = float(spend.mean()) if len(back) else float(every)
        self.p_ = self.q_ = self.v_ = float("nan")
        self.message_ = self._maximise(x, spend)
        self.basis_ = "mean spend" if self.message_ else "gamma-gamma"
        return self

    def _maximise(self, x: FloatArray, spend: FloatArray) -> str:
        if len(x) < FEWEST_REPEATERS:
            return (
                f"{len(x)} customers bought again, {FEWEST_REPEATERS} are needed for Gamma-Gamma: "
                "the mean spend is used instead"
            )
        scale = float(spend.mean())

        def loss(log_parameters: FloatArray) -> float:
            p, q, v = np.exp(log_parameters)
            return -float(_spend_log_likelihood(p, q, v, x, spend / scale).mean())

        with warnings.catch_warnings():
            # Far from the maximum, the search may leave the range of floats.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = minimize(
                loss, np.array([1.0, 1.0, 0.5]), method="L-BFGS-B", bounds=[(-9.0, 9.0)] * 3
            )
        if not found.success or np.abs(found.x).max() > WIDEST or np.exp(found.x[1]) <= 1.0:
            return (
                "the Gamma-Gamma likelihood did not converge to a finite mean: "
                "the mean spend is used instead"
            )
        self.p_, self.q_, v = (float(value) for value in np.exp(found.x))
        self.v_ = v * scale
        return ""

    def expected(self, history: pd.DataFrame) -> FloatArray:
        """Return the expected spend of each customer's next purchase, in currency."""
        check_is_fitted(self)
        x, spend = _spend_columns(history)
        if self.basis_ == "mean spend":
            return np.asarray((x * spend + self.mean_) / (x + 1.0))
        return np.asarray(self.p_ * (self.v_ + x * spend) / (self.p_ * x + self.q_ - 1.0))

    def scale(self, history: pd.DataFrame) -> FloatArray:
        """Return v + x·z̄ of each customer, in currency; NaN if the mean is used instead.

        The total of its purchases is this times a factor that depends only on their number.
        """
        check_is_fitted(self)
        x, spend = _spend_columns(history)
        return np.asarray(self.v_ + x * spend)


def _spend_columns(history: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Return repeats and their mean amount; 0 if refunds exceed it."""
    spend = np.nan_to_num(history["mean_spend"].to_numpy(dtype="float64"))
    return history["repeats"].to_numpy(dtype="float64"), np.maximum(spend, 0.0)


def _spend_log_likelihood(
    p: float, q: float, v: float, x: FloatArray, spend: FloatArray
) -> FloatArray:
    """Return ln f(mean spend) of each customer; Fader & Hardie (2013), equation 1a."""
    total = p * x
    return np.asarray(
        gammaln(total + q)
        - gammaln(total)
        - gammaln(q)
        + q * np.log(v)
        + (total - 1) * np.log(spend)
        + total * np.log(x)
        - (total + q) * np.log(x * spend + v)
    )
