"""The health score: points from a scorecard, with contributions that sum to it exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from health.scorecard.config import Scorecard


@dataclass(frozen=True)
class HealthScores:
    """Scores of a set of accounts and what each measure gave.

    All frames share the index of the features they were made from.

    Attributes
    ----------
    score : pd.Series, shape = (n_accounts,)
        0-100, higher is better; NaN where the account is not scored.
    coverage : pd.Series, shape = (n_accounts,)
        Weight of the measures present over all weight, 0-1.
    points : pd.DataFrame, shape = (n_accounts, n_measures)
        Points of each measure, 0-100; NaN where it is missing.
    weights : pd.DataFrame, shape = (n_accounts, n_measures)
        Effective weights after missing ones were passed on; a row sums to 1 or is all 0.
    """

    score: pd.Series[float]
    coverage: pd.Series[float]
    points: pd.DataFrame
    weights: pd.DataFrame

    @property
    def contributions(self) -> pd.DataFrame:
        """Points earned by each measure; a row sums to the score."""
        return self.weights * self.points.fillna(0.0)

    @property
    def missing(self) -> pd.DataFrame:
        """Points each measure fell short of; a row sums to 100 minus the score."""
        return self.weights * (100.0 - self.points.fillna(100.0))


def weighted_mean(scores: list[float], weights: list[float]) -> float:
    """Return the weighted mean of scores; NaN scores pass their weight to the others.

    Examples
    --------
    >>> round(weighted_mean([83, 71, 78, 54], [7, 5, 8, 3]), 2)
    74.87
    """
    values, weight = np.asarray(scores, dtype=float), np.asarray(weights, dtype=float)
    present = ~np.isnan(values)
    if not present.any():
        return float("nan")
    return float(np.average(values[present], weights=weight[present]))


def score_health(features: pd.DataFrame, scorecard: Scorecard) -> HealthScores:
    """Score accounts by a scorecard.

    A missing measure gives its weight to its siblings, a missing component to the other
    components. Coverage is the weight that was present over all weight.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_accounts, n_features)
        One row per account with the features that the scorecard names.
    scorecard : Scorecard
        Components, measures and curves.
    """
    points = pd.DataFrame(
        {
            m.feature: _points(features[m.feature], m.curve)
            for c in scorecard.components
            for m in c.measures
        },
        index=features.index,
    )
    weights, coverage = _effective_weights(points.notna(), scorecard)
    scored = (coverage >= scorecard.minimum_coverage) & (coverage > 0)
    weights = weights.where(scored, 0.0)
    score = (weights * points.fillna(0.0)).sum(axis=1).where(scored)
    return HealthScores(score, coverage, points, weights)


def band(score: pd.Series[float], scorecard: Scorecard) -> pd.Series[str]:
    """Name the band of each score: red < yellow ≤ yellow < green ≤ green; null if not scored."""
    names = np.select(
        [score.isna(), score < scorecard.bands.yellow, score < scorecard.bands.green],
        ["", "red", "yellow"],
        default="green",
    )
    return pd.Series(names, index=score.index, dtype=object).replace("", None)


def _points(values: pd.Series[float], curve: tuple[tuple[float, float], ...]) -> np.ndarray:
    corners, heights = zip(*curve, strict=True)
    known = values.to_numpy(dtype=float)
    return np.where(np.isnan(known), np.nan, np.interp(known, corners, heights))


def _effective_weights(
    present: pd.DataFrame, scorecard: Scorecard
) -> tuple[pd.DataFrame, pd.Series[float]]:
    """Pass the weight of what is missing on: within its component, then between components."""
    full = sum(c.weight for c in scorecard.components)
    weights = pd.DataFrame(0.0, index=present.index, columns=present.columns)
    coverage = pd.Series(0.0, index=present.index)
    component_weight = pd.Series(0.0, index=present.index)
    for component in scorecard.components:
        columns = [m.feature for m in component.measures]
        own = np.array([m.weight for m in component.measures])
        held = present[columns].to_numpy() * own
        held_total = held.sum(axis=1)
        share = held / np.where(held_total > 0, held_total, 1.0)[:, None]
        weights[columns] = share * component.weight
        component_weight += np.where(held_total > 0, component.weight, 0.0)
        coverage += component.weight / full * held_total / own.sum()
    divisor = component_weight.where(component_weight > 0, 1.0)
    return weights.div(divisor, axis=0), coverage
