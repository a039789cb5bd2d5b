"""Lifetime value under curves that agree with the churn probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from health.settings.config import Config
from models import PeerGrowth, PeerSurvival, PropensityModel, lifetime_value
from models.clv.customer_range import customer_range
from models.clv.interval import ValueTerms, resampled_interval
from models.survival.peer_survival import DAYS_PER_MONTH

#: Accounts whose curves are in memory at once.
_BLOCK = 100_000


def lifetime_columns(
    scores: pd.DataFrame,
    groups: pd.Series[str],
    survival: PeerSurvival,
    churn: PropensityModel | None,
    config: Config,
    *,
    growth: PeerGrowth | None = None,
    past: pd.Series[float] | None = None,
) -> dict[str, Any]:
    """Return the future value of every account, the past value, and their sum.

    The curve is that of the peer group given tenure, tilted so that it agrees with the churn
    probability at the horizon, and not tilted without a probability. The MRR of accounts that
    stay grows like that of their peers.

    Parameters
    ----------
    scores : pd.DataFrame, shape = (n_accounts, n_columns)
        account_id, tenure_days, mrr and churn_probability.
    groups : pd.Series of str
        Peer group of each account.
    survival : PeerSurvival
        The fitted peer curves.
    churn : PropensityModel or None
        The model of the probability; its calibration error widens the interval.
    config : Config
        Horizon, margin, discount rate.
    growth : PeerGrowth, optional
        Expansion and contraction of the peers; none if missing.
    past : pd.Series of float, optional
        Revenue so far by account_id, as from `paid_so_far`.

    Returns
    -------
    dict of str to array
        clv (future, discounted), clv_low and clv_high (the 95 % range of this account's own
        outcome), clv_mean_low and clv_mean_high (the 95 % interval of the
        expectation), clv_monthly_growth (of the MRR of accounts that stay, from their peers),
        past_value (margin earned so far) and total_value.
    """
    parts = [
        _remaining(scores.iloc[rows], groups.iloc[rows], survival, churn, config, growth)
        for rows in np.split(np.arange(len(scores)), range(_BLOCK, len(scores), _BLOCK))
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if past is None:
        return columns
    earned = scores["account_id"].map(past).fillna(0.0).to_numpy() * config.clv.margin
    return columns | {"past_value": earned, "total_value": earned + columns["clv"]}


def _remaining(
    scores: pd.DataFrame,
    groups: pd.Series[str],
    survival: PeerSurvival,
    churn: PropensityModel | None,
    config: Config,
    growth: PeerGrowth | None,
) -> dict[str, Any]:
    probability = scores["churn_probability"]
    tenure = scores["tenure_days"].clip(lower=0.0)
    months = np.arange(1, config.clv.horizon_months + 1)
    days = months * DAYS_PER_MONTH
    curves = survival.account_survival(
        probability, tenure, groups, days, horizon_days=config.labels.horizon_days
    )
    value = lifetime_value(
        scores["mrr"],
        curves,
        margin=config.clv.margin,
        annual_discount_rate=config.clv.discount_rate,
        growth=None if growth is None else growth.index(groups, months),
    )
    terms = ValueTerms(
        config.clv.horizon_months, config.clv.discount_rate, config.labels.horizon_days
    )
    interval = resampled_interval(
        value,
        probability,
        tenure,
        groups,
        survival,
        terms=terms,
        growth=growth,
        logit_sd=_calibration_error(churn),
        seed=config.training.seed,
    )
    own = customer_range(
        scores["mrr"],
        probability,
        tenure,
        groups,
        survival,
        terms=terms,
        margin=config.clv.margin,
        growth=growth,
    )
    return {
        "clv": value,
        # The outcome of one account cannot be more certain than the expectation.
        "clv_low": np.minimum(own.low, interval.low),
        "clv_high": np.maximum(own.high, interval.high),
        "clv_mean_low": interval.low,
        "clv_mean_high": interval.high,
        "clv_monthly_growth": np.zeros(len(value)) if growth is None else growth.net(groups),
    }


def _calibration_error(churn: PropensityModel | None) -> float:
    """Return the standard error of the log-odds; 0 if none was estimated."""
    error = float("nan") if churn is None else float(churn.calibration_.standard_error)
    return error if np.isfinite(error) else 0.0
