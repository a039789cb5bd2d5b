"""Looking back: drivers of churn, how past lists did, why scores changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.catalogue import CATALOGUE
from features.definitions.feature import Feature
from features.definitions.metrics import Z_95
from health.presentation import wording
from health.reasons.signals import signal_of
from health.report.history import History

#: Rows shown of each table.
_MOST = 8
#: With fewer churned accounts, what they have in common is chance.
FEWEST_CHURNED = 10
_WORDS = {
    "behaviour": "Customer behaviour changed",
    "data": "Data went missing or came back",
    "override": "An override was set or ended",
    "rule": "A cap or floor started or ended",
    "configuration": "The scorecard changed",
}


def driver_rows(run: Mapping[str, Any]) -> list[list[str]]:
    """Describe the features that best separate accounts that left from those that stayed.

    Returns
    -------
    list of list of str
        What was typical of accounts that left, what of those that stayed, and the AUC of the
        feature on its own with its 95 % interval; of each signal the best one. Empty where fewer
        than `FEWEST_CHURNED` accounts left.
    """
    left, stayed = _outcomes(run)
    if left < FEWEST_CHURNED:
        return []
    rows, signals = [], set()
    for driver in run.get("drivers", []):
        feature = CATALOGUE.get(driver["feature"])
        if feature is None or driver["auc"] is None or signal_of(feature.name) in signals:
            continue
        signals.add(signal_of(feature.name))
        known = 1.0 - float(driver.get("missing_share") or 0.0)
        low, high = auc_interval(driver["auc"], left * known, stayed * known)
        typical = [_typical(feature, driver[key]) for key in ("with_event", "without")]
        rows.append([*typical, f"{driver['auc']:.2f} ({low:.2f} to {high:.2f})"])
    return rows[:_MOST]


def driver_note(run: Mapping[str, Any]) -> str:
    """State how many accounts are behind `driver_rows`."""
    left, stayed = _outcomes(run)
    return (
        f"{wording.count(left, 'account')} that left and {wording.count(stayed)} that stayed, "
        "in the past data that the model was trained on. AUC of each feature on its own, with its "
        "95 % interval: 0.5 is chance, 1 is perfect. A correlation need not be the cause."
    )


def _outcomes(run: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many accounts left and how many stayed in the past."""
    judged = run.get("evaluation", {}).get("churn") or {}
    left = int(judged.get("event_accounts") or 0)
    return left, max(int(judged.get("accounts") or 0) - left, 0)


def auc_interval(auc: float, positives: float, negatives: float) -> tuple[float, float]:
    """Return the 95 % interval of an AUC from the counts alone (Hanley & McNeil 1982).

    Examples
    --------
    >>> low, high = auc_interval(0.8, 50, 200)
    >>> round(low, 2), round(high, 2)
    (0.72, 0.88)
    """
    if positives < 1 or negatives < 1:
        return 0.0, 1.0
    both_up, both_down = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc)
    spread += (positives - 1) * (both_up - auc**2) + (negatives - 1) * (both_down - auc**2)
    reach = Z_95 * math.sqrt(max(spread, 0.0) / (positives * negatives))
    return max(auc - reach, 0.0), min(auc + reach, 1.0)


def _typical(feature: Feature, value: float | None) -> str:
    return wording.NONE if value is None else feature.describe(float(value))


def past_list_rows(monitor: pd.DataFrame) -> list[list[str]]:
    """Describe what happened to the accounts that earlier runs listed at risk, newest first."""
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
    """Split the book's change of health since the previous run by its cause.

    Returns
    -------
    list of list of str
        Cause, accounts that it moved, and the average change over all accounts in points; empty
        without an earlier run.
    """
    causes = history.causes
    if causes.empty or not accounts:
        return []
    by_cause = causes.groupby("cause")
    counts, points = by_cause["accounts"].sum(), by_cause["points"].sum()
    return [
        [
            words,
            wording.count(int(counts.get(name, 0))),
            wording.points(float(points.get(name, 0.0)) / accounts, signed=True),
        ]
        for name, words in _WORDS.items()
    ]
