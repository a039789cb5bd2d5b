"""What each feature adds to a row's log-odds: pairs divided between two features, the strongest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.base.calibration import BASELINE
from models.base.inputs import FloatArray, IntArray

#: The separator between the names of a pair.
PAIR = " & "
#: Rows whose terms are computed at once: they fit the cache of a processor.
_BLOCK = 1024


@dataclass(frozen=True)
class Terms:
    """What each feature adds to the log-odds of some rows, computed for a few rows at a time.

    Attributes
    ----------
    names : sequence of str
        The features; one that adds nothing to any row may be left out.
    baseline : array, shape = (n_samples,)
        What belongs to no feature.
    of_rows : callable
        Returns the terms of the rows of a slice, shape = (n_rows, n_names).
    """

    names: Sequence[str]
    baseline: FloatArray
    of_rows: Callable[[slice], FloatArray]

    @classmethod
    def of(cls, contributions: pd.DataFrame) -> Terms:
        """Return the terms of a frame, a column per feature and ``baseline``."""
        names = [str(name) for name in contributions.columns if name != BASELINE]
        table = contributions[names].to_numpy(dtype=float)
        # A model reads few of the features, and a base rate none.
        moving = np.flatnonzero(table.any(axis=0))
        table = np.ascontiguousarray(table[:, moving])
        baseline = contributions[BASELINE].to_numpy(dtype=float)
        return cls([names[place] for place in moving], baseline, table.__getitem__)

    def __len__(self) -> int:
        return len(self.baseline)


@dataclass(frozen=True)
class StrongestTerms:
    """The terms of each row that move it most; those that add nothing come last.

    Attributes
    ----------
    names : sequence of str
        The features.
    places : array, shape = (n_samples, n_kept)
        The places of the features in `names`, the strongest first.
    amounts : array, shape = (n_samples, n_kept)
        What they add to the log-odds.
    rest : array, shape = (n_samples,)
        What all others add together.
    n_rest : array, shape = (n_samples,)
        How many others add anything.
    baseline : array, shape = (n_samples,)
        What belongs to no feature.
    """

    names: Sequence[str]
    places: IntArray
    amounts: FloatArray
    rest: FloatArray
    n_rest: IntArray
    baseline: FloatArray


def strongest_terms(terms: Terms, most: int) -> StrongestTerms:
    """Return the strongest terms of each row, at most so many; ties go to the first feature."""
    count = min(most, len(terms.names))
    places = np.empty((len(terms), count), dtype=np.int64)
    amounts = np.empty((len(terms), count))
    rest, n_rest = np.empty(len(terms)), np.empty(len(terms), dtype=np.int64)
    for start in range(0, len(terms), _BLOCK):
        block = slice(start, start + _BLOCK)
        table = terms.of_rows(block)
        rows, left = np.arange(len(table)), np.abs(table)
        # Looking for one after the other, in rows that fit the cache, is several times faster than
        # partitioning each row.
        for rank in range(count):
            found = left.argmax(axis=1)
            places[block, rank], amounts[block, rank] = found, table[rows, found]
            left[rows, found] = -1.0
        own = amounts[block]
        rest[block] = table.sum(axis=1) - own.sum(axis=1)
        n_rest[block] = np.count_nonzero(table, axis=1) - np.count_nonzero(own, axis=1)
    return StrongestTerms(terms.names, places, amounts, rest, n_rest, terms.baseline)


@dataclass(frozen=True)
class Explained:
    """The log-odds of rows, and their exact explanation as far as it is asked for.

    Attributes
    ----------
    log_odds : array, shape = (n_samples,)
        Those of ``decision_function``.
    terms_of : callable
        Returns the terms of the rows at some places.
    """

    log_odds: FloatArray
    terms_of: Callable[[Any], Terms]


def by_feature(contributions: pd.DataFrame) -> pd.DataFrame:
    """Assign half of each pair's contribution to each of its features.

    These are the Shapley values of a pair whose effect neither feature explains alone (Lundberg &
    Lee 2017); the tables are purified to have this property. Row sums do not change.

    Parameters
    ----------
    contributions : pd.DataFrame, shape = (n_samples, n_terms + 1)
        As from `GlassBoxClassifier.contributions`.
    """
    names = set(contributions.columns)
    parts = {name: str(name).split(PAIR) for name in names if PAIR in str(name)}
    pairs = [n for n in contributions.columns if n in parts and names.issuperset(parts[n])]
    if not pairs:
        return contributions
    columns = {name: contributions[name].to_numpy() for name in contributions.columns}
    for name in pairs:
        half = columns.pop(name) / 2
        for part in parts[name]:
            columns[part] = columns[part] + half
    return pd.DataFrame(columns, index=contributions.index, copy=False)
