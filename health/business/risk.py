"""Rules for who is leaving, at risk or silent, shared by flags and offers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.settings.flags import FlagsConfig


def known_to_leave(features: pd.DataFrame) -> pd.Series[bool]:
    """Return which accounts gave notice: they are known to leave and get no probability."""
    return features["notice_given"] > 0


def lift(probability: pd.Series[float], base_rate: pd.Series[float]) -> pd.Series[float]:
    """Return how many times the usual odds a probability has.

    A multiple of the rate could exceed 1; a multiple of the odds cannot.

    Examples
    --------
    >>> lift(pd.Series([0.2, 0.9]), pd.Series([0.1, 0.75])).round(2).tolist()
    [2.25, 3.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        odds, usual = (p / (1.0 - p) for p in (probability, base_rate))
        return odds / usual


def likely_to_leave(scores: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
    """Return which accounts' odds of leaving are at least `at_risk_lift` times the usual odds."""
    return lift(scores["churn_probability"], scores["churn_base_rate"]) >= limits.at_risk_lift


def red_for_a_reason(scores: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
    """Return which red accounts are not less likely to leave than usual, by the model.

    Without a published probability, the band alone decides.
    """
    times = lift(scores["churn_probability"], scores["churn_base_rate"])
    return (scores["health_band"] == "red") & (times.isna() | (times >= limits.least_lift))


def at_risk(scores: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
    """Return which accounts may leave, by their probability or their health.

    Parameters
    ----------
    scores : pd.DataFrame
        health_band, churn_probability and churn_base_rate (NaN where none is published).
    limits : FlagsConfig
        `at_risk_lift` and `least_lift`.
    """
    return likely_to_leave(scores, limits) | red_for_a_reason(scores, limits)


def unused(features: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
    """Return which accounts used the product before, but not for `silent_days`."""
    return features["usage_recency_days"] >= limits.silent_days
