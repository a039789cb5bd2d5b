"""Value of customers who buy without a contract: past, future, and its range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.base.inputs import FloatArray
from models.clv.beta_geo import DAYS_PER_WEEK, PurchaseModel, purchase_history
from models.clv.gamma_gamma import SpendModel
from models.clv.order_interval import value_range
from models.survival.peer_survival import DAYS_PER_MONTH


def order_value(
    purchases: FloatArray, spend: FloatArray, *, margin: float, annual_discount_rate: float
) -> FloatArray:
    """Return Σ (N(m) − N(m − 1)) · spend · margin ⁄ (1 + d)^(m/12) over the months m = 1 … M.

    Parameters
    ----------
    purchases : array, shape = (n_customers, n_months)
        N(m), purchases expected within m months, from `PurchaseModel.expected`.
    spend : array, shape = (n_customers,)
        Amount of one purchase, in currency.
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
        Indexed by account_id: repeats, alive_probability (NaN without a model),
        expected_purchases and expected_spend within the horizon, clv (future,
        discounted) with clv_low and clv_high, past_value (margin earned so far) and
        total_value; in currency.
    messages : tuple of str
        Reasons why a mean is used instead of a model.
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
        Exclusive end of the observation.
    horizon_months : int
        Future months that count.
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
) -> pd.DataFrame:
    """Value customers with models fitted on the same or on earlier orders.

    The interval is for the outcome of the customer, not for the mean: it follows from the
    posterior of whether the customer has left, its rate, its chance of leaving and the amount of
    its purchases, and contains 95 of 100 futures (`value_range`). It is widened to contain the
    expected value, for example of a customer that will hardly come back. It depends only on the
    customer, not on the other rows or their order.

    Parameters
    ----------
    history : pd.DataFrame, shape = (n_customers, n_columns)
        As from `purchase_history`.
    purchases : PurchaseModel
    spend : SpendModel
    horizon_months, margin, annual_discount_rate
        As in `order_lifetime`.

    Returns
    -------
    pd.DataFrame, shape = (n_customers, 9)
        As `OrderLifetime.table`.
    """
    weeks = np.arange(1, horizon_months + 1) * DAYS_PER_MONTH / DAYS_PER_WEEK
    states = purchases.states(history)
    each_state = history.iloc[states.first]
    # Given that the customer has not left, with purchases of 1 each.
    many = purchases.expected_remaining(
        each_state["repeats"],
        each_state["age_weeks"],
        weeks,
        each_state["age_weeks"] - each_state["recency_weeks"],
    )
    worth = order_value(
        many, np.ones(len(many)), margin=margin, annual_discount_rate=annual_discount_rate
    )
    each, alive = spend.expected(history), purchases.alive(history)
    present = np.where(np.isnan(alive), 1.0, alive)
    clv = present * worth[states.state] * each
    # On average, purchases in a future are as late as the expected ones.
    discounted = (worth / np.where(many[:, -1] > 0, many[:, -1], 1.0))[states.state]
    ends = value_range(history, purchases, spend, float(weeks[-1]))
    past = history["spent"].to_numpy(dtype="float64") * margin
    return pd.DataFrame(
        {
            "repeats": history["repeats"],
            "alive_probability": alive,
            "expected_purchases": present * many[states.state, -1],
            "expected_spend": each,
            "clv": clv,
            "clv_low": np.minimum(ends.low * discounted, clv),
            "clv_high": np.maximum(ends.high * discounted, clv),
            "past_value": past,
            "total_value": past + clv,
        },
        index=history.index,
    )
