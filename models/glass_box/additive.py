"""A sum of tables: one a feature and one a chosen pair, looked up by bin number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.calibration import Calibration
from models.base.inputs import FloatArray
from models.glass_box.binning import Codes

_SWEEPS = 50


@dataclass(frozen=True)
class AdditiveTables:
    """f(x) = intercept + Σ mains[j][x_j] + Σ pairs[a, b][x_a, x_b].

    Attributes
    ----------
    intercept : float
        Mean of f over the training rows, where the tables are purified.
    mains : tuple of array, shape = (n_bins + 1,)
        One a feature; the last cell is for a missing value.
    pairs : dict of (int, int) to array, shape = (n_bins_a + 1, n_bins_b + 1)
        One a chosen pair of features.
    """

    intercept: float
    mains: tuple[FloatArray, ...]
    pairs: dict[tuple[int, int], FloatArray]

    @property
    def used_features(self) -> frozenset[int]:
        """Places of the features that f depends on; the tables of all others contain only zeros."""
        mains = (place for place, table in enumerate(self.mains) if table.any())
        return frozenset([*mains, *(place for pair in self.pairs for place in pair)])

    def decision(self, codes: Codes) -> FloatArray:
        """Return f of bin numbers (n_samples, n_features), shape = (n_samples,)."""
        result = np.full(len(codes), self.intercept)
        for place, table in enumerate(self.mains):
            if table.any():
                result += table[codes[:, place]]
        for (a, b), table in self.pairs.items():
            result += table[codes[:, a], codes[:, b]]
        return result

    def terms(self, codes: Codes) -> FloatArray:
        """Return what each table adds, shape = (n_samples, n_features + n_pairs)."""
        result = np.empty((len(codes), len(self.mains) + len(self.pairs)), order="F")
        for place, table in enumerate(self.mains):
            result[:, place] = table[codes[:, place]]
        for place, ((a, b), table) in enumerate(self.pairs.items(), start=len(self.mains)):
            result[:, place] = table[codes[:, a], codes[:, b]]
        return result

    def by_feature(self, codes: Codes, places: Sequence[int], rows: Any) -> FloatArray:
        """Return what some features add to some rows, shape = (n_rows, n_places).

        Half of what a pair adds is of each of its features (see `models.base.explanations`).
        """
        columns = [self.mains[place][codes[rows, place]] for place in places]
        at = {place: column for column, place in enumerate(places)}
        for (a, b), table in self.pairs.items():
            half = table[codes[rows, a], codes[rows, b]] / 2
            columns[at[a]] += half
            columns[at[b]] += half
        return np.column_stack(columns)

    def calibrated(self, calibration: Calibration) -> AdditiveTables:
        """Return the tables of the calibrated f."""
        slope = calibration.slope
        return AdditiveTables(
            calibration.intercept + slope * self.intercept,
            tuple(slope * table for table in self.mains),
            {pair: slope * table for pair, table in self.pairs.items()},
        )


def purified(tables: AdditiveTables, codes: Codes) -> AdditiveTables:
    """Move all that one feature explains alone out of the pairs, and all means to the intercept.

    Then every table has mean 0 over the rows given, and every pair has mean 0 given either of
    its features: a contribution is what the value adds to the average account (Lengerich et al.
    2020, "Purifying Interaction Effects"). f does not change.
    """
    mains = [table.copy() for table in tables.mains]
    pairs = {}
    for (a, b), table in tables.pairs.items():
        pure, of_a, of_b = _purified_pair(table, _joint_counts(codes, a, b, table.shape))
        mains[a] += of_a
        mains[b] += of_b
        pairs[a, b] = pure
    means = [float(table[codes[:, place]].mean()) for place, table in enumerate(mains)]
    centred = tuple(table - mean for table, mean in zip(mains, means, strict=True))
    return AdditiveTables(tables.intercept + sum(means), centred, pairs)


def _joint_counts(codes: Codes, a: int, b: int, shape: tuple[int, ...]) -> FloatArray:
    cell = codes[:, a].astype(np.int64) * shape[1] + codes[:, b]
    return np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype("float64")


def _purified_pair(
    table: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the table without its margins, and the margins of both features."""
    pure = table.copy()
    of_a, of_b = np.zeros(table.shape[0]), np.zeros(table.shape[1])
    for _ in range(_SWEEPS):
        by_a = _weighted_mean(pure, counts, axis=1)
        pure -= by_a[:, None]
        by_b = _weighted_mean(pure, counts, axis=0)
        pure -= by_b[None, :]
        of_a += by_a
        of_b += by_b
        if max(np.abs(by_a).max(), np.abs(by_b).max()) < 1e-12:
            break
    return pure, of_a, of_b


def _weighted_mean(table: FloatArray, counts: FloatArray, *, axis: int) -> FloatArray:
    """Return the mean along an axis; the plain one where nothing was counted."""
    weights = np.where(counts.sum(axis=axis, keepdims=True) > 0, counts, 1.0)
    return np.asarray((table * weights).sum(axis=axis) / weights.sum(axis=axis))
