"""Customer lifetime value of contracts, and the revenue at risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.base.inputs import FloatArray, ModelInputError, as_floats

#: Months of revenue at risk: a year, as in annual recurring revenue.
MONTHS_AT_RISK = 12


@dataclass(frozen=True)
class LifetimeValue:
    """Future value and its interval, each with shape (n_accounts,), in currency."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def lifetime_value(
    mrr: Any,
    survival: Any,
    *,
    margin: float,
    annual_discount_rate: float,
    growth: Any = None,
) -> FloatArray:
    """Return Σ MRR · margin · S(m) · g(m) ⁄ (1 + d)^(m/12) over the months m = 1 … M.

    Parameters
    ----------
    mrr : array-like, shape = (n_accounts,)
        Monthly recurring revenue today, in currency.
    survival : array-like, shape = (n_accounts, n_months)
        S(m), the probability that the account is still present in m months, 0-1.
    margin : float
        Gross margin, 0-1.
    annual_discount_rate : float
        d, per year; 0.1 is ten per cent.
    growth : array-like, shape = (n_months,) or (n_accounts, n_months), optional
        g(m), the expected MRR of a surviving account ÷ that of today; 1 if missing.

    Returns
    -------
    array, shape = (n_accounts,)
        In currency, over M months; NaN if the MRR is NaN.

    Raises
    ------
    ModelInputError
        Shapes differ or a rate is outside its range.
    """
    revenue, curves = _checked(mrr, survival, margin, annual_discount_rate)
    weights = margin * discount_factors(curves.shape[1], annual_discount_rate)
    index = None if growth is None else np.asarray(growth, dtype="float64")
    if index is None:
        return np.asarray(revenue * (curves @ weights))
    if index.shape not in (curves.shape, curves.shape[1:]):
        raise ModelInputError(
            f"has shape {index.shape}, survival has {curves.shape}",
            where="growth",
            fix="give one index per month, or one per account and month",
        )
    if index.ndim == 1:
        return np.asarray(revenue * (curves @ (weights * index)))
    return np.asarray(revenue * np.einsum("ij,ij,j->i", curves, index, weights))


def discount_factors(n_months: int, annual_discount_rate: float) -> FloatArray:
    """Return (1 + d)^(−m/12) for m = 1 … n_months."""
    months = np.arange(1, n_months + 1, dtype="float64")
    return np.asarray((1.0 + annual_discount_rate) ** (-months / 12.0))


def expected_loss(probability: Any, mrr: Any) -> FloatArray:
    """Return the annual recurring revenue at risk: probability · MRR · 12, in currency.

    This is the usual measure: a year of revenue (not margin), whatever the horizon of the
    probability. It can be summed over accounts, and it ranks the list of accounts at risk.

    Parameters
    ----------
    probability : array-like, shape = (n_accounts,)
        Chance of churn within the horizon; NaN (none published) gives NaN.
    mrr : array-like, shape = (n_accounts,)
        Monthly recurring revenue, in currency.
    """
    p = as_floats(probability, "probability")
    return p * as_floats(mrr, "mrr", len(p)) * MONTHS_AT_RISK


def _checked(
    mrr: Any, survival: Any, margin: float, annual_discount_rate: float
) -> tuple[FloatArray, FloatArray]:
    revenue = as_floats(mrr, "mrr")
    curves = np.asarray(survival, dtype="float64")
    if curves.ndim != 2 or len(curves) != len(revenue):
        raise ModelInputError(
            f"has shape {curves.shape}, not ({len(revenue)}, months)", where="survival"
        )
    if not 0 <= margin <= 1:
        raise ModelInputError(f"is {margin}, not in 0-1", where="margin", fix="0.8 is 80 %")
    if not annual_discount_rate > -1:
        raise ModelInputError(f"is {annual_discount_rate}, not above -1", where="discount rate")
    return revenue, curves
