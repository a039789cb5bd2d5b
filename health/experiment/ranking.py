"""Ordering lists by who can be saved: only with an experiment that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from health.business.kinds import business_of_tables
from health.experiment.assignment import assignments
from health.experiment.outcomes import BASELINE, with_outcomes
from health.experiment.responders import SEGMENT, who_responds, with_segments
from health.runs.directory import PublishedRun
from health.settings.config import Config
from models.uplift.savable import SavableModel

_FIX = 'set rank = "value"; `health experiment` reports how many more weeks are needed'


def savable_estimate(
    tables: Tables, runs: Sequence[PublishedRun], config: Config, day: datetime
) -> Callable[[pd.DataFrame], pd.Series[float]]:
    """Return what estimates how much a contact lowers each account's chance of leaving.

    Parameters
    ----------
    tables : Tables
    runs : sequence of PublishedRun
        Runs before the date.
    config : Config
    day : datetime
        Exclusive end of what is known.

    Returns
    -------
    callable
        From the scores of a run to a share by account_id, positive where contact helps. Of
        several experiments, the one with most accounts whose ranking holds on later assignments.

    Raises
    ------
    HealthError
        No experiment ranks accounts better than chance: there is nothing to order lists by.
    """
    where = f"{config.file}: [flags] rank"
    if not business_of_tables(tables).has_terms:
        raise HealthError(
            "without contracts nobody is seen leaving, so nobody can be called savable",
            where=where,
            fix='set rank = "value"',
        )
    assigned = assignments(tables, runs, day)
    refused = []
    sizes = assigned["experiment"].value_counts()
    for name in sizes.index:
        rows = with_outcomes(
            assigned[assigned["experiment"] == name],
            tables,
            runs,
            day,
            horizon_days=config.labels.horizon_days,
            grace_days=config.labels.grace_days,
        )
        found = who_responds(with_segments(rows, tables))
        if found.model is not None and found.model.is_on_:
            return _Estimate(found.model)
        refused.append(f"{name}: {found.savable.rstrip('.')}")
    reasons = "; ".join(refused) or "there is no experiment with a known outcome"
    raise HealthError(
        f"lists cannot be ordered by who can be saved. {reasons}", where=where, fix=_FIX
    )


class _Estimate:
    """The model's estimate for the accounts of a run."""

    def __init__(self, model: SavableModel) -> None:
        self._model = model

    def __call__(self, scores: pd.DataFrame) -> pd.Series[float]:
        state = scores.reindex(columns=["account_id", *BASELINE, SEGMENT])
        effect = -self._model.predict_effect(state[[*BASELINE, SEGMENT]])
        return pd.Series(effect, index=pd.Index(state["account_id"]))
