"""What customers who buy without a contract are worth: so far, from now on, and how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.inputs import FloatArray
from models.purchases import DAYS_PER_WEEK, PurchaseModel, purchase_history
from models.spend import SpendModel
from models.survival import DAYS_PER_MONTH

#: Futures drawn of each customer, and customers whose futures are in memory at once.
DRAWS, _BLOCK = 200, 5_000


def order_value(
    purchases: FloatArray, spend: FloatArray, *, margin: float, annual_discount_rate: float
) -> FloatArray:
    """Return Σ (N(m) − N(m − 1)) · spend · margin ⁄ (1 + d)^(m/12) over the months m = 1 … M.

    Parameters
    ----------
    purchases : array, shape = (n_customers, n_months)
        N(m), purchases expected within m months, from `PurchaseModel.expected`.
    spend : array, shape = (n_customers,)
        Of one purchase, in currency.
    margin : float
        Gross margin, 0-1.
    annual_discount_rate : float
        d, per year.
    """
    monthly = np.diff(purchases, axis=1, prepend=0.0)
    months = np.arange(1, purchases.shape[1] + 1, dtype="float64")
    weights = margin * (1.0 + annual_discount_rate) ** (-months / 12.0)
    return np.asarray(spend * (monthly @ weights))


@dataclass(frozen=True)
class OrderLifetime:
    """Value of customers who buy without a contract.

    Attributes
    ----------
    table : pandas.DataFrame, shape = (n_customers, 9)
        Indexed by account_id: repeats, alive_probability (NaN where no model tells),
        expected_purchases and expected_spend within the horizon, clv (still to come,
        discounted) with clv_low and clv_high, past_value (margin earned so far) and
        total_value; in currency.
    messages : tuple of str
        Where a mean stands in for a model, and why.
    """

    table: pd.DataFrame
    messages: tuple[str, ...]


def order_lifetime(
    orders: pd.DataFrame,
    *,
    until: Any,
    horizon_months: int,
    margin: float,
    annual_discount_rate: float,
) -> OrderLifetime:
    """Fit both models on the orders before a date, and value every customer as of it.

    Parameters
    ----------
    orders : pd.DataFrame, shape = (n_orders, n_columns)
        account_id, ordered_at, amount.
    until : datetime
        What happened at this moment or later is not seen.
    horizon_months : int
        Months ahead that count.
    margin : float
        Gross margin, 0-1.
    annual_discount_rate : float
        d, per year.
    """
    history = purchase_history(orders, until=until)
    purchases, spend = PurchaseModel().fit(history), SpendModel().fit(history)
    table = value_customers(
        history,
        purchases,
        spend,
        horizon_months=horizon_months,
        margin=margin,
        annual_discount_rate=annual_discount_rate,
    )
    return OrderLifetime(table, tuple(m for m in (purchases.message_, spend.message_) if m))


def value_customers(
    history: pd.DataFrame,
    purchases: PurchaseModel,
    spend: SpendModel,
    *,
    horizon_months: int,
    margin: float,
    annual_discount_rate: float,
    seed: int = 0,
) -> pd.DataFrame:
    """Value customers by models that were fitted before, on the same or on earlier orders.

    The interval says what the customer itself may bring, not how well the mean is known: futures
    are drawn from what its history leaves open about whether it is there, its rate, its chance
    of leaving and the worth of its purchases; 95 in 100 of them lie inside. It is widened where
    it would not hold the expected value, as for a customer that will hardly come back.

    Parameters
    ----------
    history : pd.DataFrame, shape = (n_customers, n_columns)
        As from `purchase_history`.
    purchases : PurchaseModel
    spend : SpendModel
    horizon_months, margin, annual_discount_rate
        As in `order_lifetime`.
    seed : int
        Of the drawn futures.

    Returns
    -------
    pd.DataFrame, shape = (n_customers, 9)
        As `OrderLifetime.table`.
    """
    terms = {"margin": margin, "annual_discount_rate": annual_discount_rate}
    weeks = np.arange(1, horizon_months + 1) * DAYS_PER_MONTH / DAYS_PER_WEEK
    expected, each = purchases.expected(history, weeks), spend.expected(history)
    clv = order_value(expected, each, **terms)
    low, high = _range(history, purchases, spend, float(weeks[-1]), seed)
    # What a drawn future brings comes, on average, as late as what is expected.
    undiscounted = expected[:, -1] * each
    discounted = clv / np.where(undiscounted > 0, undiscounted, 1.0)
    past = history["spent"].to_numpy(dtype="float64") * margin
    return pd.DataFrame(
        {
            "repeats": history["repeats"],
            "alive_probability": purchases.alive(history),
            "expected_purchases": expected[:, -1],
            "expected_spend": each,
            "clv": clv,
            "clv_low": np.minimum(low * discounted, clv),
            "clv_high": np.maximum(high * discounted, clv),
            "past_value": past,
            "total_value": past + clv,
        },
        index=history.index,
    )


def _range(
    history: pd.DataFrame, purchases: PurchaseModel, spend: SpendModel, weeks: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return between what 95 in 100 drawn futures of each customer lie, in currency."""
    rng, ends = np.random.default_rng(seed), []
    for begin in range(0, len(history), _BLOCK):
        own = history.iloc[begin : begin + _BLOCK]
        many = purchases.draw_purchases(own, weeks, rng, DRAWS)
        ends.append(np.quantile(spend.draw_totals(own, many, rng), [0.025, 0.975], axis=1))
    both = np.concatenate(ends, axis=1)
    return both[0], both[1]
