"""Ranking metrics, computed for many resamples of the accounts at once.

Rows with the same score form a block, and a list includes a fraction of it, so no metric depends on
the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.base.inputs import FloatArray, IntArray

#: Maximum number of cells of a matrix of resampled weights: 32 MB.
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A metric with its 95 % interval; NaN if it is undefined."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, drawn: FloatArray | None) -> Interval:
        """Return the interval between the 0.025 and 0.975 quantiles of resampled values."""
        known = np.empty(0) if drawn is None else drawn[np.isfinite(drawn)]
        if not len(known):
            return cls(value, float("nan"), float("nan"))
        low, high = np.quantile(known, [0.025, 0.975])
        return cls(value, float(low), float(high))


def resampled_weights(codes: IntArray, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """Draw accounts with replacement, in chunks that fit into memory.

    Parameters
    ----------
    codes : array, shape = (n_samples,)
        The account of each row, 0 … n_accounts − 1.
    n_resamples : int
        Total number of draws; the same seed gives the same draws.

    Yields
    ------
    array, shape = (n_drawn, n_samples)
        How often each row counts.
    """
    rng = np.random.default_rng(seed)
    n_groups = int(codes.max()) + 1
    step = max(1, _CHUNK_CELLS // len(codes))
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        drawn = rng.multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=size)
        yield drawn.astype("float64")[:, codes]


@dataclass(frozen=True)
class Ties:
    """Rows by descending score, in blocks with the same score and list."""

    order: IntArray
    starts: IntArray

    @classmethod
    def of(cls, score: FloatArray, lists: IntArray) -> Ties:
        """Sort rows by list, then by descending score."""
        order = np.lexsort((-score, lists))
        same = (np.diff(score[order]) == 0) & (np.diff(lists[order]) == 0)
        return cls(order, np.flatnonzero(np.r_[True, ~same]))

    def sums(self, weights: FloatArray) -> FloatArray:
        """Sum each row of `weights` (n_resamples, n_samples) over the ties."""
        return np.asarray(np.add.reduceat(weights[:, self.order], self.starts, axis=1))


class RankingMeasures:
    """AUC, average precision, lift, precision and recall of lists, for matrices of weights.

    Parameters
    ----------
    target : array, shape = (n_samples,)
        Outcomes, 0 or 1.
    score : array, shape = (n_samples,)
        Score that ranks the rows, highest first; without NaN.
    lists : array, shape = (n_samples,)
        Number of the list that each row belongs to: one list per date, or per date and CSM.
    capacity : int or array, shape = (n_samples,)
        Number of rows on each list; an array if it differs between lists.
    """

    def __init__(
        self, target: FloatArray, score: FloatArray, lists: IntArray, capacity: int | FloatArray
    ) -> None:
        self.target = target
        self.pooled = Ties.of(score, np.zeros_like(lists))
        self.by_list = Ties.of(score, lists)
        room = np.broadcast_to(np.asarray(capacity, dtype=np.float64), len(target))
        self.capacity = room[self.by_list.order][self.by_list.starts]
        tie_lists = lists[self.by_list.order][self.by_list.starts]
        self.first_of_list = np.searchsorted(tie_lists, tie_lists)

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return each metric for each row of `weights`, (n_resamples, n_samples)."""
        rows = self.pooled.sums(weights)
        events = self.pooled.sums(weights * self.target)
        precision, recall = self._at_capacity(weights)
        return {
            "auc": _auc(rows, events),
            "average_precision": _average_precision(rows, events),
            "lift_top_decile": _lift(rows, events, share=0.1),
            "precision_at_capacity": precision,
            "recall_at_capacity": recall,
        }

    def _at_capacity(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows = self.by_list.sums(weights)
        events = self.by_list.sums(weights * self.target)
        above = np.cumsum(rows, axis=1) - rows
        above = above - above[:, self.first_of_list]
        taken = np.clip(self.capacity - above, 0.0, rows)
        hits = ratio(events * taken, rows).sum(axis=1)
        nothing = np.where(events.sum(axis=1) > 0, 0.0, np.nan)
        return (
            ratio(hits, taken.sum(axis=1)),
            ratio(hits, events.sum(axis=1)) + nothing,
        )


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; the result is 0 if the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _auc(rows: FloatArray, events: FloatArray) -> FloatArray:
    others = rows - events
    below = others.sum(axis=1, keepdims=True) - np.cumsum(others, axis=1)
    wins = (events * (below + others / 2)).sum(axis=1)
    pairs = events.sum(axis=1) * others.sum(axis=1)
    return np.where(pairs > 0, ratio(wins, pairs), np.nan)


def _average_precision(rows: FloatArray, events: FloatArray) -> FloatArray:
    precision = ratio(np.cumsum(events, axis=1), np.cumsum(rows, axis=1))
    total = events.sum(axis=1)
    return np.where(total > 0, ratio((events * precision).sum(axis=1), total), np.nan)


def _lift(rows: FloatArray, events: FloatArray, *, share: float) -> FloatArray:
    total, n_events = rows.sum(axis=1), events.sum(axis=1)
    above = np.cumsum(rows, axis=1) - rows
    taken = np.clip(share * total[:, None] - above, 0.0, rows)
    hits = ratio(events * taken, rows).sum(axis=1)
    return np.where(n_events > 0, ratio(hits, share * n_events), np.nan)
