"""Cumulative hazard curves: estimated where there are enough data, and extrapolated beyond."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from lifelines import WeibullFitter
from lifelines.exceptions import ConvergenceError, StatisticalWarning
from lifelines.utils import survival_table_from_events

from models.base.inputs import BoolArray, FloatArray

# Weight of the prior rate, in events, when the last hazards are shrunk to it.
_TAIL_PRIOR = 5.0
_FEWEST_FOR_WEIBULL = 3
# A shape outside this range is an artefact of too few events.
_SHAPES = (1 / 3, 3.0)


@dataclass(frozen=True)
class Lifetimes:
    """Accounts observed from `entry` to `time`, in days since their start."""

    time: FloatArray
    churned: FloatArray
    entry: FloatArray

    @property
    def n_events(self) -> int:
        """The number of accounts that churned."""
        return int(self.churned.sum())

    def where(self, rows: BoolArray) -> Lifetimes:
        """Return a subset of the accounts."""
        return Lifetimes(self.time[rows], self.churned[rows], self.entry[rows])

    def exposure(self, start: float, end: float) -> float:
        """Return the total days under observation between two ages."""
        return float(
            np.clip(np.minimum(self.time, end) - np.maximum(self.entry, start), 0, None).sum()
        )

    def events(self, start: float, end: float) -> float:
        """Return the number of accounts that churned at an age after `start` and up to `end`."""
        return float(self.churned[(self.time > start) & (self.time <= end)].sum())

    def rate(self) -> float:
        """Return the events per day; never 0."""
        return max(float(self.churned.sum()), 0.5) / self.exposure(0.0, float(self.time.max()))


@dataclass(frozen=True)
class Curve:
    """A piecewise-linear cumulative hazard with a constant hazard after the last knot.

    Attributes
    ----------
    days : array, shape = (n_knots,)
        Ages in days; the first is 0.
    hazard : array, shape = (n_knots,)
        Cumulative hazard −log S at the knots.
    variance : array, shape = (n_knots,)
        Variance of `hazard` (Greenwood).
    tail_rate : float
        Hazard per day after the last knot, above 0.
    tail_spread : float
        Standard error of the log of `tail_rate`.
    ratio_spread : float
        Standard error of the log of a factor that scales the whole curve.
    basis : str
        kaplan-meier, pooled, weibull or constant.
    n_events : int
        Number of events that it was estimated from.
    """

    days: FloatArray
    hazard: FloatArray
    variance: FloatArray
    tail_rate: float
    tail_spread: float
    basis: str
    n_events: int
    ratio_spread: float = 0.0

    def at(self, age: FloatArray) -> FloatArray:
        """Return the cumulative hazard at ages in days, an array of any shape."""
        beyond = np.maximum(age - self.days[-1], 0.0)
        return np.asarray(np.interp(age, self.days, self.hazard) + self.tail_rate * beyond)

    def hazard_over(self, tenure: FloatArray, days: FloatArray) -> FloatArray:
        """Return the cumulative hazard between `tenure` and `days` days later.

        Returns
        -------
        array, shape = (n_accounts, n_times)
        """
        return self.at(tenure[:, None] + days[None, :]) - self.at(tenure)[:, None]

    def variance_over(self, tenure: FloatArray, days: FloatArray) -> FloatArray:
        """Return the variance of `hazard_over`, with the same shape."""
        end = tenure[:, None] + days[None, :]
        inside = np.interp(end, self.days, self.variance)
        inside -= np.interp(tenure, self.days, self.variance)[:, None]
        last = self.days[-1]
        tail = self.tail_rate * (
            np.maximum(end - last, 0.0) - np.maximum(tenure - last, 0.0)[:, None]
        )
        common = self.hazard_over(tenure, days) * self.ratio_spread
        return np.asarray(inside + (tail * self.tail_spread) ** 2 + common**2)

    def drawn(self, n_draws: int, rng: np.random.Generator) -> CurveDraws:
        """Draw curves from the posterior; the first one is this curve.

        The hazard between two knots is drawn from a gamma distribution with its mean and variance
        (the posterior of a gamma process, Kalbfleisch 1978); the tail and a common factor are
        log-normal.
        """
        steps, spread = np.diff(self.hazard), np.diff(self.variance)
        open_ = (spread > 0) & (steps > 0)
        redrawn = np.tile(steps, (n_draws + 1, 1))
        mean, variance = steps[open_], spread[open_]
        redrawn[1:, open_] = rng.gamma(mean**2 / variance, variance / mean, (n_draws, len(mean)))
        factor = np.exp(self.ratio_spread * rng.standard_normal(n_draws + 1))
        tail = np.exp(self.tail_spread * rng.standard_normal(n_draws + 1))
        factor[0] = tail[0] = 1.0
        hazard = np.concatenate([np.zeros((n_draws + 1, 1)), np.cumsum(redrawn, axis=1)], axis=1)
        return CurveDraws(self.days, hazard * factor[:, None], self.tail_rate * tail * factor)


@dataclass(frozen=True)
class CurveDraws:
    """Several cumulative hazards with the same knots.

    Attributes
    ----------
    days : array, shape = (n_knots,)
        Ages in days.
    hazard : array, shape = (n_draws, n_knots)
        Cumulative hazards at the knots.
    tail_rate : array, shape = (n_draws,)
        Hazards per day after the last knot.
    """

    days: FloatArray
    hazard: FloatArray
    tail_rate: FloatArray

    def at(self, age: FloatArray) -> FloatArray:
        """Return the cumulative hazards at ages, shape = (n_draws, *age.shape)."""
        flat = np.asarray(age, dtype="float64").ravel()
        place = np.clip(np.searchsorted(self.days, flat, side="right") - 1, 0, len(self.days) - 2)
        width = np.maximum(self.days[place + 1] - self.days[place], 1e-12)
        share = np.clip((flat - self.days[place]) / width, 0.0, 1.0)
        inside = self.hazard[:, place] * (1 - share) + self.hazard[:, place + 1] * share
        beyond = np.maximum(flat - self.days[-1], 0.0)
        total = inside + self.tail_rate[:, None] * beyond
        return np.asarray(total.reshape(len(self.hazard), *np.shape(age)))

    def hazard_over(self, tenure: FloatArray, days: FloatArray) -> FloatArray:
        """Return the hazards between a tenure and `days` later, (n_draws, n_tenures, n_days)."""
        start = self.at(tenure)[:, :, None]
        return np.asarray(self.at(tenure[:, None] + days[None, :]) - start)


def kaplan_meier_curve(
    lifetimes: Lifetimes, least_at_risk: int, prior: Curve | None = None
) -> Curve:
    """Return the Kaplan-Meier (1958) curve with left entry, where enough accounts are at risk.

    Before the first age with `least_at_risk` accounts, the hazard is that of the prior (without a
    prior, the mean rate); after the last such age, it is the shrunk hazard of the last third.
    """
    table = survival_table_from_events(lifetimes.time, lifetimes.churned, lifetimes.entry)
    at_risk = (table["at_risk"] - table["entrance"]).to_numpy(dtype="float64")
    # Accounts that enter at 0 are at risk from then on, and none churns at 0.
    observed = table["observed"].to_numpy(dtype="float64")
    ages = table.index.to_numpy(dtype="float64")
    believed = np.flatnonzero((observed > 0) & (at_risk >= least_at_risk))
    if len(believed) < 2:
        return (
            constant_curve(lifetimes)
            if prior is None
            else scaled_curve(lifetimes, prior, _TAIL_PRIOR)
        )
    n, d = at_risk[believed], observed[believed]
    # If all accounts at risk leave at once, the hazard must still be finite.
    kept = np.maximum(1.0 - d / n, 0.5 / n)
    start = _first_age(ages, at_risk, least_at_risk)
    before = lifetimes.rate() * start if prior is None else float(prior.at(np.array(start)))
    days = np.concatenate([[0.0], [start] if start > 0 else [], ages[believed]])
    lead = [0.0] if start == 0 else [0.0, before]
    hazard = np.concatenate([lead, before + np.cumsum(-np.log(kept))])
    variance = np.concatenate([np.zeros(len(lead)), np.cumsum(d / (n * n * kept))])
    rate, spread = _tail(lifetimes, float(days[-1]), prior)
    return Curve(days, hazard, variance, rate, spread, "kaplan-meier", lifetimes.n_events)


def _first_age(ages: FloatArray, at_risk: FloatArray, least: int) -> float:
    """Return the first age at which enough accounts are under observation."""
    enough = np.flatnonzero(at_risk >= least)
    first = int(enough[0]) if len(enough) else 0
    return float(ages[max(first - 1, 0)])


def _tail(lifetimes: Lifetimes, last: float, prior: Curve | None) -> tuple[float, float]:
    """Return the shrunk rate of the last third of the curve and the standard error of its log."""
    expected = lifetimes.rate() if prior is None else prior.tail_rate
    start = last * 2 / 3
    events = lifetimes.events(start, last) + _TAIL_PRIOR
    return (
        events / (lifetimes.exposure(start, last) + _TAIL_PRIOR / expected),
        1.0 / float(np.sqrt(events)),
    )


def scaled_curve(lifetimes: Lifetimes, pooled: Curve, prior_events: float) -> Curve:
    """Return the pooled curve times the group's shrunk hazard ratio (gamma-Poisson)."""
    expected = float((pooled.at(lifetimes.time) - pooled.at(lifetimes.entry)).sum())
    ratio = (lifetimes.n_events + prior_events) / (expected + prior_events)
    return replace(
        pooled,
        hazard=pooled.hazard * ratio,
        variance=pooled.variance * ratio**2,
        tail_rate=pooled.tail_rate * ratio,
        ratio_spread=1.0 / float(np.sqrt(lifetimes.n_events + prior_events)),
        basis="pooled",
        n_events=lifetimes.n_events,
    )


