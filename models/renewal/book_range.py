"""What a book of renewals comes to: the expectation of each part, and the range of the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from models.base.inputs import FloatArray
from models.renewal.dependence import chance_given

#: The share of outcomes that a range covers, and how many outcomes are drawn for it.
COVERED, DRAWS = 0.8, 2_000
#: Accounts of a group that are drawn one by one, the largest first. Of the others, which are small
#: against the sum, mean and variance given the common factors are enough.
_ONE_BY_ONE = 250
#: Chances of the others are rounded to this, so that equal ones are drawn once.
_CHANCE_STEP = 0.001
_SURE = 1e-9


@dataclass(frozen=True)
class StayRatios:
    """What accounts that stay pay afterwards, as a multiple of what they paid.

    Attributes
    ----------
    quantiles : array of float, shape = (n_quantiles,)
        Equally likely multiples, ascending; ``[1.0]`` where nothing is known.
    error : float
        Standard error of their mean, as a share of it.
    """

    quantiles: FloatArray
    error: float = 0.0

    @classmethod
    def of(cls, before: Any, after: Any, account: Any, *, most: int = 101) -> StayRatios:
        """Learn them from amounts before and after; their mean is sum after ÷ sum before.

        Parameters
        ----------
        before, after : array-like, shape = (n_samples,)
            What accounts that stayed paid, above 0. A multiple counts by the amount before: small
            accounts double more easily, and would make every forecast of a sum too high.
        account : array-like, shape = (n_samples,)
            Whose they are: rows of one account are not independent.
        most : int
            Most multiples that are kept: means of slices with equal amounts before.
        """
        paid, pays = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
        if not len(paid):
            return cls(np.ones(1))
        order = np.argsort(pays / paid, kind="stable")
        edges = np.linspace(0.0, 1.0, min(most, len(paid)) + 1) * paid.sum()
        reached = np.concatenate([[0.0], np.cumsum(paid[order])])
        sums = np.interp(edges, reached, np.concatenate([[0.0], np.cumsum(pays[order])]))
        code, _ = pd.factorize(np.asarray(account))
        # Of a ratio of sums, by linearisation, with accounts as clusters.
        missed = np.bincount(code, pays - pays.sum() / paid.sum() * paid)
        return cls(np.diff(sums) / np.diff(edges), float(np.sqrt((missed**2).sum()) / pays.sum()))

    @property
    def mean(self) -> float:
        """The mean multiple."""
        return float(self.quantiles.mean())

    @property
    def contracts(self) -> float:
        """The mean share that is given up, over all that stay."""
        return float(np.clip(1 - self.quantiles, 0, None).mean())

    @property
    def expands(self) -> float:
        """The mean share that is added, over all that stay."""
        return float(np.clip(self.quantiles - 1, 0, None).mean())


def draw_kept(
    amount: FloatArray,
    chance: FloatArray,
    group: Any,
    *,
    correlation: float,
    level_error: float,
    ratios: StayRatios,
    periods: int = 1,
    seed: int | Sequence[int] = 0,
    draws: int = DRAWS,
) -> FloatArray:
    """Draw what is kept of the amounts of all accounts.

    Every draw has one level, which moves all chances (log odds + `level_error` × a normal: the rate
    of leaving is itself known from few cases), one error of the mean multiple, and one factor per
    group (see `models.renewal.dependence`). Given these, accounts leave independently, and those
    that stay pay a multiple drawn from `ratios`.

    Parameters
    ----------
    amount, chance : array of float, shape = (n_samples,)
        What is due, and the chance of leaving.
    group : array-like, shape = (n_samples,)
        The month.
    correlation : float
        ρ within a group.
    level_error : float
        Standard error of the level, in log odds.
    ratios : StayRatios
        What accounts that stay pay.
    periods : int
        How many multiples follow one another.
    seed : int or sequence of int
        Of the draws.
    draws : int
        Outcomes drawn.

    Returns
    -------
    array of float, shape = (draws,)
    """
    codes, names = pd.factorize(np.asarray(group), sort=True)
    rng = np.random.default_rng(seed)
    level = level_error * rng.standard_normal((draws, 1))
    growth = np.maximum(1 + periods * ratios.error * rng.standard_normal(draws), 0.0)
    kept = np.zeros(draws)
    for code in range(len(names)):
        own = np.flatnonzero(codes == code)
        shock = rng.standard_normal((draws, 1))
        first, rest = _largest(own, amount[own])
        # Far ahead, accounts have the same chance.
        each, place = np.unique(chance[first], return_inverse=True)
        p = np.take(_given(each, level, shock, correlation), place, axis=1)
        multiple = rng.choice(ratios.quantiles, size=p.shape)
        for _ in range(periods - 1):
            multiple *= rng.choice(ratios.quantiles, size=p.shape)
        kept += ((rng.random(p.shape) >= p) * multiple) @ amount[first]
        if len(rest):
            of_step = np.round(chance[rest] / _CHANCE_STEP).astype(np.int64)
            steps = np.flatnonzero(np.bincount(of_step))
            sums, squares = (
                np.bincount(of_step, amount[rest] ** power)[steps].astype(np.float64)
                for power in (1, 2)
            )
            p = _given(steps.astype(np.float64) * _CHANCE_STEP, level, shock, correlation)
            kept += _of_many(sums, squares, p, ratios.quantiles, periods, rng)
    return kept * growth


def _largest(
    rows: npt.NDArray[np.intp], amount: FloatArray
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the `_ONE_BY_ONE` rows of the largest amounts, largest first, and the others."""
    # Only those that may be among them are sorted.
    least = -np.inf
    if len(rows) > _ONE_BY_ONE:
        least = np.partition(amount, -_ONE_BY_ONE)[-_ONE_BY_ONE]
    large, small = np.flatnonzero(amount >= least), np.flatnonzero(amount < least)
    order = np.append(large[np.argsort(-amount[large], kind="stable")], small)
    return rows[order[:_ONE_BY_ONE]], rows[order[_ONE_BY_ONE:]]


def _given(
    chance: FloatArray, level: FloatArray, shock: FloatArray, correlation: float
) -> FloatArray:
    # Draws of many accounts are large arrays: each step writes over the one before.
    moved = logit(np.clip(chance, _SURE, 1 - _SURE))[None, :] + level
    expit(moved, out=moved)
    sure = (chance <= 0) | (chance >= 1)
    moved[:, sure] = chance[sure]
    return chance_given(moved, shock, correlation)


def _of_many(
    amounts: FloatArray,
    squares: FloatArray,
    chance: FloatArray,
    multiples: FloatArray,
    periods: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw the sums of many small accounts by mean and variance given the common factors.

    Accounts with the same chance are one column: the sums of their amounts and of the squares.
    """
    stays = 1 - chance
    mean, square = np.mean(multiples) ** periods, np.mean(multiples**2) ** periods
    spread = (stays * square - (stays * mean) ** 2) @ squares
    sums = (stays @ amounts) * mean + np.sqrt(spread) * rng.standard_normal(len(chance))
    found: FloatArray = np.maximum(sums, 0.0)
    return found


def ends_of(drawn: Any, *, covered: float = COVERED) -> tuple[float, float]:
    """Return the two ends between which the middle share of outcomes lies."""
    low, high = np.quantile(np.asarray(drawn), [(1 - covered) / 2, (1 + covered) / 2])
    return float(low), float(high)
