"""Range of the lifetime value of an individual customer with a contract.

The interval of `resampled_interval` is for the expected value; the outcome of one customer varies
much more. Given that the customer pays for T months, its value is
``A(T) = Σ_{m ≤ T} margin · g(m) ⁄ (1 + d)^{m/12}`` per unit of MRR, times a log-normal factor for
changes of its MRR. T has the distribution of the survival curve, so the distribution of
the value is a mixture over T. Its quantiles are found by bisection on a grid of ages and
probabilities, and interpolated between the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from models.base.inputs import FloatArray, ModelInputError, as_floats
from models.clv.growth import PeerGrowth
from models.clv.interval import LOG_ODDS, TENURES, Nodes, ValueTerms
from models.clv.lifetime_value import discount_factors
from models.survival.peer_survival import DAYS_PER_MONTH, PeerSurvival, tilt, tilted

#: Number of bisection steps for a quantile.
_BISECTIONS = 40


@dataclass(frozen=True)
class CustomerRange:
    """The range of the outcomes of each customer, in currency.

    Attributes
    ----------
    low, high : array, shape = (n_customers,)
        Low is 0 if leaving before the first payment is more likely than the tail.
    """

    low: FloatArray
    high: FloatArray


def customer_range(
    mrr: Any,
    probability: Any,
    tenure_days: Any,
    groups: Any,
    survival: PeerSurvival,
    *,
    terms: ValueTerms,
    margin: float,
    growth: PeerGrowth | None = None,
    level: float = 0.95,
) -> CustomerRange:
    """Return the quantiles of each customer's own lifetime value.

    Parameters
    ----------
    mrr : array-like, shape = (n_customers,)
        Monthly recurring revenue today, in currency.
    probability : array-like, shape = (n_customers,)
        Chance of churn within the horizon; with NaN, the curve of the peers is used.
    tenure_days, groups : array-like, shape = (n_customers,)
        As in `PeerSurvival.conditional`.
    survival : PeerSurvival
        The fitted peer curves.
    terms : ValueTerms
        Horizons and discount rate.
    margin : float
        Gross margin, 0-1.
    growth : PeerGrowth, optional
        Growth of the peers, and how much a single account differs from it; none if missing.
    level : float
        Probability inside the range, 0-1.
    """
    revenue = as_floats(mrr, "mrr")
    chance = as_floats(probability, "probability", len(revenue))
    tenure = as_floats(tenure_days, "tenure_days", len(revenue))
    if not 0 < level < 1:
        raise ModelInputError(f"is {level}, not between 0 and 1", where="level")
    low, high = np.zeros(len(revenue)), np.zeros(len(revenue))
    codes, names = pd.factorize(np.asarray(groups).astype(str))
    for code, name in enumerate(names):
        rows = np.flatnonzero(codes == code)
        nodes = Nodes.of(chance[rows], tenure[rows])
        tails = _quantiles(nodes, str(name), survival, growth, terms, level)
        low[rows], high[rows] = (nodes.between(tail) for tail in tails)
    return CustomerRange(low * revenue * margin, high * revenue * margin)


def _quantiles(
    nodes: Nodes,
    group: str,
    survival: PeerSurvival,
    growth: PeerGrowth | None,
    terms: ValueTerms,
    level: float,
) -> tuple[FloatArray, FloatArray]:
    """Return both quantiles per unit of MRR and margin, shapes (n_tenures, n_log_odds)."""
    months = np.arange(1, terms.horizon_months + 1)
    ages, odds = TENURES[nodes.ages], np.append(LOG_ODDS, np.nan)[nodes.log_odds]
    age, p = (grid.ravel() for grid in np.meshgrid(ages, expit(odds), indexing="ij"))
    peers = np.full(len(age), group)
    at_horizon = survival.conditional(age, peers, [terms.horizon_days])[:, 0]
    curve = tilted(survival.conditional(age, peers, months * DAYS_PER_MONTH), tilt(p, at_horizon))
    # The chance to pay for exactly 0, 1, …, M months.
    paid = -np.diff(np.column_stack([np.ones(len(age)), curve, np.zeros(len(age))]), axis=1)
    index = np.ones(len(months)) if growth is None else growth.index([group], months)[0]
    weights = discount_factors(len(months), terms.annual_discount_rate) * index
    values = np.cumsum(weights)
    spread = 0.0 if growth is None else float(growth.account_sd([group])[0])
    # The mean of a random walk has a third of the variance of its end.
    spreads = np.maximum(spread * np.sqrt(months / 3.0), 1e-6)

    def below(value: FloatArray) -> FloatArray:
        """Return the cumulative distribution of the value."""
        with np.errstate(divide="ignore"):
            distance = (np.log(value)[:, None] - np.log(values)) / spreads
        return np.asarray(paid[:, 0] + np.einsum("nm,nm->n", paid[:, 1:], ndtr(distance)))

    tails = [
        _bisect(below, q, len(age), 4.0 * values[-1]) for q in (0.5 - level / 2, 0.5 + level / 2)
    ]
    return tuple(tail.reshape(len(ages), len(odds)) for tail in tails)  # type: ignore[return-value]


def _bisect(below: Any, wanted: float, count: int, most: float) -> FloatArray:
    low, high = np.zeros(count), np.full(count, most)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        short = below(middle) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray((low + high) / 2)
