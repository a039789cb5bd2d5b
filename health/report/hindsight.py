"""What the book learns from behind: drivers of leaving, how past lists did, why scores moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.catalogue import CATALOGUE
from features.definitions.feature import Feature
from health.presentation import wording
from health.report.history import History

#: Rows shown of each table.
_MOST = 8
#: Steps of a score's change that people's own doing is behind, not the customer's.
_CONFIGURED = ("profile", "configuration")
_WORDS = {
    "behaviour": "Accounts behaved differently",
    "data": "Data went missing or came back",
    "override": "Somebody set or ended an override",
    "rule": "A cap or floor began or ended",
    "configuration": "The scorecard was changed",
}
_KIND_OF = {
    "measure": "behaviour",
    "missing": "data",
    "returned": "data",
    **dict.fromkeys(_CONFIGURED, "configuration"),
}


def driver_rows(run: Mapping[str, Any]) -> list[list[str]]:
    """Word the features that separate who left from who stayed in the past the model learnt from.

    Returns
    -------
    list of list of str
        What was typical of those who left, of those who stayed, and how often the feature alone
        tells the two apart.
    """
    rows = []
    for driver in run.get("drivers", []):
        feature = CATALOGUE.get(driver["feature"])
        if feature is None or driver["auc"] is None:
            continue
        left, stayed = (_typical(feature, driver[key]) for key in ("with_event", "without"))
        rows.append([left, stayed, f"{round(100 * driver['auc'])} times in 100"])
    return rows[:_MOST]


def _typical(feature: Feature, value: float | None) -> str:
    return wording.NONE if value is None else feature.describe(float(value))


def past_list_rows(monitor: pd.DataFrame) -> list[list[str]]:
    """Word what became of the accounts that earlier runs had listed at risk, the newest first."""
    if monitor.empty:
        return []
    newest = monitor.sort_values("as_of", ascending=False).head(_MOST)
    return [
        [
            wording.day(row["as_of"]),
            wording.count(row["listed"]),
            wording.percent(row["precision_at_capacity"]),
            f"{wording.percent(row['precision_low'])} to {wording.percent(row['precision_high'])}",
            wording.percent(row["precision_by_chance"]),
            wording.count(row["saved"]),
            wording.count(row["false_alarms"]),
        ]
        for row in newest.to_dict("records")
    ]


def cause_rows(history: History, accounts: int) -> list[list[str]]:
    """Split the book's change of health since the run before by what is behind it.

    Returns
    -------
    list of list of str
        In words, the accounts it moved, and the points it moved an account of the book on
        average; empty without an earlier run.
    """
    changes = history.changes
    if changes.empty or not accounts:
        return []
    cause = changes["kind"].map(lambda kind: _KIND_OF.get(str(kind), str(kind)))
    moved = changes.assign(cause=cause).groupby("cause")
    points, counts = moved["change"].sum(), moved["account_id"].nunique()
    return [
        [
            words,
            wording.count(int(counts.get(name, 0))),
            wording.points(float(points.get(name, 0.0)) / accounts, signed=True),
        ]
        for name, words in _WORDS.items()
    ]
