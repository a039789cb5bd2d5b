"""AUCs of several models on the same rows, with lower bounds that hold for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from models.base.inputs import BoolArray, FloatArray, IntArray

_DRAWS = 20_000


@dataclass(frozen=True)
class ClusteredAucs:
    """AUCs and their uncertainty.

    Attributes
    ----------
    value : array, shape = (n_models,)
    standard_error : array, shape = (n_models,)
        Over accounts.
    low : array, shape = (n_models,)
        Simultaneous lower bounds.
    critical : float
        Standard errors between value and bound.
    """

    value: FloatArray
    standard_error: FloatArray
    low: FloatArray
    critical: float


def clustered_aucs(
    target: IntArray,
    scores: FloatArray,
    codes: IntArray,
    *,
    strata: Any = None,
    level: float = 0.975,
) -> ClusteredAucs:
    """Return the AUC of each model, accounts being independent and their rows not.

    With strata (dates, for example), only rows of one stratum are compared with each other: the
    AUC is the share of all such pairs in the right order.

    Covariances by placement values, summed within accounts (Obuchowski 1997, "Nonparametric
    analysis of clustered ROC curve data"). The critical value is the quantile of the largest of
    correlated t statistics, with as many degrees of freedom as accounts with the event, less
    one, so that all true AUCs lie above their bounds with probability `level`.

    Parameters
    ----------
    target : array, shape = (n_samples,)
        0 or 1.
    scores : array, shape = (n_models, n_samples)
        Higher for more likely.
    codes : array, shape = (n_samples,)
        The account of every row.
    strata : array-like, shape = (n_samples,), optional
        By default all rows are one stratum. Without any pair to compare, AUCs and bounds are 0.5.
    level : float
        Joint confidence.

    Examples
    --------
    >>> rows = np.arange(200)
    >>> aucs = clustered_aucs(rows % 2, np.stack([rows % 2 + rows / 150.0, rows]), rows)
    >>> [bool(low > 0.5) for low in aucs.low]
    [True, False]
    """
    event = target == 1
    cluster = np.unique(codes, return_inverse=True)[1]
    blocks = _blocks(strata, len(target))
    # Pairs that a row is part of.
    pairs = np.zeros(len(target))
    for rows in blocks:
        n_events = int(event[rows].sum())
        pairs[rows] = np.where(event[rows], len(rows) - n_events, n_events)
    n_pairs = float(pairs[event].sum())
    if not n_pairs:
        even = np.full(len(scores), 0.5)
        return ClusteredAucs(even, np.zeros(len(scores)), even, 0.0)
    value = np.empty(len(scores))
    parts = np.empty((len(scores), int(cluster.max()) + 1))
    for at, score in enumerate(scores):
        placed = np.zeros(len(target))
        for rows in blocks:
            if 0 < event[rows].sum() < len(rows):
                placed[rows] = _placements(score[rows], event[rows])
        value[at] = (placed * pairs)[event].sum() / n_pairs
        parts[at] = np.bincount(cluster, (placed - value[at]) * pairs / n_pairs)
    n = parts.shape[1]
    covariance = parts @ parts.T * n / max(n - 1, 1)
    error = np.sqrt(np.diag(covariance))
    degrees = max(len(np.unique(codes[event & (pairs > 0)])) - 1, 1)
    critical = _critical(covariance, degrees, level)
    # A constant has 0.5 for certain, and a perfect ranking no error to measure.
    return ClusteredAucs(value, error, value - critical * error, critical)


def _blocks(strata: Any, n_rows: int) -> list[IntArray]:
    """Return the rows of each stratum."""
    if strata is None:
        return [np.arange(n_rows)]
    found = np.unique(np.asarray(strata), return_inverse=True)[1]
    order = np.argsort(found, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(found[order])) + 1)


def _placements(score: FloatArray, event: BoolArray) -> FloatArray:
    """Return the share of rows of the other class that each row is on the right side of."""
    ranks = rankdata(score)
    n_events, n_others = int(event.sum()), int((~event).sum())
    result = np.empty(len(score))
    result[event] = (ranks[event] - rankdata(score[event])) / n_others
    result[~event] = 1.0 - (ranks[~event] - rankdata(score[~event])) / n_events
    return result


def _critical(covariance: FloatArray, degrees: int, level: float) -> float:
    """Return the quantile of the largest of correlated t statistics, by simulation."""
    spread = np.sqrt(np.diag(covariance))
    varies = spread > 0
    if not varies.any():
        return 0.0
    correlation = (covariance / np.outer(spread, spread).clip(1e-300))[np.ix_(varies, varies)]
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(values.clip(0.0))
    rng = np.random.default_rng(0)
    normal = root @ rng.standard_normal((len(values), _DRAWS))
    scale = np.sqrt(rng.chisquare(degrees, _DRAWS) / degrees)
    return float(np.quantile((normal / scale).max(axis=0), level))
