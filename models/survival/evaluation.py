"""Metrics of survival curves: concordance and the integrated Brier score."""

from __future__ import annotations

from typing import Any

import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

from models.base.inputs import FloatArray, ModelInputError, as_floats


def concordance(durations: Any, risk: Any, events: Any) -> float:
    """Return Harrell's C: the share of pairs in which the account at higher risk leaves first.

    Parameters
    ----------
    durations : array-like, shape = (n_samples,)
        Time to churn or to the end of observation.
    risk : array-like, shape = (n_samples,)
        Higher values mean earlier churn.
    events : array-like, shape = (n_samples,)
        1 if the account churned, 0 if it was still present (right censoring).

    Returns
    -------
    float
        0-1; 0.5 is chance.
    """
    time = as_floats(durations, "durations")
    return float(
        concordance_index(
            time, -as_floats(risk, "risk", len(time)), as_floats(events, "events", len(time))
        )
    )


def integrated_brier_score(durations: Any, events: Any, survival: Any, times: Any) -> float:
    """Return the mean over `times` of the Brier score under censoring (Graf et al. 1999).

    At each time, S should be 0 for accounts that churned before and 1 for accounts still present.
    Accounts censored before carry no information; the others are weighted by the inverse
    probability of censoring (Kaplan-Meier).

    Parameters
    ----------
    durations, events : array-like, shape = (n_samples,)
        As in `concordance`.
    survival : array-like, shape = (n_samples, n_times)
        Predicted survival probability at each time.
    times : array-like, shape = (n_times,)
        Increasing times below the longest duration.

    Returns
    -------
    float
        0 is perfect; S = 0.5 for every account gives 0.25.
    """
    return float(integrated_brier_losses(durations, events, survival, times).mean())


def integrated_brier_losses(durations: Any, events: Any, survival: Any, times: Any) -> FloatArray:
    """Return each account's term of `integrated_brier_score`, which is their mean.

    The parameters and errors are those of `integrated_brier_score`.
    """
    time, at = as_floats(durations, "durations"), as_floats(times, "times")
    churned = as_floats(events, "events", len(time)) == 1
    curves = np.asarray(survival, dtype="float64")
    if curves.shape != (len(time), len(at)) or len(at) < 2:
        raise ModelInputError(
            f"has shape {curves.shape}, not ({len(time)}, {len(at)}) with at least two times",
            where="survival",
        )
    censored = KaplanMeierFitter().fit(time, ~churned)
    # The probability of being under observation just before the account's own end.
    own = _still_observed(censored, time - 1e-9)
    then = _still_observed(censored, at)
    gone = churned[:, None] & (time[:, None] <= at)
    present = time[:, None] > at
    loss = gone * curves**2 / own[:, None] + present * (1 - curves) ** 2 / then
    return np.asarray(np.trapezoid(loss, at, axis=1) / (at[-1] - at[0]))


def _still_observed(censored: Any, times: FloatArray) -> FloatArray:
    chance = censored.survival_function_at_times(times).to_numpy(dtype="float64")
    return np.asarray(np.maximum(chance, 1e-6))
