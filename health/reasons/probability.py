"""The probability of a target, its base rate, and its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from health.reasons.reasons import COLUMNS as REASON_COLUMNS
from health.reasons.signals import BASELINE
from health.reasons.strongest import strongest_rows

#: The sentence of the term that every account starts from.
BASELINE_TEXT = "Starting point of every account"

#: Terms kept of each row by default.
MOST = 12


@dataclass(frozen=True)
class Probabilities:
    """The probabilities of some rows.

    Attributes
    ----------
    probability, base_rate : pd.Series of float
        0-1; NaN where none is published.
    """

    probability: pd.Series[float]
    base_rate: pd.Series[float]

    def columns(self, target: str) -> dict[str, pd.Series[float]]:
        """Return both under the names they have in scores.parquet."""
        return {f"{target}_probability": self.probability, f"{target}_base_rate": self.base_rate}


def probabilities(models: Mapping[str, Any], target: str, inputs: pd.DataFrame) -> Probabilities:
    """Return probability and base rate of a target, on the index of `inputs`."""
    model, base = models[target], models[f"{target}_base"]
    unknown = pd.Series(np.nan, index=inputs.index)
    if model is None or inputs.empty:
        return Probabilities(unknown, unknown)
    columns = list(model.feature_names_in_)
    probability = pd.Series(model.predict_proba(inputs[columns])[:, 1], index=inputs.index)
    rate = pd.Series(base.predict_proba(inputs[columns])[:, 1], index=inputs.index)
    return Probabilities(probability, rate.where(probability.notna()))


def explained_probabilities(
    models: Mapping[str, Any], target: str, inputs: pd.DataFrame, *, most: int = MOST
) -> tuple[Probabilities, pd.DataFrame]:
    """Return the results of `probabilities` and `probability_reasons` at the cost of one.

    The contributions are exact, so the probability is computed from their sum.
    """
    model, base = models[target], models[f"{target}_base"]
    if model is None or inputs.empty:
        return probabilities(models, target, inputs), _no_reasons()
    columns = inputs[list(model.feature_names_in_)]
    contributions = model.contributions(columns)
    logit = contributions.sum(axis=1, skipna=False)
    probability = pd.Series(expit(logit.to_numpy(dtype=float)), index=inputs.index)
    rate = pd.Series(base.predict_proba(columns)[:, 1], index=inputs.index)
    found = Probabilities(probability, rate.where(probability.notna()))
    return found, _strongest(target, contributions, inputs, most)


def probability_reasons(
    models: Mapping[str, Any], target: str, inputs: pd.DataFrame, *, most: int = MOST
) -> pd.DataFrame:
    """Return what moved the log-odds most, one row per term; no rows without a model.

    Parameters
    ----------
    models : mapping of str to object
        The artefacts of a version.
    target : str
        ``churn``, ``upsell`` or ``cross_sell``.
    inputs : pd.DataFrame
        account_id and the features of the model.
    most : int
        Terms kept of each row; the others are one sum.
    """
    model = models[target]
    if model is None or inputs.empty:
        return _no_reasons()
    contributions = model.contributions(inputs[list(model.feature_names_in_)])
    return _strongest(target, contributions, inputs, most)


def _strongest(
    target: str, contributions: pd.DataFrame, inputs: pd.DataFrame, most: int
) -> pd.DataFrame:
    if contributions[BASELINE].isna().any():
        return _no_reasons()
    return strongest_rows(target, contributions, inputs, most=most, baseline_text=BASELINE_TEXT)


def _no_reasons() -> pd.DataFrame:
    return pd.DataFrame(columns=list(REASON_COLUMNS))
