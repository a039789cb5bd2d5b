"""Features that know the answer: one that separates the event alone is too good to be true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import BoolArray, FloatArray, IntArray, binary_target, feature_frame
from models.churn.few_events import single_auc


@dataclass(frozen=True)
class LeakageSuspect:
    """A feature and the AUC, 0.5-1, that it reaches with no other."""

    feature: str
    auc: float


def leakage_suspects(
    X: pd.DataFrame, y: Any, threshold: float = 0.95
) -> tuple[LeakageSuspect, ...]:
    """Return the features that alone reach an AUC of `threshold`, worst first.

    A number is taken in both directions, and so is whether it is missing; a text is taken by
    the event rate of its value in the other half of the rows.

    Parameters
    ----------
    X : pandas.DataFrame, shape = (n_samples, n_features)
        Features.
    y : array-like, shape = (n_samples,)
        Two classes.
    threshold : float
        AUC, 0.5-1.
    """
    frame = feature_frame(X)
    _, target = binary_target(y, len(frame))
    found = [LeakageSuspect(str(n), _strength(frame[n], target)) for n in frame.columns]
    suspects = [suspect for suspect in found if suspect.auc >= threshold]
    return tuple(sorted(suspects, key=lambda suspect: -suspect.auc))


def _strength(values: pd.Series[Any], target: IntArray) -> float:
    if values.dtype.kind != "f":
        return _two_sided(_cross_fitted_rates(values, target), target)
    numbers = values.to_numpy(dtype="float64")
    missing: BoolArray = np.isnan(numbers)
    if not missing.any():
        return _two_sided(numbers, target)
    if missing.all():
        return 0.5
    fills = (np.nanmin(numbers) - 1.0, np.nanmax(numbers) + 1.0)
    return max(_two_sided(np.where(missing, fill, numbers), target) for fill in fills)


def _two_sided(values: FloatArray, target: IntArray) -> float:
    auc = single_auc(values, target)
    return max(auc, 1.0 - auc)


def _cross_fitted_rates(values: pd.Series[Any], target: IntArray) -> FloatArray:
    half = np.random.default_rng(0).permutation(len(target)) % 2
    text = values.fillna("").astype(str).to_numpy()
    rates = np.empty(len(target))
    for side in (0, 1):
        known = pd.Series(target[half != side]).groupby(text[half != side]).mean()
        rates[half == side] = (
            pd.Series(text[half == side]).map(known).fillna(target.mean()).to_numpy()
        )
    return rates
