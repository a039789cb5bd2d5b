"""Metrics of probabilities, with 95 % intervals from a bootstrap over accounts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.base.inputs import FloatArray, IntArray, ModelInputError, as_floats, group_codes
from models.evaluation.ranking import Interval, RankingMeasures, Ties, resampled_weights

__all__ = ["Evaluation", "Interval", "ReliabilityBin", "evaluate", "evaluate_auc", "plain"]

_N_BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """One of ten equal-count bins of the probability."""

    rows: int
    events: int
    mean_probability: float
    observed_rate: float


@dataclass(frozen=True)
class Evaluation:
    """Quality of predicted probabilities.

    Attributes
    ----------
    rows, events, accounts, event_accounts : int
        Size of the evaluated data.
    base_rate : float
        Share of rows with the event.
    auc, average_precision, brier, log_loss : Interval
        Standard metrics, as in scikit-learn.
    calibration_error : Interval
        Mean absolute difference between probability and observed rate over ten equal-count bins.
    lift_top_decile : Interval
        Event rate in the riskiest tenth ÷ base rate.
    precision_at_capacity, recall_at_capacity : Interval
        Precision and recall of lists with the `capacity` riskiest rows of each date.
    capacity : int
        Number of rows on a list.
    reliability : tuple of ReliabilityBin
        Bins, lowest probabilities first.
    """

    rows: int
    events: int
    accounts: int
    event_accounts: int
    base_rate: float
    auc: Interval
    average_precision: Interval
    brier: Interval
    log_loss: Interval
    calibration_error: Interval
    lift_top_decile: Interval
    precision_at_capacity: Interval
    recall_at_capacity: Interval
    capacity: int
    reliability: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries and lists for JSON; an undefined metric is None."""
        result: dict[str, Any] = plain(asdict(self))
        return result


