"""Features that drift with the calendar: they alone separate late dates from early ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from models.churn.leakage import LeakageSuspect, strengths

#: AUC with which a feature separates late from early dates, from which on it drifts.
DRIFT_AUC = 0.75
#: Distinct dates and rows below which nothing can be said about drift.
_FEWEST_DATES, _FEWEST_ROWS = 6, 60


def drifting(frame: pd.DataFrame, dates: Any) -> tuple[LeakageSuspect, ...]:
    """Return the features whose values separate the last third of the dates from the first.

    What a model learns about their level on early dates does not hold on later ones. Missing
    values count: a table that was recorded from some day on drifts, too. No outcome is used.

    Parameters
    ----------
    frame : pandas.DataFrame, shape = (n_samples, n_features)
        Features.
    dates : array-like of datetime, shape = (n_samples,), or None
        The as_of of every row.

    Returns
    -------
    tuple of LeakageSuspect
        Feature and AUC, the strongest drift first; empty where there are too few dates.
    """
    if dates is None:
        return ()
    days = np.asarray(dates)
    distinct = np.unique(days)
    if len(distinct) < _FEWEST_DATES:
        return ()
    third = len(distinct) // 3
    early, late = days <= distinct[third - 1], days >= distinct[-third]
    if min(early.sum(), late.sum()) < _FEWEST_ROWS:
        return ()
    either = early | late
    found = strengths(frame[either], late[either].astype(int))
    return tuple(suspect for suspect in found if suspect.auc >= DRIFT_AUC)
