"""The fit: a logistic model of churn on the health score, whose weights are fitted, too.

P(churn) = σ(a − b · score(w) ⁄ 10), the score as the scorecard makes it: a missing measure gives
its weight to its siblings, a missing component to the others. The weights w stay positive because
their logarithms are fitted. A penalty λ Σ (log w − log w₀)² keeps them close to the configured
weights w₀, so a weight changes only as far as the outcomes require.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from health.settings.measure import Component
from models.base.inputs import FloatArray, IntArray

_POINTS_PER_UNIT = 10.0
#: Where the search starts. At a slope of 0 no weight matters, so a score without any relation to
#: churn would leave the weights unchanged: one search starts with a steep slope.
_FIRST_SLOPES = (0.1, 1.0)


@dataclass(frozen=True)
class PointRows:
    """Rows scored by one set of components.

    Attributes
    ----------
    components : tuple of Component
        The set.
    rows : array, shape = (n_own_rows,)
        Their places among all rows.
    points : array, shape = (n_own_rows, n_measures)
        0-100 in the order of the measures, NaN where the value is missing and its weight goes to
        other measures.
    """

    components: tuple[Component, ...]
    rows: IntArray
    points: FloatArray

    def take(self, chosen: FloatArray | IntArray) -> PointRows:
        """Return the rows in a mask over all rows, numbered from 0."""
        own = np.asarray(chosen, dtype=bool)[self.rows]
        places = np.cumsum(np.asarray(chosen, dtype=bool)) - 1
        return PointRows(self.components, places[self.rows[own]], self.points[own])


@dataclass(frozen=True)
class Learnt:
    """Fitted weights.

    Attributes
    ----------
    log_weights : tuple of array
        By set of components: the components' weights, then the measures', as logarithms.
    intercept, slope : float
        a, and b per ten points of the score.
    strength : float
        λ; infinite if the configured weights stay.
    """

    log_weights: tuple[FloatArray, ...]
    intercept: float
    slope: float
    strength: float

    def logit(self, sets: Sequence[PointRows], n_rows: int) -> FloatArray:
        """Return the log-odds of churn, shape = (n_rows,)."""
        return self.intercept - self.slope * self.score(sets, n_rows) / _POINTS_PER_UNIT

    def score(self, sets: Sequence[PointRows], n_rows: int) -> FloatArray:
        """Return the health score under the learned weights, shape = (n_rows,)."""
        score = np.full(n_rows, np.nan)
        for own, log_weights in zip(sets, self.log_weights, strict=True):
            score[own.rows] = score_and_slopes(own, log_weights)[0]
        return score


def hand_set(components: tuple[Component, ...]) -> FloatArray:
    """Return the logarithms of the weights as they are: components, then measures."""
    weights = [c.weight for c in components] + [m.weight for c in components for m in c.measures]
    return np.asarray(np.log(weights), dtype=np.float64)


def score_and_slopes(own: PointRows, log_weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the score of each row, and its derivative by each logarithm of a weight.

    With A the effective weight of a component and s its score, ∂score/∂log C = A (s − score), and
    within it ∂score/∂log w = A w ⁄ Σw (p − s), over the measures present.
    """
    n_parts = len(own.components)
    weights = np.exp(log_weights)
    held = ~np.isnan(own.points)
    points = np.nan_to_num(own.points)
    part_score = np.zeros((len(points), n_parts))
    shares = np.zeros(points.shape)
    part_of = np.repeat(np.arange(n_parts), [len(c.measures) for c in own.components])
    for part in range(n_parts):
        columns = part_of == part
        own_weight = held[:, columns] * weights[n_parts:][columns]
        total = own_weight.sum(axis=1, keepdims=True)
        shares[:, columns] = own_weight / np.where(total > 0, total, 1.0)
        part_score[:, part] = (shares[:, columns] * points[:, columns]).sum(axis=1)
    present = np.stack([held[:, part_of == part].any(axis=1) for part in range(n_parts)], axis=1)
    effective = present * weights[:n_parts]
    effective = effective / np.maximum(effective.sum(axis=1, keepdims=True), 1e-12)
    score = (effective * part_score).sum(axis=1)
    by_part = effective * (part_score - score[:, None])
    by_measure = effective[:, part_of] * shares * (points - part_score[:, part_of])
    return score, np.hstack([by_part, by_measure])


def fit_weights(sets: Sequence[PointRows], churned: FloatArray, strength: float) -> Learnt:
    """Fit weights, intercept and slope by penalised likelihood.

    Parameters
    ----------
    sets : sequence of PointRows
        Together they contain every row once.
    churned : array, shape = (n_rows,)
        1 or 0.
    strength : float
        λ per row; infinite leaves the weights as they are.
    """
    start = [hand_set(own.components) for own in sets]
    sizes = np.cumsum([0, *(len(s) for s in start)])
    free = np.isfinite(strength)
    anchor = np.concatenate(start)

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        line, moved = theta[:2], theta[2:] if free else np.zeros(len(anchor))
        score, slopes = np.zeros(len(churned)), np.zeros((len(churned), len(anchor)))
        for own, (low, high) in zip(sets, pairwise(sizes), strict=True):
            score[own.rows], slopes[own.rows, low:high] = score_and_slopes(
                own, (anchor + moved)[low:high]
            )
        units = score / _POINTS_PER_UNIT
        logit = line[0] - line[1] * units
        error = (expit(logit) - churned) / len(churned)
        value = float(np.mean(np.logaddexp(0.0, logit) - churned * logit))
        by_line = np.array([error.sum(), -(error @ units)])
        if not free:
            return value, by_line
        by_weight = -line[1] / _POINTS_PER_UNIT * (error @ slopes) + 2 * strength * moved
        return value + strength * float(moved @ moved), np.concatenate([by_line, by_weight])

    rate = float(np.clip(churned.mean(), 1e-6, 1 - 1e-6))
    bounds = [(None, None), (0.0, None), *[(-5.0, 5.0)] * (len(anchor) if free else 0)]
    begins = [
        np.r_[np.log(rate / (1 - rate)) + 7 * slope, slope, np.zeros(len(bounds) - 2)]
        for slope in _FIRST_SLOPES
    ]
    # With so few parameters, threads would mostly wait for each other.
    with threadpool_limits(limits=1):
        tries = [
            minimize(
                loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}
            )
            for begin in begins
        ]
    found = min(tries, key=lambda one: float(one.fun)).x
    moved = found[2:] if free else np.zeros(len(anchor))
    parts = [(anchor + moved)[low:high] for low, high in pairwise(sizes)]
    return Learnt(tuple(parts), float(found[0]), float(found[1]), float(strength))
