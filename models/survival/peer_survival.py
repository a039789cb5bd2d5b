"""Survival curves of peer groups given tenure, tilted to agree with a model's probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from models.base.inputs import FloatArray, ModelInputError, as_floats
from models.survival.hazards import (
    Curve,
    Lifetimes,
    constant_curve,
    kaplan_meier_curve,
    scaled_curve,
    weibull_curve,
)

#: Mean length of a month in days.
DAYS_PER_MONTH = 365.25 / 12
#: Weight of the pooled curve, in events, when a group's hazard ratio is shrunk to it.
_PRIOR_EVENTS = 5.0
# A probability of exactly 1 would make the exponent infinite.
_SUREST = 1.0 - 1e-12


class PeerSurvival(BaseEstimator):  # type: ignore[misc]
    """Survival curve of each peer group, from durations with left entry and right censoring.

    A group with `least_events` events has its own Kaplan-Meier curve. A smaller group uses the
    pooled curve of all accounts, scaled by its own shrunk hazard ratio. If there are too few events
    in total, a Weibull curve is used, or else a constant hazard. Between events, the cumulative
    hazard is linear. If fewer than `least_at_risk` accounts are left, the curve continues with the
    shrunk last hazards; it never stays flat, at 1 or at 0.

    Parameters
    ----------
    least_events : int
        Minimum number of events for a group to have its own curve.
    least_at_risk : int
        Minimum number of accounts at risk for a step of the curve to be used.

    Attributes
    ----------
    curves_ : dict of str to Curve
        Curve by peer group.
    pooled_ : Curve
        Curve of all accounts, used for groups not seen in ``fit``.
    dropped_ : int
        Rows without any time under observation (duration ≤ entry), which are ignored.
    """

    def __init__(self, *, least_events: int = 20, least_at_risk: int = 10) -> None:
        self.least_events = least_events
        self.least_at_risk = least_at_risk

    def fit(
        self, durations: Any, events: Any, *, entry_days: Any = None, groups: Any = None
    ) -> Self:
        """Fit all curves.

        Parameters
        ----------
        durations : array-like, shape = (n_samples,)
            Days from the start of the account to its churn or to the end of the data.
        events : array-like, shape = (n_samples,)
            1 or True if the account churned; 0 if it was still present (right censoring).
        entry_days : array-like, shape = (n_samples,), optional
            Days from the start of the account to the first day on which its churn could be observed
            (left entry); without it, accounts older than the data would seem to survive too long.
            By default 0.
        groups : array-like, shape = (n_samples,), optional
            Peer group of each account.

        Raises
        ------
        ModelInputError
            A duration is negative or missing, or no row has any time under observation.
        """
        time = as_floats(durations, "durations")
        churned = as_floats(events, "events", len(time))
        entry = (
            np.zeros(len(time))
            if entry_days is None
            else as_floats(entry_days, "entry_days", len(time))
        )
        _refuse_bad(time, churned, entry)
        seen = time > entry
        self.dropped_ = int((~seen).sum())
        lifetimes = Lifetimes(time[seen], churned[seen], entry[seen])
        self.pooled_ = self._pooled(lifetimes)
        self.curves_ = {}
        if groups is not None:
            names = np.array([str(name) for name in np.asarray(groups)[seen]], dtype=object)
            self.curves_ = {
                name: self._of_group(lifetimes.where(names == name)) for name in sorted(set(names))
            }
        return self

    def _pooled(self, lifetimes: Lifetimes) -> Curve:
        if lifetimes.n_events >= self.least_events:
            return kaplan_meier_curve(lifetimes, self.least_at_risk)
        return weibull_curve(lifetimes) or constant_curve(lifetimes)

    def _of_group(self, lifetimes: Lifetimes) -> Curve:
        if lifetimes.n_events >= self.least_events:
            return kaplan_meier_curve(lifetimes, self.least_at_risk, prior=self.pooled_)
        return scaled_curve(lifetimes, self.pooled_, _PRIOR_EVENTS)

    @property
    def basis_(self) -> Mapping[str, str]:
        """The basis of each group's curve: kaplan-meier, pooled, weibull or constant."""
        check_is_fitted(self)
        return {name: curve.basis for name, curve in self.curves_.items()}

    def conditional(self, tenure_days: Any, groups: Any, at_days: Any) -> FloatArray:
        """Return S₀(t | tenure): the probability that peers of this tenure stay t more days.

        Parameters
        ----------
        tenure_days : array-like, shape = (n_accounts,)
            Age of the account today, in days.
        groups : array-like, shape = (n_accounts,), or None
            Peer group; a group not seen in ``fit`` uses the pooled curve.
        at_days : array-like, shape = (n_times,)
            Days from today.

        Returns
        -------
        array, shape = (n_accounts, n_times)
            0-1, non-increasing along each row.
        """
        return np.exp(-self._by_group(Curve.hazard_over, tenure_days, groups, at_days))

    def _by_group(
        self,
        measure: Callable[[Curve, FloatArray, FloatArray], FloatArray],
        tenure_days: Any,
        groups: Any,
        at_days: Any,
    ) -> FloatArray:
        check_is_fitted(self)
        tenure = np.maximum(as_floats(tenure_days, "tenure_days"), 0.0)
        days = as_floats(at_days, "at_days")
        if np.isnan(tenure).any() or (days < 0).any():
            raise ModelInputError(
                "a tenure is missing or a time lies in the past",
                where="tenure_days, at_days",
                fix="give days since the start and days from today",
            )
        result = np.empty((len(tenure), len(days)))
        labels = np.full(len(tenure), "") if groups is None else np.asarray(groups)
        codes, names = pd.factorize(labels, use_na_sentinel=False)
        for code, name in enumerate(names):
            rows = np.flatnonzero(codes == code)
            curve = self.curves_.get(str(name), self.pooled_)
            result[rows] = measure(curve, tenure[rows], days)
        return result

    def account_survival(
        self,
        probability: Any,
        tenure_days: Any,
        groups: Any,
        at_days: Any,
        *,
        horizon_days: float = 90.0,
    ) -> FloatArray:
        """Return each account's own curve, which agrees with its churn probability.

        Parameters
        ----------
        probability : array-like, shape = (n_accounts,)
            Churn probability within `horizon_days`; NaN keeps the peer group's curve.
        tenure_days, groups, at_days
            As in `conditional`.
        horizon_days : float
            Horizon of the probability.

        Returns
        -------
        array, shape = (n_accounts, n_times)
            Equal to 1 − probability at the horizon.
        """
        at_horizon = self.conditional(tenure_days, groups, [horizon_days])[:, 0]
        theta = tilt(probability, at_horizon)
        return tilted(self.conditional(tenure_days, groups, at_days), theta)


