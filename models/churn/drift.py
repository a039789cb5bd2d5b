"""Features that drift with the calendar: they alone separate late dates from early ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd

from models.churn.leakage import LeakageSuspect, strengths

#: AUC with which a feature separates late from early dates, from which on it drifts.
DRIFT_AUC = 0.75
#: Features that grow with the calendar, and the form that replaces each where it drifts.
STABLE_FORMS = {
    "tenure_days": "tenure_first_year_days",
    "days_since_milestone": "milestones_90d",
    "milestones_reached": "milestones_90d",
}
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


def replaced_or_stable(columns: Iterable[str], moving: Collection[str]) -> tuple[str, ...]:
    """Return the features to leave out so that one form of each remains: the one that lasts.

    A stable form is left out where none of the features that it replaces drifts.

    Parameters
    ----------
    columns : iterable of str
        All features.
    moving : collection of str
        Those that drift and are not to be used.

    Examples
    --------
    >>> columns = ["tenure_days", "tenure_first_year_days", "logins"]
    >>> replaced_or_stable(columns, ["tenure_days"]), replaced_or_stable(columns, [])
    (('tenure_days',), ('tenure_first_year_days',))
    >>> milestones = ["milestones_reached", "days_since_milestone", "milestones_90d"]
    >>> replaced_or_stable(milestones, ["milestones_reached"])
    ('milestones_reached',)
    """
    present = set(columns)
    levels = [level for level in STABLE_FORMS if level in present]
    needed = {STABLE_FORMS[level] for level in levels if level in moving}
    unused = {STABLE_FORMS[level] for level in levels} & present - needed
    return (*moving, *sorted(unused - set(moving)))
