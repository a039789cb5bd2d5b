"""Paired comparison of two models on the same rows, with a bootstrap over accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.inputs import FloatArray, ModelInputError, as_floats, group_codes
from models.evaluation.ranking import Interval, RankingMeasures, resampled_weights


@dataclass(frozen=True)
class Paired:
    """A metric of two models, and the difference (second minus first) with its 95 % interval."""

    first: float
    second: float
    difference: Interval


@dataclass(frozen=True)
class PairedEvaluation:
    """Comparison of two models on the same rows.

    Attributes
    ----------
    rows, events, accounts, event_accounts : int
        Size of the data that they were compared on.
    auc : Paired
        Higher is better.
    log_loss : Paired
        Lower is better.
    """

    rows: int
    events: int
    accounts: int
    event_accounts: int
    auc: Paired
    log_loss: Paired


def evaluate_paired(
    y: Any,
    first: Any,
    second: Any,
    *,
    rank_first: Any = None,
    rank_second: Any = None,
    groups: Any = None,
    n_resamples: int = 500,
    seed: int = 0,
) -> PairedEvaluation:
    """Compare the probabilities of two models.

    Parameters
    ----------
    y : array-like, shape = (n_samples,)
        Outcomes, 0 or 1; both must occur.
    first, second : array-like, shape = (n_samples,)
        Probabilities of 1, 0-1.
    rank_first, rank_second : array-like, shape = (n_samples,), optional
        Scores that rank the rows for each model's AUC; by default the probabilities.
    groups : array-like, shape = (n_samples,), optional
        The account of each row; accounts are resampled, the same ones for both models.
    n_resamples : int
        Number of bootstrap resamples for the intervals.
    seed : int
        Seed of the resampling.

    Raises
    ------
    ModelInputError
        Lengths differ, or `y` does not contain both 0 and 1.
    """
    target = as_floats(y, "y")
    if set(np.unique(target)) != {0.0, 1.0}:
        raise ModelInputError(
            "does not contain both 0 and 1",
            where="y",
            fix="compare on rows with and without events",
        )
    n = len(target)
    p = [as_floats(first, "first", n), as_floats(second, "second", n)]
    rank = [
        own if given is None else as_floats(given, "rank", n)
        for own, given in zip(p, (rank_first, rank_second), strict=True)
    ]
    codes = group_codes(groups, n)
    models = [_Metrics(target, *own) for own in zip(p, rank, strict=True)]
    point = np.stack([model(np.ones((1, n))) for model in models])[..., 0]
    # Both metrics of both models in each resample: (2, 2, n_resamples).
    drawn = np.concatenate(
        [np.stack([m(w) for m in models]) for w in resampled_weights(codes, n_resamples, seed)],
        axis=-1,
    )
    return PairedEvaluation(
        rows=n,
        events=int(target.sum()),
        accounts=int(codes.max()) + 1,
        event_accounts=len(np.unique(codes[target == 1])),
        auc=_paired(point[:, 0], drawn[:, 0]),
        log_loss=_paired(point[:, 1], drawn[:, 1]),
    )


class _Metrics:
    """AUC and log loss of one model, for a matrix of row weights."""

    def __init__(self, target: FloatArray, p: FloatArray, rank: FloatArray) -> None:
        one_list = np.zeros(len(target), dtype=np.int64)
        self.ranking = RankingMeasures(target, rank, one_list, capacity=1)
        sure = np.clip(p, 1e-15, 1 - 1e-15)
        self.row_loss = -np.log(np.where(target == 1, sure, 1 - sure))

    def __call__(self, weights: FloatArray) -> FloatArray:
        """Return both metrics, shape = (2, n_resamples)."""
        loss = weights @ self.row_loss / weights.sum(axis=1)
        return np.stack([self.ranking.auc(weights), loss])


def _paired(point: FloatArray, drawn: FloatArray) -> Paired:
    difference = Interval.of(float(point[1] - point[0]), drawn[1] - drawn[0])
    return Paired(float(point[0]), float(point[1]), difference)
