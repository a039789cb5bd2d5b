"""The lifetime value over six months that have passed, compared with what accounts paid."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from health.business.revenue import paid_so_far
from health.expansion.prices import peer_groups
from health.settings.config import Config
from health.training.fit import fit_growth, fit_survival
from health.training.rows import TrainingSet, paid_durations
from models import PeerGrowth, lifetime_value
from models.survival.peer_survival import DAYS_PER_MONTH

#: Number of held-out months.
MONTHS = 6
#: Shares of the measured growth to try, the largest first.
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
#: Columns of `predict_revenue`: what accounts paid, and MRR × 6.
ACTUAL, FLAT = "actual", "flat"
#: Minimum number of accounts for a comparison.
_FEWEST = 30


@dataclass(frozen=True)
class ValueCheck:
    """The error of the predicted value of six months, in currency per account.

    Attributes
    ----------
    as_of : str
        The date from which six months were predicted.
    accounts : int
        Accounts that paid on that date.
    growth_share : float
        Share of the measured growth that is used: the largest for which the error of the value is
        not above that of MRR × 6; if there is none, the one with the smallest error.
    actual, value, flat : float
        What all accounts paid, the predicted value, and MRR × 6.
    rmse, rmse_flat : float
        Root mean squared error, which the expectation minimises.
    mae, mae_flat : float
        Mean absolute error. Most accounts stay and pay the same, so MRR × 6 is close to the
        median, which minimises the absolute error; an expectation that includes accounts that
        leave cannot be better.
    beats_flat : bool
        Whether `rmse` is not above `rmse_flat`.
    """

    as_of: str
    accounts: int
    growth_share: float
    actual: float
    value: float
    flat: float
    rmse: float
    rmse_flat: float
    mae: float
    mae_flat: float
    beats_flat: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the manifest."""
        return asdict(self)


def check_value(tables: Tables, training: TrainingSet, config: Config) -> ValueCheck | None:
    """Predict the latest six months from what was known before them.

    Parameters
    ----------
    tables : Tables
        The input tables.
    training : TrainingSet
        Past dates with features.
    config : Config
        Peer group and labels.

    Returns
    -------
    ValueCheck or None
        None if no training date is six months before the end of the data, or if fewer than 30
        accounts paid on it.
    """
    span = timedelta(days=MONTHS * DAYS_PER_MONTH)
    past = [day for day in training.dates if day + span <= tables.observed_until]
    if not past:
        return None
    predicted = predict_revenue(tables, training, config, past[-1])
    if predicted is None or len(predicted) < _FEWEST:
        return None
    actual, flat = (predicted[name].to_numpy(dtype=float) for name in (ACTUAL, FLAT))
    limit = _rmse(flat, actual)
    errors = {share: _rmse(predicted[share].to_numpy(dtype=float), actual) for share in SHARES}
    good = [share for share in SHARES if errors[share] <= limit]
    share = good[0] if good else min(SHARES, key=errors.__getitem__)
    value = predicted[share].to_numpy(dtype=float)
    return ValueCheck(
        as_of=str(past[-1].date()),
        accounts=len(predicted),
        growth_share=share,
        actual=float(actual.sum()),
        value=float(value.sum()),
        flat=float(flat.sum()),
        rmse=errors[share],
        rmse_flat=limit,
        mae=float(np.abs(value - actual).mean()),
        mae_flat=float(np.abs(flat - actual).mean()),
        beats_flat=bool(errors[share] <= limit),
    )


def predict_revenue(
    tables: Tables, training: TrainingSet, config: Config, day: datetime
) -> pd.DataFrame | None:
    """Predict what each account pays in the six months after a date, from what was known on it.

    Parameters
    ----------
    tables : Tables
        The input tables.
    training : TrainingSet
        Past dates with features.
    config : Config
        Peer group and labels.
    day : datetime
        One of the training dates, six months or more before the end of the data.

    Returns
    -------
    pd.DataFrame or None
        A row per account that paid on the date: group (of its peers), `ACTUAL`, `FLAT` (MRR × 6)
        and the value under each of `SHARES` of the measured growth, in currency, undiscounted.
        None if growth could not be measured.
    """
    accounts = training.accounts[training.accounts["as_of"] <= pd.Timestamp(day)]
    own = accounts[accounts["as_of"] == pd.Timestamp(day)]
    growth = fit_growth(accounts, config)
    if growth is None:
        return None
    survival = fit_survival(paid_durations(tables.until(day), config))
    groups = peer_groups(own, config)
    months = np.arange(1, MONTHS + 1)
    tenure = own["tenure_days"].clip(lower=0.0)
    curves = survival.conditional(tenure, groups, months * DAYS_PER_MONTH)
    mrr = own["mrr"].to_numpy(dtype=float)
    end = day + timedelta(days=MONTHS * DAYS_PER_MONTH)
    predicted: dict[Any, Any] = {
        "group": groups.to_numpy(dtype=object),
        ACTUAL: _paid_between(tables, day, end, own["account_id"]),
        FLAT: mrr * MONTHS,
    }
    for share in SHARES:
        index = growth.shrunk(share).index(groups, months)
        predicted[share] = lifetime_value(
            mrr, curves, margin=1.0, annual_discount_rate=0.0, growth=index
        )
    return pd.DataFrame(predicted, index=pd.Index(own["account_id"], name="account_id"))


def with_checked_growth(models: dict[str, Any], check: ValueCheck | None) -> dict[str, Any]:
    """Return the models with the growth share that the check found."""
    growth: PeerGrowth | None = models.get("growth")
    if growth is None or check is None:
        return models
    return {**models, "growth": growth.shrunk(check.growth_share)}


def _paid_between(
    tables: Tables, begin: datetime, end: datetime, accounts: pd.Series[str]
) -> np.ndarray:
    before, after = (paid_so_far(tables, day).reindex(accounts).fillna(0.0) for day in (begin, end))
    return (after - before).to_numpy(dtype=float)


def _rmse(values: np.ndarray, actual: np.ndarray) -> float:
    return float(np.sqrt(np.mean((values - actual) ** 2)))
