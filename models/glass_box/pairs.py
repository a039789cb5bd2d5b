"""Which pairs of features are worth a table of their own."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import expit

from models.base.inputs import FloatArray, IntArray
from models.glass_box.binning import Codes

#: Standard errors above noise from which a pair is tried; held-out accounts decide.
_CLEAR = 2.0
#: Coarse bins in which a pair is tried.
_COARSE = 8


def strongest_pairs(
    codes: Codes, target: IntArray, logit: FloatArray, most: int, *, among: IntArray
) -> tuple[tuple[int, int], ...]:
    """Return the pairs that explain most of what the single features leave over.

    The gain of a second-order step on a coarse table of the pair, less that of its two margins
    and less what noise would give; after Lou et al. 2013, "Accurate Intelligible Models with
    Pairwise Interactions".

    Parameters
    ----------
    codes : array, shape = (n_samples, n_features)
        Bin numbers.
    target : array, shape = (n_samples,)
        0 or 1.
    logit : array, shape = (n_samples,)
        Log-odds by single features, of rows the model has not seen.
    most : int
        How many pairs.
    among : array of int
        The features that are tried: all pairs of hundreds would take longer than the fit.
    """
    p = expit(logit)
    coarse = {int(place): _coarse(codes[:, place]) for place in among}
    gains = {
        (a, b): _gain(coarse[a], coarse[b], target - p, p * (1 - p))
        for a, b in combinations(sorted(coarse), 2)
    }
    ranked = sorted(gains, key=lambda pair: (-gains[pair], pair))
    return tuple(pair for pair in ranked[:most] if gains[pair] > _CLEAR)


def _coarse(column: Codes) -> IntArray:
    """Merge neighbouring bins until few, about equally full ones are left."""
    counts = np.bincount(column)
    middle = (np.cumsum(counts) - counts / 2) / len(column)
    merged = (middle * _COARSE).astype(np.int64)
    # Empty numbers between the merged bins would only make the tables larger.
    return np.asarray(np.unique(merged, return_inverse=True)[1][column], dtype=np.int64)


def _gain(a: IntArray, b: IntArray, gradient: FloatArray, hessian: FloatArray) -> float:
    """Return by how many standard errors the pair's gain exceeds that of noise."""
    shape = (int(a.max()) + 1, int(b.max()) + 1)
    cell = a * shape[1] + b
    size = shape[0] * shape[1]
    g = np.asarray(np.bincount(cell, gradient, size).reshape(shape), dtype="float64")
    h = np.asarray(np.bincount(cell, hessian, size).reshape(shape), dtype="float64")

    def step(slopes: FloatArray, curves: FloatArray) -> float:
        return float((slopes**2 / (curves + 1.0)).sum())

    gain = step(g, h) - step(g.sum(axis=1), h.sum(axis=1)) - step(g.sum(axis=0), h.sum(axis=0))
    freedom = max((h > 0).sum() - shape[0] - shape[1] + 1, 1)
    return float((gain - freedom) / np.sqrt(2.0 * freedom))
