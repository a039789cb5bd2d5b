"""The interval of an expected lifetime value, by resampling its inputs."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from models.base.inputs import FloatArray, IntArray, ModelInputError, as_floats
from models.clv.growth import GROWTH_MONTHS, PeerGrowth
from models.clv.lifetime_value import LifetimeValue, discount_factors
from models.survival.hazards import CurveDraws
from models.survival.peer_survival import DAYS_PER_MONTH, PeerSurvival

#: Ages in days, and log-odds of churn, at which the spread is resampled; linear in between.
TENURES = np.concatenate(
    [np.arange(0, 455, 45), np.arange(455, 1096, 80), [1278, 1461, 1826, 2557, 3653, 7305]]
).astype("float64")
LOG_ODDS = np.linspace(-9.0, 5.0, 22)


@dataclass(frozen=True)
class ValueTerms:
    """The terms of a lifetime value.

    Attributes
    ----------
    horizon_months : int
        Future months that count.
    annual_discount_rate : float
        d, per year.
    horizon_days : float
        Horizon of the churn probability.
    """

    horizon_months: int
    annual_discount_rate: float
    horizon_days: float = 90.0


def resampled_interval(
    value: Any,
    probability: Any,
    tenure_days: Any,
    groups: Any,
    survival: PeerSurvival,
    *,
    terms: ValueTerms,
    growth: PeerGrowth | None = None,
    logit_sd: float = 0.0,
    level: float = 0.95,
    n_draws: int = 200,
    seed: int = 0,
) -> LifetimeValue:
    """Return an expected value with its interval from redrawn curves, growth and calibration.

    Each draw takes a peer curve (its hazards from their gamma posterior), a monthly growth and
    a shift of all log-odds; the tilt is recomputed, so the curve agrees with the redrawn
    probability. Draws are made per peer group on a grid of ages and probabilities, and an
    account's quantiles, as ratios to its own value, are interpolated. So a million accounts cost
    as much as a few hundred.

    Parameters
    ----------
    value : array-like, shape = (n_accounts,)
        As from `lifetime_value`, in currency.
    probability : array-like, shape = (n_accounts,)
        Chance of churn within the horizon; with NaN, the curve of the peers is used.
    tenure_days, groups : array-like, shape = (n_accounts,)
        As in `PeerSurvival.conditional`.
    survival : PeerSurvival
        The fitted peer curves.
    terms : ValueTerms
        Horizons and discount rate.
    growth : PeerGrowth, optional
        Growth of the peers; none if missing.
    logit_sd : float
        Standard error of the log-odds, as in ``Calibration.standard_error``.
    level : float
        Probability inside the interval, 0-1.
    n_draws : int
        Number of draws per peer group.
    seed : int
        The same seed gives the same interval, independent of the other accounts.
    """
    middle = as_floats(value, "value")
    chance = as_floats(probability, "probability", len(middle))
    tenure = as_floats(tenure_days, "tenure_days", len(middle))
    if not 0 < level < 1:
        raise ModelInputError(f"is {level}, not between 0 and 1", where="level")
    low, high = np.zeros(len(middle)), np.zeros(len(middle))
    codes, names = pd.factorize(np.asarray(groups).astype(str))
    for code, name in enumerate(names):
        rows = np.flatnonzero(codes == code)
        rng = np.random.default_rng([seed, zlib.crc32(str(name).encode())])
        curve = survival.curves_.get(str(name), survival.pooled_)
        draws = _Draws(
            curve.drawn(n_draws, rng),
            _growth_draws(growth, str(name), n_draws, rng),
            logit_sd * _standard_normal(n_draws, rng),
            terms,
        )
        low[rows], high[rows] = _read_off(draws, chance[rows], tenure[rows], level)
    # With skewed draws, the value itself may be outside the quantiles.
    return LifetimeValue(middle, middle * np.minimum(low, 1.0), middle * np.maximum(high, 1.0))


def _standard_normal(n_draws: int, rng: np.random.Generator) -> FloatArray:
    """Return draws: 0 (the estimate) first, then antithetic pairs."""
    half = rng.standard_normal(n_draws // 2 + 1)
    return np.concatenate([[0.0], half, -half])[: n_draws + 1]


def _growth_draws(
    growth: PeerGrowth | None, name: str, n_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Return monthly rates, shape = (n_draws + 1,); the first is the estimate."""
    if growth is None:
        return np.zeros(n_draws + 1)
    net = growth.index([name], [1.0])[0, 0] - 1.0
    return np.asarray(net + growth.net_sd([name])[0] * _standard_normal(n_draws, rng))


