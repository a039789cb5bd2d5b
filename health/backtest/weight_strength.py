"""How strongly the hand-set weights hold: chosen on earlier blocks of dates only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from health.backtest.weight_fit import Learnt, PointRows, fit_weights
from models.base.inputs import FloatArray, IntArray, ModelInputError
from models.base.splits import TimeSplit

#: From holding the hand-set weights fast to letting them go.
STRENGTHS = (float("inf"), 0.1, 0.03, 0.01, 0.003, 0.001)
_BLOCKS = 3


def learn(
    sets: Sequence[PointRows],
    churned: FloatArray,
    codes: IntArray,
    times: object,
    *,
    embargo_days: int,
) -> Learnt:
    """Choose the strength on later blocks of these rows, then fit on all of them.

    Of the strengths whose log loss is not told from the best one's by a standard error, the
    strongest is taken; where the history is too short to try any, the hand-set weights stand.

    Parameters
    ----------
    sets : sequence of PointRows
        Which together hold every row once.
    churned : array, shape = (n_rows,)
        1 or 0.
    codes : array, shape = (n_rows,)
        The account of every row.
    times : array-like, shape = (n_rows,)
        The as_of of every row.
    embargo_days : int
        Horizon + grace.
    """
    strength = _chosen(sets, churned, codes, times, embargo_days)
    return fit_weights(sets, churned, strength)


def _chosen(
    sets: Sequence[PointRows],
    churned: FloatArray,
    codes: IntArray,
    times: object,
    embargo_days: int,
) -> float:
    folds = _folds(times, len(churned), embargo_days)
    losses = {strength: [] for strength in STRENGTHS}  # type: dict[float, list[FloatArray]]
    tested: list[IntArray] = []
    for train, test in folds:
        if not 0 < churned[train].sum() < len(train):
            continue
        tested.append(test)
        own, other = _part(sets, train, len(churned)), _part(sets, test, len(churned))
        for strength in STRENGTHS:
            logit = fit_weights(own, churned[train], strength).logit(other, len(test))
            losses[strength].append(_row_losses(logit, churned[test]))
    if not tested:
        return float("inf")
    rows = np.concatenate(tested)
    by_strength = {strength: np.concatenate(parts) for strength, parts in losses.items()}
    best = min(STRENGTHS, key=lambda s: float(by_strength[s].mean()))
    for strength in STRENGTHS:
        worse = by_strength[strength] - by_strength[best]
        by_account = np.bincount(codes[rows], weights=worse)
        if worse.sum() <= np.sqrt(by_account @ by_account):
            return strength
    return best


def _folds(times: object, n_rows: int, embargo_days: int) -> list[tuple[IntArray, IntArray]]:
    for blocks in range(_BLOCKS, 0, -1):
        splitter = TimeSplit(blocks, embargo_days=embargo_days, times=times)
        try:
            return list(splitter.split(np.empty((n_rows, 1))))
        except ModelInputError:
            continue
    return []


def _part(sets: Sequence[PointRows], places: IntArray, n_rows: int) -> list[PointRows]:
    chosen = np.zeros(n_rows, dtype=bool)
    chosen[places] = True
    return [own.take(chosen) for own in sets]


def _row_losses(logit: FloatArray, churned: FloatArray) -> FloatArray:
    return np.asarray(np.logaddexp(0.0, logit) - churned * logit)
