"""Lifetime value under curves that agree with the churn probability."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.contracts import GRACE_DAYS, known_spans
from health.settings.config import Config
from models import PeerGrowth, PeerSurvival, PropensityModel, lifetime_value
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
    """Return what every account is still worth, was worth so far, and both together.

    The curve is the peer group's given tenure, tilted so that it agrees with the churn
    probability at the horizon; without a probability it is the peer group's own. The MRR of
    those who stay grows as their peers' did.

    Parameters
    ----------
    scores : pd.DataFrame, shape = (n_accounts, n_columns)
        account_id, tenure_days, mrr and churn_probability.
    groups : pd.Series of str
        Peer group of each account.
    survival : PeerSurvival
        The fitted peer curves.
    churn : PropensityModel or None
        What gave the probability; its calibration's error widens the interval.
    config : Config
        Horizon, margin, discount rate.
    growth : PeerGrowth, optional
        Expansion and contraction of the peers; none if missing.
    past : pd.Series of float, optional
        Revenue so far by account_id, as from `paid_so_far`.

    Returns
    -------
    dict of str to array
        clv (still to come, discounted), clv_low and clv_high, past_value (margin earned so
        far) and total_value.
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
    return {"clv": value, "clv_low": interval.low, "clv_high": interval.high}


def paid_so_far(
    tables: Tables, as_of: datetime, *, grace_days: int = GRACE_DAYS
) -> pd.Series[float]:
    """Return each account's revenue before a date, by account_id: MRR times months paid.

    Orders count with their amount.
    """
    paid = pd.Series(dtype="float64")
    if tables.has("subscriptions"):
        rows = known_spans(tables, as_of, grace_days=grace_days)
        end = rows["ended_at"].fillna(pd.Timestamp(as_of))
        months = (end - rows["started_at"]).dt.total_seconds() / 86_400 / DAYS_PER_MONTH
        revenue = months.clip(lower=0.0) * rows["mrr"]
        paid = revenue.groupby(rows["account_id"]).sum()
    if tables.has("orders"):
        orders = collect(known_rows(tables, "orders", as_of))
        paid = paid.add(orders.groupby("account_id")["amount"].sum(), fill_value=0.0)
    return paid.rename("paid")


def _calibration_error(churn: PropensityModel | None) -> float:
    """Return the standard error of the log-odds; 0 where no calibration tells."""
    error = float("nan") if churn is None else float(churn.calibration_.standard_error)
    return error if np.isfinite(error) else 0.0
