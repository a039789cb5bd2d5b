"""Effective weights: how the weight of missing measures is redistributed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from health.settings.scorecard import Card


@dataclass(frozen=True)
class Weighed:
    """The weighted mean of accounts' points and its parts.

    Attributes
    ----------
    score : np.ndarray, shape = (n_rows,)
        0-100; 0 if there are no points.
    weights : np.ndarray, shape = (n_rows, n_measures)
        Effective weights; a row sums to 1, or to 0 if there are no points.
    points : np.ndarray, shape = (n_rows, n_measures)
        Points with missing ones filled by the policy of the measure; 0 if they have no weight.
    coverage : np.ndarray, shape = (n_rows,)
        Share of the weight of measures with data, 0-1.
    """

    score: np.ndarray
    weights: np.ndarray
    points: np.ndarray
    coverage: np.ndarray

    @property
    def earned(self) -> np.ndarray:
        """Points that each measure contributes to the score."""
        earned: np.ndarray = self.weights * self.points
        return earned

    @property
    def missing(self) -> np.ndarray:
        """Points that each measure misses to its maximum."""
        short: np.ndarray = self.weights * (100.0 - self.points)
        return short


def weigh(points: np.ndarray, card: Card) -> Weighed:
    """Return the weighted mean of points in components, and of components in the score.

    The weight of a missing measure goes to the other measures of its component, that of a missing
    component to the other components. With another policy, a measure keeps its weight and gets the
    points of the policy, but never counts towards coverage.

    Parameters
    ----------
    points : np.ndarray, shape = (n_rows, n_measures)
        In the order of the card's measures; NaN if a value is missing.
    card : Card
        Weights and policies.
    """
    present = ~np.isnan(points)
    fills = np.array([np.nan if m.fill is None else m.fill for m in card.measures])
    filled = np.where(present, points, fills)
    weights = _redistributed(~np.isnan(filled), card)
    filled = np.nan_to_num(filled)
    coverage = present @ _full_weights(card)
    return Weighed((weights * filled).sum(axis=1), weights, filled, coverage)


def _full_weights(card: Card) -> np.ndarray:
    """Return each measure's share of the weight if nothing is missing; sums to 1."""
    full = sum(component.weight for component in card.components)
    shares = []
    for component in card.components:
        own = np.array([m.weight for m in component.measures])
        shares.append(component.weight / full * own / own.sum())
    return np.concatenate(shares)


def _redistributed(present: np.ndarray, card: Card) -> np.ndarray:
    """Redistribute the weight of missing measures: within components, then between them."""
    weights = np.zeros(present.shape)
    total = np.zeros(len(present))
    start = 0
    for component in card.components:
        columns = slice(start, start + len(component.measures))
        start = columns.stop
        own = present[:, columns] * np.array([m.weight for m in component.measures])
        sums = own.sum(axis=1)
        divisor = np.where(sums > 0, sums, 1.0)[:, None]
        weights[:, columns] = own / divisor * component.weight
        total += np.where(sums > 0, component.weight, 0.0)
    return weights / np.where(total > 0, total, 1.0)[:, None]