@dataclass(frozen=True)
class _Draws:
    """The draws, the estimate itself first: shapes (n_draws + 1, …)."""

    curve: CurveDraws
    monthly_growth: FloatArray
    logit_shift: FloatArray
    terms: ValueTerms

    def values(self, tenures: FloatArray, log_odds: FloatArray) -> FloatArray:
        """Return value per unit of MRR, shape = (n_draws + 1, n_tenures, n_log_odds).

        A log-odds of NaN means no probability: the curve is not tilted.
        """
        months = np.arange(1, self.terms.horizon_months + 1)
        days = np.asarray(months * DAYS_PER_MONTH, dtype="float64")
        horizon = np.array([float(self.terms.horizon_days)])
        hazard = self.curve.hazard_over(tenures, days)
        at_horizon = self.curve.hazard_over(tenures, horizon)[:, :, 0]
        p = expit(log_odds[None, :] + self.logit_shift[:, None])
        wanted = -np.log1p(-np.minimum(p, 1.0 - 1e-12))
        theta = wanted[:, None, :] / np.maximum(at_horizon, 1e-12)[:, :, None]
        theta = np.where(np.isnan(theta), 1.0, theta)
        grown = np.minimum(months, GROWTH_MONTHS)
        index = np.exp(np.log1p(self.monthly_growth)[:, None] * grown)
        weights = discount_factors(len(months), self.terms.annual_discount_rate) * index
        result = np.empty(theta.shape)
        for place in range(len(log_odds)):
            present = np.exp(-theta[:, :, place, None] * hazard)
            result[:, :, place] = np.einsum("btm,bm->bt", present, weights)
        return result


@dataclass(frozen=True)
class Nodes:
    """The places of accounts on the grid of ages and log-odds.

    Attributes
    ----------
    ages, log_odds : array of int
        The nodes that are used, as places in `TENURES` and in `LOG_ODDS`; the place after the
        last log-odds is for accounts without a probability.
    corners : tuple of (array of int, array of int, array of float)
        For each corner around an account: its place among `ages` and `log_odds`, and its weight.
    """

    ages: IntArray
    log_odds: IntArray
    corners: tuple[tuple[IntArray, IntArray, FloatArray], ...]

    @classmethod
    def of(cls, probability: FloatArray, tenure: FloatArray) -> Nodes:
        """Return the nodes around each account."""
        by_age, age_share = _between(TENURES, tenure)
        odds = logit(np.clip(probability, 1e-12, 1 - 1e-12))
        by_odds, odds_share = _between(LOG_ODDS, np.nan_to_num(odds, nan=LOG_ODDS[0]))
        unknown = np.isnan(probability)
        by_odds = np.where(unknown, len(LOG_ODDS), by_odds)
        odds_share = np.where(unknown, 0.0, odds_share)
        ages, used = _nodes(by_age, len(TENURES)), _nodes(by_odds, len(LOG_ODDS))
        if unknown.any():
            used = np.append(used[used < len(LOG_ODDS)], len(LOG_ODDS))
        age, odds_at = np.searchsorted(ages, by_age), np.searchsorted(used, by_odds)
        next_age = np.minimum(age + 1, len(ages) - 1)
        next_odds = np.minimum(odds_at + 1, len(used) - 1)
        corners = (
            (age, odds_at, (1 - age_share) * (1 - odds_share)),
            (next_age, odds_at, age_share * (1 - odds_share)),
            (age, next_odds, (1 - age_share) * odds_share),
            (next_age, next_odds, age_share * odds_share),
        )
        return cls(ages, used, corners)

    def between(self, table: FloatArray) -> FloatArray:
        """Return each account's value of a table of shape (n_ages, n_log_odds)."""
        parts = [weight * table[age, odds] for age, odds, weight in self.corners]
        return np.asarray(np.sum(parts, axis=0))


def _read_off(
    draws: _Draws, probability: FloatArray, tenure: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Return each account's quantiles as ratios to its value."""
    nodes = Nodes.of(probability, tenure)
    found = draws.values(TENURES[nodes.ages], np.append(LOG_ODDS, np.nan)[nodes.log_odds])
    tails = np.quantile(found[1:], [0.5 - level / 2, 0.5 + level / 2], axis=0)
    ratios = np.log(np.maximum(tails, 1e-300) / np.maximum(found[0], 1e-300))
    low, high = (np.exp(nodes.between(tail)) for tail in ratios)
    return low, high


def _between(nodes: FloatArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the node before each value, and its share of the way to the next."""
    inside = np.clip(values, nodes[0], nodes[-1])
    place = np.clip(np.searchsorted(nodes, inside, side="right") - 1, 0, len(nodes) - 2)
    share = (inside - nodes[place]) / (nodes[place + 1] - nodes[place])
    return place.astype(np.int64), np.asarray(share)


def _nodes(places: IntArray, n_nodes: int) -> IntArray:
    """Return the nodes that the places lie between, in order."""
    used = np.unique(np.concatenate([places, places + 1]))
    return np.asarray(used[used < n_nodes], dtype=np.int64)
