"""How far accounts leave together: one factor that a month's accounts have in common.

A price rise, an outage or a weak economy hits many accounts in the same month, so that the sum of
what is lost varies more than it would if accounts decided independently. The model is the
one-factor model of loan portfolios (Vasicek 2002, "The distribution of loan portfolio value", Risk
15): an account leaves where √ρ·Z + √(1−ρ)·ε falls below Φ⁻¹(p), Z being common to the month. Given
Z = z, accounts are independent and leave with chance

    p(z) = Φ((Φ⁻¹(p) − √ρ·z) ⁄ √(1−ρ)),

whose mean over z is p. ρ = 0 is independence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from models.base.inputs import FloatArray, ModelInputError, as_floats

#: Months of independence that an estimate is averaged with: few months prove no dependence.
PRIOR_MONTHS = 12
#: Most that is estimated; beyond it, a month's accounts would leave all together or not at all.
MOST = 0.9
_SURE = 1e-9
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Dependence:
    """How far accounts that are due in the same month leave together.

    Attributes
    ----------
    correlation : float
        ρ, 0 (independent) to 1: the estimate × months ⁄ (months + `PRIOR_MONTHS`).
    estimate : float
        ρ by moments, before it is shrunk.
    months : int
        Past months behind it.
    """

    correlation: float = 0.0
    estimate: float = 0.0
    months: int = 0


def chance_given(p: FloatArray, z: FloatArray | float, correlation: float) -> FloatArray:
    """Return the chance of leaving given the month's factor.

    Parameters
    ----------
    p : array of float
        Chance of leaving, 0-1.
    z : float or array of float, broadcastable to `p`
        The factor, standard normal; a low one is a bad month.
    correlation : float
        ρ, at least 0 and below 1.

    Examples
    --------
    >>> chance_given(np.array([0.1]), -1.0, 0.2).round(2).tolist()
    [0.18]
    """
    if correlation == 0.0:
        return np.broadcast_to(p, np.broadcast_shapes(np.shape(p), np.shape(z))).astype(float)
    inner = np.asarray(ndtri(np.clip(p, _SURE, 1 - _SURE)) - np.sqrt(correlation) * np.asarray(z))
    inner /= np.sqrt(1.0 - correlation)
    return np.asarray(ndtr(inner, out=inner))


def estimate_dependence(
    chance: Any, amount: Any, lost: Any, month: Any, *, prior_months: float = PRIOR_MONTHS
) -> Dependence:
    """Estimate ρ by moments from what past months lost and what was expected of them.

    ρ̂ solves Σₖ (Lₖ − Eₖ)² ⁄ Vₖ(0) = Σₖ Vₖ(ρ) ⁄ Vₖ(0), where Lₖ is the amount lost in month k, Eₖ
    its expectation and Vₖ(ρ) its variance in the model above. It is the moment estimator of extra
    variation between groups (Williams 1982, "Extra-binomial variation in logistic linear models",
    Applied Statistics 31) with amounts as weights. No extra variation gives 0.

    Parameters
    ----------
    chance : array-like, shape = (n_samples,)
        Expected chance of leaving of each account that was due.
    amount : array-like, shape = (n_samples,)
        What it paid, at least 0.
    lost : array-like, shape = (n_samples,)
        1 where it left, else 0.
    month : array-like, shape = (n_samples,)
        The month in which it was due.
    prior_months : float
        Months of independence that the estimate is averaged with.

    Raises
    ------
    ModelInputError
        Lengths differ, or a value is missing.
    """
    p = as_floats(chance, "chance")
    a, left = as_floats(amount, "amount", len(p)), as_floats(lost, "lost", len(p))
    if np.isnan(p).any() or np.isnan(a).any() or np.isnan(left).any():
        raise ModelInputError(
            "has missing values", where="chance, amount, lost", fix="leave these rows out"
        )
    # Without sorting: a large company has millions of rows.
    code, names = pd.factorize(np.asarray(month), sort=True)
    if not len(p):
        return Dependence()
    which, chances = pd.factorize(p, sort=True)
    months = len(names)
    sums, squares = (
        np.bincount(code * len(chances) + which, weight, months * len(chances)).reshape(months, -1)
        for weight in (a, a**2)
    )
    expected = sums @ chances
    missed = (np.bincount(code, a * left, months) - expected) ** 2
    alone = squares @ (chances * (1 - chances))
    counts = alone > 0
    if not counts.any():
        return Dependence(months=months)

    def excess(correlation: float) -> float:
        given = chance_given(chances[:, None], _NODES[None, :], correlation)
        between = (sums @ given) ** 2 @ _WEIGHTS - expected**2
        within = squares @ (chances - given**2 @ _WEIGHTS)
        variance = between + within
        return float((((variance - missed) / np.where(counts, alone, 1.0))[counts]).sum())

    if excess(1e-6) >= 0:
        estimate = 0.0
    elif excess(MOST) <= 0:
        estimate = MOST
    else:
        estimate = float(brentq(excess, 1e-6, MOST, xtol=1e-4))
    used = int(counts.sum())
    return Dependence(estimate * used / (used + prior_months), estimate, used)
