"""Ranking metrics, computed for many resamples of the accounts at once.

Rows with the same score form a block, and a list includes a fraction of it, so no metric depends on
the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.base.inputs import FloatArray, IntArray

#: Maximum number of cells of a matrix of resampled weights: 2 MB, which a processor's cache holds.
_CHUNK_CELLS = 250_000


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
    """Draw accounts with replacement, in chunks that fit into a cache.

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


@dataclass(frozen=True)
class _Counts:
    """Weights of rows in order of their rank, and of the ties in which an event happened.

    Attributes
    ----------
    upto : array, shape = (n_resamples, n_samples + 1)
        Rows among the first 0, 1, … rows.
    above, rows, events : array, shape = (n_resamples, n_ties)
        Rows before the tie, rows of the tie, and those of them with the event.
    """

    upto: FloatArray
    above: FloatArray
    rows: FloatArray
    events: FloatArray


class _Ranked:
    """Rows in order of their rank; metrics need only the ties in which an event happened.

    Attributes
    ----------
    ties : Ties
    events : array, shape = (n_events,)
        Rows with the event, in order.
    first_event : array, shape = (n_ties,)
        Place of each tie's first row among `events`.
    begin, end : array, shape = (n_ties,)
        Place of each tie's first row, and of the row after it, in order.
    """

    def __init__(self, target: FloatArray, score: FloatArray, lists: IntArray) -> None:
        self.ties = Ties.of(score, lists)
        order, starts = self.ties.order, self.ties.starts
        places = np.flatnonzero(target[order] == 1)
        self.events = order[places]
        tie, self.first_event = np.unique(
            np.searchsorted(starts, places, side="right") - 1, return_index=True
        )
        self.begin, self.end = starts[tie], np.append(starts[1:], len(order))[tie]

    def counts(self, weights: FloatArray) -> _Counts:
        """Count rows and events for each row of `weights`, (n_resamples, n_samples)."""
        upto = np.zeros((len(weights), weights.shape[1] + 1))
        np.cumsum(np.take(weights, self.ties.order, axis=1), axis=1, out=upto[:, 1:])
        above = np.take(upto, self.begin, axis=1)
        events = np.add.reduceat(np.take(weights, self.events, axis=1), self.first_event, axis=1)
        return _Counts(upto, above, np.take(upto, self.end, axis=1) - above, events)


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
        self.pooled = _Ranked(target, score, np.zeros_like(lists))
        one_list = bool((lists == lists[0]).all())
        self.by_list = self.pooled if one_list else _Ranked(target, score, lists)
        order = self.by_list.ties.order
        self.bounds = np.flatnonzero(np.diff(lists[order], prepend=-1, append=-1))
        self.tie_list = np.searchsorted(self.bounds, self.by_list.begin, side="right") - 1
        room = np.broadcast_to(np.asarray(capacity, dtype=np.float64), len(target))
        self.capacity = room[order][self.bounds[:-1]]

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return each metric for each row of `weights`, (n_resamples, n_samples)."""
        pooled = self.pooled.counts(weights)
        by_list = pooled if self.by_list is self.pooled else self.by_list.counts(weights)
        precision, recall = self._at_capacity(by_list)
        return {
            "auc": _auc(pooled),
            "average_precision": _average_precision(pooled),
            "lift_top_decile": _lift(pooled, share=0.1),
            "precision_at_capacity": precision,
            "recall_at_capacity": recall,
        }

    def auc(self, weights: FloatArray) -> FloatArray:
        """Return the AUC alone for each row of `weights`."""
        return _auc(self.pooled.counts(weights))

    def _at_capacity(self, counts: _Counts) -> tuple[FloatArray, FloatArray]:
        upto_list = np.take(counts.upto, self.bounds, axis=1)
        above = counts.above - np.take(upto_list, self.tie_list, axis=1)
        taken = np.clip(self.capacity[self.tie_list] - above, 0.0, counts.rows)
        hits = ratio(counts.events * taken, counts.rows).sum(axis=1)
        listed = np.minimum(self.capacity, np.diff(upto_list, axis=1)).sum(axis=1)
        n_events = counts.events.sum(axis=1)
        nothing = np.where(n_events > 0, 0.0, np.nan)
        return ratio(hits, listed), ratio(hits, n_events) + nothing


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; the result is 0 if the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _auc(counts: _Counts) -> FloatArray:
    n_events = counts.events.sum(axis=1)
    n_others = counts.upto[:, -1] - n_events
    others = counts.rows - counts.events
    events_above = np.cumsum(counts.events, axis=1) - counts.events
    below = n_others[:, None] - (counts.above - events_above) - others
    wins = (counts.events * (below + others / 2)).sum(axis=1)
    pairs = n_events * n_others
    return np.where(pairs > 0, ratio(wins, pairs), np.nan)


def _average_precision(counts: _Counts) -> FloatArray:
    precision = ratio(np.cumsum(counts.events, axis=1), counts.above + counts.rows)
    total = counts.events.sum(axis=1)
    return np.where(total > 0, ratio((counts.events * precision).sum(axis=1), total), np.nan)


def _lift(counts: _Counts, *, share: float) -> FloatArray:
    total, n_events = counts.upto[:, -1], counts.events.sum(axis=1)
    taken = np.clip(share * total[:, None] - counts.above, 0.0, counts.rows)
    hits = ratio(counts.events * taken, counts.rows).sum(axis=1)
    return np.where(n_events > 0, ratio(hits, share * n_events), np.nan)
