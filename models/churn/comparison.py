"""Several classifiers on the same later dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import binary_target, feature_frame, group_codes
from models.churn.any_classifier import AnyClassifier
from models.churn.later_dates import LabelledRows, try_in_time
from models.glass_box.classifier import GlassBoxClassifier

METRICS = ("auc", "average_precision", "brier", "lift_top_decile", "calibration_error")


def compare_in_time(
    candidates: Mapping[str, Any],
    X: pd.DataFrame,
    y: Any,
    *,
    groups: Any,
    times: Any,
    embargo_days: float,
    n_splits: int = 2,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit every candidate on earlier dates, calibrate it, and measure it on the same later ones.

    Parameters
    ----------
    candidates : mapping of str to classifier
        By name; unfitted, with scikit-learn's contract.
    X : pd.DataFrame, shape = (n_samples, n_features)
        Features as of a date.
    y : array-like, shape = (n_samples,)
        1 where the event came, else 0.
    groups, times : array-like, shape = (n_samples,)
        Account and date of every row.
    embargo_days : float
        Horizon + grace: nothing is learned from dates closer than this to the tested ones.
    n_splits, seed : int
        Later blocks of dates, and the seed of resamples.

    Returns
    -------
    pd.DataFrame, shape = (n_candidates, 15)
        A row per candidate; columns (metric, value / low / high) with 95 % intervals from a
        bootstrap over accounts. All NaN where too few events were left to test on.
    """
    frame = feature_frame(X)
    _, target = binary_target(y, len(frame))
    rows = LabelledRows(frame, target, group_codes(groups, len(frame)), np.asarray(times))
    results = {}
    for name, candidate in candidates.items():
        own = candidate if isinstance(candidate, GlassBoxClassifier) else AnyClassifier(candidate)
        tested = try_in_time(own, rows, n_splits=n_splits, embargo_days=embargo_days, seed=seed)
        results[name] = _metrics(tested.evaluation)
    return pd.DataFrame(results).T


def _metrics(evaluation: Any) -> dict[tuple[str, str], float]:
    return {
        (metric, part): np.nan if evaluation is None else getattr(getattr(evaluation, metric), part)
        for metric in METRICS
        for part in ("value", "low", "high")
    }