def weibull_curve(lifetimes: Lifetimes) -> Curve | None:
    """Return a Weibull curve; None if it does not converge or its shape is implausible."""
    if lifetimes.n_events < _FEWEST_FOR_WEIBULL:
        return None
    try:
        with warnings.catch_warnings():
            # A fit with warnings from lifelines is unreliable and is not used.
            warnings.simplefilter("error", StatisticalWarning)
            fitted = WeibullFitter().fit(lifetimes.time, lifetimes.churned, entry=lifetimes.entry)
    except (ConvergenceError, StatisticalWarning, ValueError):
        return None
    shape, scale = float(fitted.rho_), float(fitted.lambda_)
    if not _SHAPES[0] <= shape <= _SHAPES[1]:
        return None
    days = np.linspace(0.0, float(lifetimes.time.max()), 100)
    hazard = (days / scale) ** shape
    rate = shape / scale * (days[-1] / scale) ** (shape - 1)
    return _parametric(days, hazard, rate, "weibull", lifetimes.n_events)


def constant_curve(lifetimes: Lifetimes) -> Curve:
    """Return the curve of a constant hazard; without an event, half an event is assumed."""
    days = np.array([0.0, float(lifetimes.time.max())])
    rate = lifetimes.rate()
    return _parametric(days, rate * days, rate, "constant", lifetimes.n_events)


def _parametric(
    days: FloatArray, hazard: FloatArray, rate: float, basis: str, n_events: int
) -> Curve:
    spread = 1.0 / float(np.sqrt(max(n_events, 0.5)))
    return Curve(days, hazard, np.zeros_like(days), rate, 0.0, basis, n_events, spread)
