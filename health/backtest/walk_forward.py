"""Repeated fits, each on what was known by then (an expanding window)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from health.settings.config import Config
from health.training.fit import fit_base, fit_target
from health.training.rows import TargetRows, known_before
from models.base.inputs import BoolArray


@dataclass(frozen=True)
class Origin:
    """The dates that one fit scores, and the rows it may learn from.

    Attributes
    ----------
    tested : pd.DatetimeIndex
        The dates.
    train : array of bool, shape = (n_rows,)
        Rows whose outcome was known on the first of them.
    """

    tested: pd.DatetimeIndex
    train: BoolArray


@dataclass(frozen=True)
class ModelFit:
    """One fit of the churn model, as it would have been published then."""

    first_date: str
    learnt_until: str
    rows: int
    churned_accounts: int
    basis: str
    has_signal: bool


@dataclass(frozen=True)
class ModelPast:
    """Predictions of the churn model on past dates.

    Attributes
    ----------
    predicted : pd.DataFrame, shape = (n_rows, 4)
        logit, probability, base_rate (NaN before there was a model) and supported (whether the
        model had a signal on its test dates).
    fits : tuple of ModelFit
        Oldest first.
    """

    predicted: pd.DataFrame
    fits: tuple[ModelFit, ...]


def origins(
    rows: pd.DataFrame, *, embargo_days: int, refit_days: int, first: pd.Timestamp | None = None
) -> Iterator[Origin]:
    """Yield the dates to score and the rows to learn from, oldest first.

    A label covers the following horizon + grace days, so a row is used for training only if its
    date lies that long before the first date to score.

    Parameters
    ----------
    rows : pd.DataFrame
        as_of, churned (NaN where not known).
    embargo_days : int
        Horizon + grace.
    refit_days : int
        Minimum number of days between two fits.
    first : pd.Timestamp, optional
        First date to score.
    """
    dates = pd.DatetimeIndex(np.sort(rows["as_of"].unique()))
    left = dates if first is None else dates[dates >= first]
    while len(left):
        tested = left[left < left[0] + pd.Timedelta(days=refit_days)]
        known = rows["as_of"] <= left[0] - pd.Timedelta(days=embargo_days)
        yield Origin(tested, (known & rows["churned"].notna()).to_numpy())
        left = left[len(tested) :]


def model_on_past(
    rows: pd.DataFrame, inputs: list[str], config: Config, first: pd.Timestamp | None = None
) -> ModelPast:
    """Fit the churn model for each date on what was known before it, and score that date.

    Parameters
    ----------
    rows : pd.DataFrame
        account_id, as_of, churned and the inputs, as in `TrainingSet.accounts`.
    inputs : list of str
        The inputs of the model.
    config : Config
        Labels, seed and how often to fit.
    first : pd.Timestamp, optional
        First date to score; earlier ones are used only for training.
    """
    predicted = pd.DataFrame(
        {"logit": np.nan, "probability": np.nan, "base_rate": np.nan, "supported": False},
        index=rows.index,
    )
    whole, fits = TargetRows(rows, "churned", inputs), []
    embargo = config.labels.horizon_days + config.labels.grace_days
    for origin in origins(
        rows, embargo_days=embargo, refit_days=config.backtest.refit_days, first=first
    ):
        known = rows[origin.train]
        if known["churned"].nunique() < 2:
            continue
        # A hazard also learns from rows whose outcome was not known up to the horizon yet.
        seen = known_before(
            rows,
            origin.tested[0],
            horizon_days=config.labels.horizon_days,
            grace_days=config.labels.grace_days,
        )
        model = fit_target("churn", replace(whole, frame=seen), config, account_folds=0)
        base = fit_base(replace(whole, frame=known), config)
        if model is None or base is None or model.basis_ == "none":
            continue
        tested = rows["as_of"].isin(origin.tested)
        X = rows.loc[tested, inputs]
        predicted.loc[tested, "logit"] = model.decision_function(X)
        predicted.loc[tested, "probability"] = model.predict_proba(X)[:, 1]
        predicted.loc[tested, "base_rate"] = base.predict_proba(X)[:, 1]
        predicted.loc[tested, "supported"] = bool(model.has_signal_)
        fits.append(_note(model, known, origin))
    return ModelPast(predicted, tuple(fits))


def _note(model: Any, known: pd.DataFrame, origin: Origin) -> ModelFit:
    return ModelFit(
        first_date=str(origin.tested[0].date()),
        learnt_until=str(known["as_of"].max().date()),
        rows=len(known),
        churned_accounts=int(model.event_accounts_),
        basis=str(model.basis_),
        has_signal=bool(model.has_signal_),
    )
