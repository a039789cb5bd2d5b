"""Range of the total of a customer's future purchases without a contract, in closed form.

A customer that has not left makes at least n purchases with P(N ≥ n), a product of two known tails
(`PurchaseModel.at_least`). Under Gamma-Gamma, the total of n purchases divided by v + x·z̄ is
beta-prime(p·n, q + p·x), where x is the number of repeats so far and z̄ their mean amount. This
ratio depends only on the repeats and the age (and on the silence, if purchases are regular), so
its distribution is tabulated once for each combination. A customer's quantile is read from the
table at a level that depends on its probability of having left. No random numbers are used: the
range of a customer does not depend on the other customers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import betainc, betaincinv, ndtri

from models.base.inputs import FloatArray, IntArray
from models.clv.beta_geo import PurchaseModel
from models.clv.gamma_gamma import SpendModel

#: Purchases are counted one by one up to here, then in blocks of a 32nd of their number.
_ONE_BY_ONE, _BLOCK_SHARE = 64, 32
#: Maximum number of purchases; and the probability below which a tail is ignored.
_MOST_PURCHASES, _NEGLIGIBLE = 100_000, 1e-7
#: Maximum step of the logarithm of a total, and how far below the median purchase the table starts.
_STEP, _DEEP = 0.05, 10.0
#: Maximum number of states whose tables are in memory at once.
_AT_ONCE = 512


@dataclass(frozen=True)
class ValueRange:
    """The range of each customer's future purchases, in currency.

    Attributes
    ----------
    low, high : array, shape = (n_customers,)
        NaN if no purchase rate is known.
    """

    low: FloatArray
    high: FloatArray


def value_range(
    history: pd.DataFrame,
    purchases: PurchaseModel,
    spend: SpendModel,
    weeks: float,
    *,
    level: float = 0.95,
) -> ValueRange:
    """Return the quantiles of the total of the purchases within the next `weeks`.

    Parameters
    ----------
    history : pd.DataFrame, shape = (n_customers, n_columns)
        As from `purchase_history`.
    purchases : PurchaseModel
    spend : SpendModel
        Fitted. If it uses the mean, each purchase has the expected amount, and only the number of
        purchases is uncertain.
    weeks : float
        Length of the future period.
    level : float
        Probability inside the range, with equal tails.
    """
    soon = purchases.order_probability(history, weeks)
    tails = np.array([(1.0 + level) / 2.0, (1.0 - level) / 2.0])
    # Given at least one purchase; 1 or more means no purchase.
    with np.errstate(divide="ignore"):
        rest = np.where(np.isnan(soon), np.nan, tails[:, None] / soon)
    if spend.basis_ == "mean spend":
        ends = spend.expected(history) * _purchases_at(rest, history, purchases, weeks)
    else:
        ends = spend.scale(history) * _sums_at(rest, history, purchases, spend, weeks)
    ends = np.where(np.isnan(rest), np.nan, ends)
    return ValueRange(ends[0], ends[1])


@dataclass(frozen=True)
class _Known:
    """What the future of a customer that has not left depends on, each of shape (n_states,)."""

    repeats: FloatArray
    age: FloatArray
    silence: FloatArray

    @classmethod
    def of(cls, history: pd.DataFrame) -> _Known:
        x, recency, age = (
            history[name].to_numpy(dtype="float64")
            for name in ("repeats", "recency_weeks", "age_weeks")
        )
        return cls(x, age, age - recency)

    def taken(self, rows: IntArray | slice) -> _Known:
        return _Known(self.repeats[rows], self.age[rows], self.silence[rows])

    def at_least(self, purchases: PurchaseModel, weeks: float, count: Any) -> FloatArray:
        """Return the chance of at least `count` purchases; one count for all or one per state."""
        return purchases.at_least(self.repeats, self.age, weeks, count, silence_weeks=self.silence)

    def at_least_each(
        self, purchases: PurchaseModel, weeks: float, counts: FloatArray
    ) -> FloatArray:
        """Return the chances of at least each of `counts` purchases, one column per count."""
        x, age, silence = (v[:, None] for v in (self.repeats, self.age, self.silence))
        return purchases.at_least(x, age, weeks, counts, silence_weeks=silence)


def _purchases_at(
    rest: FloatArray, history: pd.DataFrame, purchases: PurchaseModel, weeks: float
) -> FloatArray:
    """Return the least n with P(N > n | N ≥ 1) ≤ rest, shape = (2, n_customers)."""
    known = _Known.of(history)
    return np.stack([_least_count(tail, known, purchases, weeks) for tail in rest])


def _least_count(
    tail: FloatArray, known: _Known, purchases: PurchaseModel, weeks: float
) -> FloatArray:
    found = np.zeros(len(tail))
    open_ = np.flatnonzero(tail < 1.0)
    known = known.taken(open_)
    limit = tail[open_] * known.at_least(purchases, weeks, 1.0)

    def more(count: FloatArray, rows: IntArray) -> np.ndarray:
        beyond = known.taken(rows).at_least(purchases, weeks, count + 1.0)
        return np.asarray(beyond > limit[rows])

    every = np.arange(len(open_))
    low, high = np.zeros(len(open_)), np.ones(len(open_))
    rows = every[more(high, every)]
    while len(rows):
        low[rows], high[rows] = high[rows], 2.0 * high[rows]
        rows = rows[high[rows] < _MOST_PURCHASES]
        rows = rows[more(high[rows], rows)]
    while len(rows := np.flatnonzero(high - low > 1.0)):
        middle = np.floor((low[rows] + high[rows]) / 2.0)
        above = more(middle, rows)
        low[rows[above]], high[rows[~above]] = middle[above], middle[~above]
    found[open_] = high
    return found


def _sums_at(
    rest: FloatArray,
    history: pd.DataFrame,
    purchases: PurchaseModel,
    spend: SpendModel,
    weeks: float,
) -> FloatArray:
    """Return w with P(W > w | N ≥ 1) = rest, W the sum over its scale; 0 where rest is 1."""
    found = np.zeros(rest.shape)
    states = purchases.states(history)
    known = _Known.of(history).taken(states.first)
    order = np.argsort(states.state, kind="stable")
    sorted_states = states.state[order]
    for begin, end in _blocks_alike(known.repeats):
        table = _Table.of(known.taken(slice(begin, end)), purchases, spend, weeks)
        own = order[slice(*np.searchsorted(sorted_states, [begin, end]))]
        found[:, own] = table.quantile(states.state[own] - begin, rest[:, own])
    return found


def _blocks_alike(repeats: FloatArray) -> Iterator[tuple[int, int]]:
    """Yield start and end of blocks of equal, sorted repeats, at most `_AT_ONCE` long."""
    starts = np.append(np.flatnonzero(np.diff(repeats, prepend=np.nan) != 0), len(repeats))
    for start, stop in pairwise(starts.tolist()):
        yield from pairwise([*range(start, stop, _AT_ONCE), stop])


@dataclass(frozen=True)
class _Table:
    """Distribution of the total in some states with the same number of repeats.

    Attributes
    ----------
    logs : array, shape = (n_steps,)
        Logarithms of the sum over its scale.
    below : array, shape = (n_states, n_steps)
        P(W ≤ w | N ≥ 1).
    """

    logs: FloatArray
    below: FloatArray

    @classmethod
    def of(cls, known: _Known, purchases: PurchaseModel, spend: SpendModel, weeks: float) -> _Table:
        edges = _edges(known, purchases, weeks)
        at_least = known.at_least_each(purchases, weeks, edges)
        chances = -np.diff(at_least, axis=1) / at_least[:, :1]
        shape = spend.q_ + spend.p_ * float(known.repeats[0])
        logs, below = _sums_below(spend.p_, shape, len(edges) - 1)
        return cls(logs, chances @ below)

    def quantile(self, rows: IntArray, rest: FloatArray) -> FloatArray:
        """Return w with P(W > w) = rest in the given rows, shape of `rest`."""
        n_steps = len(self.logs)
        level = np.maximum(1.0 - rest, 0.0)
        # Adding the row number makes all rows one increasing sequence.
        rising = (self.below + 2.0 * np.arange(len(self.below))[:, None]).ravel()
        place = np.searchsorted(rising, level + 2.0 * rows) - n_steps * rows
        above = np.clip(place, 1, n_steps - 1)
        # On the normal scale, the logarithm of a total is nearly linear between two steps.
        low, at, high = (
            ndtri(np.clip(values, 1e-12, 1.0 - 1e-12))
            for values in (self.below[rows, above - 1], level, self.below[rows, above])
        )
        part = np.clip((at - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
        logs = self.logs[above - 1] + part * (self.logs[above] - self.logs[above - 1])
        return np.where(rest < 1.0, np.exp(logs), 0.0)


def _edges(known: _Known, purchases: PurchaseModel, weeks: float) -> FloatArray:
    """Return the starts of the blocks of purchases, until hardly any customer makes more."""
    edges = _block_edges()
    if purchases.regularity_ == 1:
        # The rate is most uncertain for customers observed for the shortest time.
        known = known.taken(slice(int(np.argmin(known.age)), int(np.argmin(known.age)) + 1))
    tail = known.at_least_each(purchases, weeks, edges).max(axis=0)
    return edges[: int(np.argmax(tail < _NEGLIGIBLE)) + 1] if tail[-1] < _NEGLIGIBLE else edges


@lru_cache(maxsize=1)
def _block_edges() -> FloatArray:
    edges = list(range(1, _ONE_BY_ONE + 1))
    while edges[-1] < _MOST_PURCHASES:
        edges.append(edges[-1] + max(edges[-1] // _BLOCK_SHARE, 1))
    return np.array(edges, dtype="float64")


@lru_cache(maxsize=1024)
def _sums_below(p: float, shape: float, n_blocks: int) -> tuple[FloatArray, FloatArray]:
    """Return logarithms of w, and P(W ≤ w) by blocks of purchases: n_blocks × n_steps."""
    edges = _block_edges()[: n_blocks + 1]
    middles = (edges[:-1] + edges[1:] - 1.0) / 2.0
    least, middle, most = betaincinv(
        p * np.array([1.0, 1.0, middles[-1]]), shape, [1e-6, 0.5, 1.0 - 1e-6]
    )
    begin, typical, end = (np.log(u) - np.log1p(-u) for u in (least, middle, most))
    # At most half the spread of one purchase's amount, on a grid that all tables share.
    step = min(_STEP, 0.5 * float(np.sqrt(1.0 / p + 1.0 / shape)))
    first = np.floor(max(begin, typical - _DEEP) / step)
    logs = step * np.arange(first, np.ceil(end / step) + 1)
    share = 1.0 / (1.0 + np.exp(-logs))
    return logs, betainc(p * middles[:, None], shape, share)
