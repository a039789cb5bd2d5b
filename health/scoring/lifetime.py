"""Lifetime value under curves that agree with the churn probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from health.config import Config
from models import PeerSurvival, PropensityModel, lifetime_value_interval
from models.clv import probability_log_hazard_sd
from models.survival import DAYS_PER_MONTH


def lifetime_columns(
    scores: pd.DataFrame,
    groups: pd.Series[str],
    survival: PeerSurvival,
    churn: PropensityModel | None,
    config: Config,
) -> dict[str, Any]:
    """Return clv, clv_low and clv_high of every account.

    The curve is the peer group's given tenure, tilted so that it agrees with the churn
    probability at the horizon; without a probability it is the peer group's own.

    Parameters
    ----------
    scores : pd.DataFrame, shape = (n_accounts, n_columns)
        tenure_days, mrr and churn_probability.
    groups : pd.Series of str
        Peer group of each account.
    survival : PeerSurvival
        The fitted peer curves.
    churn : PropensityModel or None
        What gave the probability; its calibration's error widens the interval.
    config : Config
        Horizon, margin, discount rate.
    """
    probability = scores["churn_probability"]
    tenure = scores["tenure_days"].clip(lower=0.0)
    months = np.arange(1, config.clv.horizon_months + 1) * DAYS_PER_MONTH
    curves = survival.account_survival(
        probability, tenure, groups, months, horizon_days=config.labels.horizon_days
    )
    peers_sd = survival.log_hazard_sd(tenure, groups, months[-1])
    own_sd = probability_log_hazard_sd(probability, _calibration_error(churn))
    value = lifetime_value_interval(
        scores["mrr"],
        curves,
        np.hypot(peers_sd, np.nan_to_num(own_sd)),
        margin=config.clv.margin,
        annual_discount_rate=config.clv.discount_rate,
    )
    return {"clv": value.value, "clv_low": value.low, "clv_high": value.high}


def _calibration_error(churn: PropensityModel | None) -> float:
    """Return the standard error of the log-odds; 0 where no calibration tells."""
    error = float("nan") if churn is None else float(churn.calibration_.standard_error)
    return error if np.isfinite(error) else 0.0