def plain(value: Any) -> Any:
    """Convert nested values for JSON: tuples to lists, and numbers that are not finite to None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    y: Any,
    probability: Any,
    *,
    rank_by: Any = None,
    groups: Any = None,
    times: Any = None,
    capacity: int = 20,
    n_resamples: int = 200,
    seed: int = 0,
) -> Evaluation:
    """Evaluate `probability` on the outcomes `y`.

    Parameters
    ----------
    y : array-like, shape = (n_samples,)
        Outcomes, 0 or 1.
    probability : array-like, shape = (n_samples,)
        Probability of 1, 0-1.
    rank_by : array-like, shape = (n_samples,), optional
        Score that ranks the lists, highest first; by default the probability.
    groups : array-like, shape = (n_samples,), optional
        The account of each row; accounts are resampled, not rows.
    times : array-like, shape = (n_samples,), optional
        The as_of of each row; there is one list of `capacity` rows per date.
    capacity : int
        Number of rows on a list.
    n_resamples : int
        Number of bootstrap resamples for the intervals.
    seed : int
        Seed of the resampling.

    Raises
    ------
    ModelInputError
        Lengths differ, `y` contains values other than 0 and 1, or a probability is outside 0-1.
    """
    target = as_floats(y, "y")
    p = as_floats(probability, "probability", len(target))
    _refuse_bad(target, p)
    codes = group_codes(groups, len(target))
    dates = np.zeros(len(target), dtype=np.int64) if times is None else _date_codes(times)
    score = p if rank_by is None else as_floats(rank_by, "rank_by", len(target))
    measure = _Measures(target, p, score, dates, capacity)
    point = {name: float(v[0]) for name, v in measure(np.ones((1, len(target)))).items()}
    drawn = [measure(weights) for weights in resampled_weights(codes, n_resamples, seed)]
    intervals = {
        name: Interval.of(value, np.concatenate([d[name] for d in drawn]) if drawn else None)
        for name, value in point.items()
    }
    return Evaluation(
        rows=len(target),
        events=int(target.sum()),
        accounts=int(codes.max()) + 1,
        event_accounts=len(np.unique(codes[target == 1])),
        base_rate=float(target.mean()),
        capacity=capacity,
        reliability=_reliability(measure),
        **intervals,
    )


def evaluate_auc(
    y: Any, probability: Any, *, groups: Any = None, n_resamples: int = 200, seed: int = 0
) -> Interval:
    """Return the AUC of `evaluate` alone, in a tenth of the time.

    Parameters
    ----------
    y, probability, groups, n_resamples, seed
        As for `evaluate`.
    """
    target = as_floats(y, "y")
    p = as_floats(probability, "probability", len(target))
    _refuse_bad(target, p)
    codes = group_codes(groups, len(target))
    ranking = RankingMeasures(target, p, np.zeros(len(target), dtype=np.int64), capacity=1)
    drawn = [ranking.auc(weights) for weights in resampled_weights(codes, n_resamples, seed)]
    point = float(ranking.auc(np.ones((1, len(target))))[0])
    return Interval.of(point, np.concatenate(drawn) if drawn else None)


def _refuse_bad(target: FloatArray, p: FloatArray) -> None:
    if not len(target):
        raise ModelInputError("no rows to evaluate", where="y", fix="give at least one row")
    if not np.isin(target, (0.0, 1.0)).all():
        raise ModelInputError(
            "contains values other than 0 and 1",
            where="y",
            fix="leave out rows with unknown labels",
        )
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ModelInputError(
            f"{int(bad.sum())} values outside 0-1, e.g. {p[bad][0]}", where="probability"
        )


def _date_codes(times: Any) -> IntArray:
    return np.unique(np.asarray(times), return_inverse=True)[1].astype(np.int64)


class _Measures:
    """All metrics at once for a matrix of row weights, (n_resamples, n_samples)."""

    def __init__(
        self,
        target: FloatArray,
        p: FloatArray,
        score: FloatArray,
        dates: IntArray,
        capacity: int,
    ) -> None:
        self.target, self.p = target, p
        self.ranking = RankingMeasures(target, score, dates, capacity)
        self.by_p = Ties.of(p, np.zeros_like(dates))
        self.surplus = (target - p)[self.by_p.order]
        sure = np.clip(p, 1e-15, 1 - 1e-15)
        self.row_log_loss = -np.log(np.where(target == 1, sure, 1 - sure))
        self.row_brier = (p - target) ** 2

    def __call__(self, weights: FloatArray) -> dict[str, FloatArray]:
        total = weights.sum(axis=1)
        return {
            **self.ranking(weights),
            "brier": weights @ self.row_brier / total,
            "log_loss": weights @ self.row_log_loss / total,
            "calibration_error": self._calibration_error(weights) / total,
        }

    def bins(self, ordered: FloatArray) -> IntArray:
        """Return the place of the first row of each equal-count bin, the riskiest bin first.

        A row of weights has `_N_BINS` + 1 places, the last of them after all rows; rows with the
        same probability are in one bin, that of their middle.
        """
        rows = np.add.reduceat(ordered, self.by_p.starts, axis=1)
        middle = np.cumsum(rows, axis=1) - rows / 2
        place = middle / rows.sum(axis=1, keepdims=True) * _N_BINS
        first = np.array([np.searchsorted(own, np.arange(1, _N_BINS)) for own in place])
        starts = np.append(self.by_p.starts, len(self.p))
        return np.pad(starts[first], ((0, 0), (1, 1)), constant_values=(0, len(self.p)))

    def _calibration_error(self, weights: FloatArray) -> FloatArray:
        """Return the sum over bins of the difference between events and probabilities."""
        ordered = np.take(weights, self.by_p.order, axis=1)
        bins = self.bins(ordered)
        upto = np.zeros((len(weights), weights.shape[1] + 1))
        np.cumsum(ordered * self.surplus, axis=1, out=upto[:, 1:])
        surplus = np.diff(np.take_along_axis(upto, bins, axis=1))
        return np.asarray(np.abs(surplus).sum(axis=1))


def _reliability(measure: _Measures) -> tuple[ReliabilityBin, ...]:
    order, starts = measure.by_p.order, measure.by_p.starts
    bounds = measure.bins(np.ones((1, len(order))))[0]
    place = np.searchsorted(bounds[1:-1], starts, side="right")
    rows = np.diff(np.append(starts, len(order)))
    counts = np.bincount(place, weights=rows, minlength=_N_BINS)
    summed_p = np.bincount(place, weights=rows * measure.p[order][starts], minlength=_N_BINS)
    events = np.add.reduceat(measure.target[order], starts)
    summed_y = np.bincount(place, weights=events, minlength=_N_BINS)
    return tuple(
        ReliabilityBin(
            rows=int(counts[b]),
            events=int(summed_y[b]),
            mean_probability=float(summed_p[b] / counts[b]),
            observed_rate=float(summed_y[b] / counts[b]),
        )
        for b in reversed(range(_N_BINS))
        if counts[b]
    )
