"""Features as small whole numbers: quantile bins of a number, places of a category."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.base.inputs import FloatArray, SharedRows

#: Bin numbers, one column a feature; the last bin of a feature means not measured.
Codes = npt.NDArray[np.uint8]
#: A bin number is a byte, and one bin is for what was not measured.
MOST_BINS = 254


@dataclass(frozen=True)
class FeatureBins:
    """How one feature is binned.

    Attributes
    ----------
    name : str
        The feature.
    edges : array, shape = (n_bins − 1,), or None
        Rising lower bounds of the second bin and on; None for a category.
    categories : dict of str to int
        Bin of each category; empty for a number. What was not seen in ``fit``, and what is rarer
        than `MOST_BINS` others, counts as not measured.
    seen_missing : bool
        Whether a value was missing in ``fit``.
    """

    name: str
    edges: FloatArray | None
    categories: dict[str, int]
    seen_missing: bool

    @property
    def size(self) -> int:
        """Number of bins, without that of the missing."""
        return len(self.categories) if self.edges is None else len(self.edges) + 1

    @property
    def varies(self) -> bool:
        """Whether a split is possible at all."""
        return self.size > 1 or (self.size == 1 and self.seen_missing)

    def codes(self, values: pd.Series[Any]) -> Codes:
        """Return the bin of every value, `size` where it is missing."""
        if self.edges is None:
            places = values.map(self.categories).fillna(self.size)
            return np.asarray(places.to_numpy(), dtype=np.uint8)
        numbers = values.to_numpy(dtype="float64")
        result: Codes = np.asarray(np.searchsorted(self.edges, numbers, side="right"), np.uint8)
        result[np.isnan(numbers)] = self.size
        return result


def fit_bins(frame: pd.DataFrame, max_bins: int) -> tuple[FeatureBins, ...]:
    """Choose the bins of every column of a `model_frame`, at most `max_bins` each."""
    return tuple(_of_column(str(name), frame[name], max_bins) for name in frame.columns)


def binned(
    rows: pd.DataFrame | SharedRows,
    bins: tuple[FeatureBins, ...],
    only: Container[int] | None = None,
) -> Codes:
    """Return bin numbers, shape = (n_samples, n_features), a feature's rows side by side.

    Where the places of `only` some features are given, the others have bin 0.
    """
    result = np.zeros((len(rows), len(bins)), dtype="uint8", order="F")
    for place, feature in enumerate(bins):
        if only is not None and place not in only:
            continue
        if isinstance(rows, pd.DataFrame):
            result[:, place] = feature.codes(rows[feature.name])
        elif feature.name in rows.own.columns:
            result[:, place] = feature.codes(rows.own[feature.name])
        else:
            result[:, place] = feature.codes(rows.accounts[feature.name])[rows.place]
    return result


def _of_column(name: str, values: pd.Series[Any], max_bins: int) -> FeatureBins:
    missing = bool(values.isna().any())
    if values.dtype.kind != "f":
        common = values.dropna().value_counts(sort=True).index[:MOST_BINS]
        places = {str(category): place for place, category in enumerate(sorted(common))}
        return FeatureBins(name, None, places, missing)
    known = values.dropna().to_numpy(dtype="float64")
    return FeatureBins(name, _edges(known, max_bins), {}, missing)


def _edges(known: FloatArray, max_bins: int) -> FloatArray | None:
    if not len(known):
        return None
    distinct = np.unique(known)
    if len(distinct) <= max_bins:
        # Halves are added, not the numbers: their sum may be beyond the range of floats.
        return np.asarray(distinct[1:] / 2 + distinct[:-1] / 2)
    cuts = np.linspace(0.0, 1.0, max_bins + 1)[1:-1]
    return np.unique(np.quantile(known, cuts, method="midpoint"))
