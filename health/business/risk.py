"""Who is leaving, at risk or silent: the one place where these rules are written.

Offers wait for accounts at risk, and lists show them: both ask here.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.settings.flags import FlagsConfig


def known_to_leave(features: pd.DataFrame) -> pd.Series[bool]:
    """Return which accounts gave notice: they leave, and no model is asked about them."""
    return features["notice_given"] > 0


def lift(probability: pd.Series[float], base_rate: pd.Series[float]) -> pd.Series[float]:
    """Return how many times the usual odds a probability has.

    A multiple of the rate itself could lie beyond certainty; a multiple of the odds never does.

    Examples
    --------
    >>> lift(pd.Series([0.2, 0.9]), pd.Series([0.1, 0.75])).round(2).tolist()
    [2.25, 3.0]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        odds, usual = (p / (1.0 - p) for p in (probability, base_rate))
        return odds / usual


def likely_to_leave(scores: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
    """Return whose odds of leaving are `at_risk_lift` times the usual ones, or more."""
    return lift(scores["churn_probability"], scores["churn_base_rate"]) >= limits.at_risk_lift


def red_for_a_reason(scores: pd.DataFrame, limits: FlagsConfig) -> pd.Series[bool]:
    """Return who is red, unless the model finds the account no likelier to leave than usual.

    Where no probability is published, the band decides alone.
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
    """Return who used the product once and has not for `silent_days`."""
    return features["usage_recency_days"] >= limits.silent_days
