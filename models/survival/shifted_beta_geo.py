"""The shifted-beta-geometric model of a cohort's retention (Fader & Hardie 2007)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray, ModelInputError, as_floats


class ShiftedBetaGeometric(BaseEstimator):  # type: ignore[misc]
    """Retention of one cohort whose customers have individual churn rates with a Beta(α, β) prior.

    Retention rises with age because customers with high churn rates leave first ("How to Project
    Customer Retention", Journal of Interactive Marketing 21, 2007).

    Attributes
    ----------
    alpha_, beta_ : float
        Parameters, above 0; the mean churn rate of the first period is α ⁄ (α + β).
    log_likelihood_ : float
        Log-likelihood of the fit, in units of the given counts.
    """

    def fit(self, survivors: Any) -> Self:
        """Fit by maximum likelihood.

        Parameters
        ----------
        survivors : array-like, shape = (n_periods + 1,)
            Number (or percentage) of customers at the start and remaining after each period.

        Raises
        ------
        ModelInputError
            There is no period, or a count increases or is negative.
        """
        left = as_floats(survivors, "survivors")
        if len(left) < 2 or (np.diff(left) > 0).any() or left[-1] < 0 or left[0] <= 0:
            raise ModelInputError(
                "must be at least two decreasing counts above 0",
                where="survivors",
                fix="count the customers of one cohort at its start and after each period",
            )
        fitted = minimize(
            lambda log_ab: -_log_likelihood(np.exp(log_ab), left),
            x0=np.zeros(2),
            method="L-BFGS-B",
            bounds=[(-12.0, 12.0)] * 2,
            options={"ftol": 1e-14, "gtol": 1e-10},
        )
        self.alpha_, self.beta_ = (float(v) for v in np.exp(fitted.x))
        self.log_likelihood_ = -float(fitted.fun)
        return self

    def survival(self, periods: Any) -> FloatArray:
        """Return S(t), the share remaining after `periods`: B(α, β + t) ⁄ B(α, β)."""
        check_is_fitted(self)
        return survival(self.alpha_, self.beta_, periods)

    def retention_rate(self, periods: Any) -> FloatArray:
        """Return S(t) ⁄ S(t − 1) = (β + t − 1) ⁄ (α + β + t − 1), for t of 1 or more."""
        check_is_fitted(self)
        t = as_floats(periods, "periods")
        return (self.beta_ + t - 1) / (self.alpha_ + self.beta_ + t - 1)


def survival(alpha: float, beta: float, periods: Any) -> FloatArray:
    """Return the share of a cohort remaining after `periods`, with the same shape."""
    t = np.asarray(periods, dtype="float64")
    return np.asarray(np.exp(betaln(alpha, beta + t) - betaln(alpha, beta)))


def _log_likelihood(parameters: FloatArray, left: FloatArray) -> float:
    alpha, beta = parameters
    t = np.arange(1, len(left), dtype="float64")
    log_churn = betaln(alpha + 1, beta + t - 1) - betaln(alpha, beta)
    log_survival = betaln(alpha, beta + t[-1]) - betaln(alpha, beta)
    return float(-np.diff(left) @ log_churn + left[-1] * log_survival)
