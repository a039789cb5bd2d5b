"""Correction of the expected orders of all customers for season and trend.

BG/NBD models neither a season nor a trend of the whole customer base. Both are visible in the
errors of past expectations: models fitted before earlier dates, compared with the purchases that
followed. The next horizon is corrected by the error of the last ones, shrunk towards no
correction. The same season of the previous year counts as one more horizon, and without it there
is no correction: a season cannot be distinguished from anything else in less than a year.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import ModelInputError
from models.clv.beta_geo import DAYS_PER_WEEK, PurchaseModel, purchase_history

#: Past horizons that are compared, and the weight of each one relative to the one after it.
_HORIZONS, _FADES = 3, 0.5
#: Weight of "no correction", in horizons.
_PRIOR = 1.0
#: Minimum number of horizons: a single one cannot distinguish a trend from chance.
_FEWEST_HORIZONS = 2
#: Minimum number of expected and observed purchases for a horizon to count.
_FEWEST = 50
_WEEKS_A_YEAR = 52
#: Maximum number of customers that a level is learned from.
_MOST_CUSTOMERS = 20_000


@dataclass(frozen=True)
class PastHorizon:
    """A horizon that has passed.

    Attributes
    ----------
    start : pandas.Timestamp
        Its models were fitted on the orders before this day.
    expected, actual : float
        Days with a purchase of customers that were known then.
    weight : float
        Weight in the correction of the next horizon.
    """

    start: pd.Timestamp
    expected: float
    actual: float
    weight: float


def with_level(
    model: PurchaseModel, orders: pd.DataFrame, *, until: Any, horizon_days: int
) -> PurchaseModel:
    """Return a purchase model with the level of the horizon that starts on a date.

    Parameters
    ----------
    model : PurchaseModel
        Fitted; it is not changed.
    orders : pd.DataFrame, shape = (n_orders, n_columns)
        account_id, ordered_at, amount; orders from `until` on are ignored.
    until : datetime
        The date.
    horizon_days : int
        Days for which the level is learned and applied.
    """
    result = copy(model)
    if model.basis_ == "bg/nbd":
        found = past_horizons(orders, until=until, horizon_days=horizon_days)
        result.level_, result.level_weeks_ = level_of(found), horizon_days / DAYS_PER_WEEK
    return result


def past_horizons(orders: pd.DataFrame, *, until: Any, horizon_days: int) -> list[PastHorizon]:
    """Return expected and actual purchases of the last horizons, newest first.

    Parameters
    ----------
    orders, until, horizon_days
        As in `with_level`.
    """
    end, horizon = pd.Timestamp(until), pd.Timedelta(days=horizon_days)
    orders = _sample(orders[orders["ordered_at"] < end])
    starts = [(end - horizon * (n + 1), _FADES**n) for n in range(_HORIZONS)]
    starts.append((end - pd.Timedelta(weeks=_WEEKS_A_YEAR), 1.0))
    first = orders["ordered_at"].min()
    if end - pd.Timedelta(weeks=_WEEKS_A_YEAR) - horizon < first:
        # Without a year of orders, season, trend and the errors of a young model look alike.
        return []
    found = (
        _past_horizon(orders, start, horizon, weight)
        for start, weight in starts
        # Models need at least a horizon to learn from.
        if start - horizon >= first and start + horizon <= end
    )
    return [past for past in found if past is not None]


def _sample(orders: pd.DataFrame) -> pd.DataFrame:
    """Return the orders of a sample of customers that is large enough for a ratio of sums."""
    codes, accounts = pd.factorize(orders["account_id"], sort=True)
    step = -(-len(accounts) // _MOST_CUSTOMERS)
    return orders[(codes % step == 0) & (codes >= 0)] if step > 1 else orders


def _past_horizon(
    orders: pd.DataFrame, start: pd.Timestamp, horizon: pd.Timedelta, weight: float
) -> PastHorizon | None:
    try:
        history = purchase_history(orders, until=start)
    except ModelInputError:
        return None
    # Regularity moves purchases between customers, not their sum.
    model = PurchaseModel().fit(history.drop(columns="log_intervals"))
    if model.basis_ != "bg/nbd":
        return None
    later = purchase_history(orders, until=start + horizon)["repeats"].reindex(history.index)
    actual = float((later - history["repeats"]).sum())
    expected = float(model.expected(history, [horizon.days / DAYS_PER_WEEK]).sum())
    if min(expected, actual) < _FEWEST:
        return None
    return PastHorizon(start, expected, actual, weight)


def level_of(past: list[PastHorizon]) -> float:
    """Return the factor for the next horizon: the weighted mean of past ones, shrunk to 1.

    It is 1 if fewer than two horizons have passed.
    """
    weights = np.array([horizon.weight for horizon in past])
    ratios = np.array([horizon.actual / horizon.expected for horizon in past])
    if len(past) < _FEWEST_HORIZONS:
        return 1.0
    return float(np.exp((weights * np.log(ratios)).sum() / (weights.sum() + _PRIOR)))