def tilt(probability: Any, s0_at_horizon: Any) -> FloatArray:
    """Return θ = log(1 − p) ⁄ log S₀(H), with which S₀(H)^θ = 1 − p exactly.

    Parameters
    ----------
    probability : array-like, shape = (n_accounts,)
        Churn probability within the horizon, 0-1; NaN (none published) gives θ = 1.
    s0_at_horizon : array-like, shape = (n_accounts,)
        The peer group's survival at the horizon. If it is 0 or 1, no exponent changes it: θ = 1.

    Raises
    ------
    ModelInputError
        A probability or a survival is outside 0-1.
    """
    p = as_floats(probability, "probability")
    s0 = as_floats(s0_at_horizon, "s0_at_horizon", len(p))
    if ((p < 0) | (p > 1)).any() or not ((s0 >= 0) & (s0 <= 1)).all():
        raise ModelInputError("a value is outside 0-1", where="probability, s0_at_horizon")
    theta = np.ones(len(p))
    moved = ~np.isnan(p) & (s0 > 0) & (s0 < 1)
    theta[moved] = np.log1p(-np.minimum(p[moved], _SUREST)) / np.log(s0[moved])
    return theta


def tilted(survival: FloatArray, theta: FloatArray) -> FloatArray:
    """Return S₀(t)^θ for curves of shape (n_accounts, n_times) and θ of shape (n_accounts,)."""
    return np.asarray(survival ** theta[:, None])


@dataclass(frozen=True)
class RetentionPoint:
    """Share of a group that is still present after `days`, with its 95 % interval."""

    days: float
    survival: float
    low: float
    high: float


def retention_curve(curve: Curve, days: Any) -> tuple[RetentionPoint, ...]:
    """Return a group's retention with log-log intervals (Kalbfleisch & Prentice 1980).

    Parameters
    ----------
    curve : Curve
        From `PeerSurvival.curves_` or ``pooled_``.
    days : array-like, shape = (n_times,)
        Days since the start.
    """
    times = as_floats(days, "days")
    hazard = curve.hazard_over(np.zeros(1), times)[0]
    variance = curve.variance_over(np.zeros(1), times)[0]
    spread = norm.ppf(0.975) * np.sqrt(variance) / np.maximum(hazard, 1e-12)
    low, high = np.exp(-hazard * np.exp(spread)), np.exp(-hazard * np.exp(-spread))
    return tuple(
        RetentionPoint(float(t), float(s), float(lo), float(hi))
        for t, s, lo, hi in zip(times, np.exp(-hazard), low, high, strict=True)
    )


def _refuse_bad(time: FloatArray, churned: FloatArray, entry: FloatArray) -> None:
    bad = ~(np.isfinite(time) & (time >= 0) & np.isfinite(entry) & (entry >= 0))
    if bad.any():
        raise ModelInputError(
            f"{int(bad.sum())} rows have a negative or missing duration or entry",
            where="durations, entry_days",
            fix="give days since the start of the account",
        )
    if not np.isin(churned, (0.0, 1.0)).all():
        raise ModelInputError("contains values other than 0 and 1", where="events")
    if not (time > entry).any():
        raise ModelInputError(
            "no account has any time under observation",
            where="durations",
            fix="durations must exceed entry_days",
        )
