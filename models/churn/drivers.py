"""Which features separate who left from who stayed, each looked at alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.base.inputs import ModelInputError
from models.churn.few_events import single_auc


def drivers(frame: pd.DataFrame, features: Sequence[str], label: str) -> pd.DataFrame:
    """Compare each feature between rows with the event and rows without.

    Parameters
    ----------
    frame : pd.DataFrame, shape = (n_rows, n_columns)
        The features and the label: 1, 0, or NaN where it is not known.
    features : sequence of str
        Numeric columns.
    label : str
        Column of what happened.

    Returns
    -------
    pd.DataFrame, shape = (n_features, 5)
        Indexed by feature, the strongest first: auc (0.5-1, how well the feature alone ranks,
        in whichever direction), direction (1 where more of it goes with the event, −1 with
        less), with_event and without (medians), missing_share. A feature without a value in one
        of the two groups has no auc.

    Raises
    ------
    ModelInputError
        No row's outcome is known.
    """
    known = frame[frame[label].notna()]
    if known.empty:
        raise ModelInputError("no outcome is known", where=label, fix="give a longer history")
    target = known[label].to_numpy(dtype=int)
    rows = [_driver(known[name].to_numpy(dtype=float), target) for name in features]
    table = pd.DataFrame(rows, index=pd.Index(features, name="feature"))
    return table.sort_values("auc", ascending=False, kind="stable", na_position="last")


def _driver(values: np.ndarray, target: np.ndarray) -> dict[str, float]:
    present = ~np.isnan(values)
    left, stayed = values[present & (target == 1)], values[present & (target == 0)]
    auc = single_auc(values[present], target[present]) if len(left) and len(stayed) else np.nan
    return {
        "auc": max(auc, 1 - auc),
        "direction": float(np.sign(auc - 0.5)),
        "with_event": float(np.median(left)) if len(left) else np.nan,
        "without": float(np.median(stayed)) if len(stayed) else np.nan,
        "missing_share": float(1 - present.mean()),
    }
