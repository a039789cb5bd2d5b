"""Features that know the answer: one that separates the event alone is too good to be true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import BoolArray, FloatArray, IntArray, binary_target, feature_frame
from models.churn.few_events import single_auc

#: AUC from which a feature that stands out among all features is worth a look.
NOTABLE_AUC = 0.85
#: Features without which there is no usual spread to stand out from.
_FEWEST_OTHERS = 8


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
    return tuple(suspect for suspect in strengths(X, y) if suspect.auc >= threshold)


def strengths(X: pd.DataFrame, y: Any) -> tuple[LeakageSuspect, ...]:
    """Return the AUC of every feature alone, as `leakage_suspects` takes it, strongest first."""
    frame = feature_frame(X)
    _, target = binary_target(y, len(frame))
    found = [LeakageSuspect(str(n), _strength(frame[n], target)) for n in frame.columns]
    return tuple(sorted(found, key=lambda suspect: -suspect.auc))


def notable(found: Sequence[LeakageSuspect]) -> tuple[LeakageSuspect, ...]:
    """Return the features from an AUC of 0.85 that stand out from the rest.

    A feature stands out where it lies beyond Tukey's fence, the upper quartile of all features'
    AUCs plus 1.5 times their interquartile range: where many features predict well, none is odd.

    Parameters
    ----------
    found : sequence of LeakageSuspect
        All features, as from `strengths`.

    Examples
    --------
    >>> rest = [LeakageSuspect(f"f{i}", 0.5 + i / 100) for i in range(12)]
    >>> [s.feature for s in notable([LeakageSuspect("contract_left", 0.91), *rest])]
    ['contract_left']
    """
    fence = 0.0
    if len(found) > _FEWEST_OTHERS:
        low, high = np.quantile([suspect.auc for suspect in found], [0.25, 0.75])
        fence = float(high + 1.5 * (high - low))
    return tuple(s for s in found if s.auc >= NOTABLE_AUC and s.auc > fence)


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
