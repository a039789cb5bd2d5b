"""A version for an order-based company: how often customers return, and for how much.

Without contracts churn is not observed, so there is no churn to learn. Two models are fitted on the
orders alone (BG/NBD and Gamma-Gamma), and tested on what is observed: who orders again within the
horizon, how often, and for how much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from features.orders.family import orders_by_day
from features.tables.opened import Tables
from features.windows.observations import build_observations
from health.expansion.prices import peer_groups
from health.settings.config import Config
from health.training.held_out import COLUMNS as HELD_OUT_COLUMNS
from models import Evaluation, PurchaseModel, SpendModel, evaluate, purchase_history
from models.churn.later_dates import FEWEST_TESTED
from models.clv.beta_geo import DAYS_PER_WEEK
from models.clv.order_level import with_level

#: The one target: to order within the horizon.
TARGET = "order"
#: Inputs of a purchase model, stored with the tested rows.
HISTORY = ["repeats", "recency_weeks", "age_weeks"]
#: The group of all customers, and the minimum number of customers for a group's own rate.
ALL, _FEW = "", 20
#: Why there is neither upsell nor cross-sell.
NOT_OFFERED = (
    "no probability is published: orders do not contain products to expand or add, so upsell and "
    "cross-sell are not learned from orders"
)


@dataclass(frozen=True)
class OrderTest:
    """The test of a fit on earlier orders: predictions for the last horizon, and what happened.

    Attributes
    ----------
    split : datetime
        The fit used only orders before this time.
    rows : pd.DataFrame
        Columns of held_out.parquet and `HISTORY`: a row per customer active at the split; empty if
        there was nothing to test on.
    figures : dict
        For the manifest: of the chance to order again as `Evaluation.to_dict` has them,
        purchases and revenue, expected and actual, and the level of orders that was expected.
    has_signal : bool
        The fit converged, and its probability ranks better than chance.
    note : str
        Why it was not tested, or why its probabilities are not published.
    """

    split: datetime
    rows: pd.DataFrame
    metrics: dict[str, Any]
    has_signal: bool
    note: str


@dataclass(frozen=True)
class OrderRisk:
    """What a version needs for the probability of having left, in addition to the fit.

    Attributes
    ----------
    usual : dict of str to float
        Mean probability of the active repeat customers by peer group (`ALL` for all); empty if no
        probability is published.
    has_signal : bool
        Whether the probabilities of the fit are published.
    note : str
        Why they are not.
    """

    usual: Mapping[str, float]
    has_signal: bool
    note: str


def order_history(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return the purchase history of each customer as known before a date."""
    return purchase_history(orders_by_day(tables, as_of), until=as_of)


def models_on(
    models: Mapping[str, Any], orders: pd.DataFrame, as_of: datetime, config: Config
) -> dict[str, Any]:
    """Return the artefacts as they apply on a date: with the level of orders of its horizon.

    Parameters
    ----------
    models : mapping of str to object
        As from `fit_orders`.
    orders : pd.DataFrame
        As from `orders_by_day`, known before the date.
    as_of : datetime
        The date.
    config : Config
        The horizon.
    """
    days = config.labels.horizon_days
    now = with_level(models["purchases"], orders, until=as_of, horizon_days=days)
    return {**models, "purchases": now}


def left_contributions(history: pd.DataFrame, models: Mapping[str, Any]) -> pd.DataFrame:
    """Return the terms of the log-odds of having left; NaN if not published."""
    parts: pd.DataFrame = models["purchases"].left_contributions(history)
    return parts if models["risk"].has_signal else parts * np.nan


def order_chances(
    history: pd.DataFrame, models: Mapping[str, Any], horizon_days: int
) -> pd.DataFrame:
    """Return the probabilities that a version publishes for each customer.

    Parameters
    ----------
    history : pd.DataFrame
        As from `order_history`.
    models : mapping of str to object
        As from `fit_orders`.
    horizon_days : int
        Days within which an order counts.

    Returns
    -------
    pd.DataFrame, shape = (n_customers, 2)
        alive_probability and order_probability, NaN if not published.
    """
    logit = left_contributions(history, models).sum(axis=1, skipna=False).astype("float64")
    soon = models["purchases"].order_probability(history, horizon_days / DAYS_PER_WEEK)
    return pd.DataFrame(
        {"alive_probability": expit(-logit.to_numpy()), "order_probability": soon},
        index=history.index,
    )


def fit_orders(
    tables: Tables, config: Config, known_until: datetime, test: OrderTest
) -> dict[str, Any]:
    """Fit both models on the orders known before a date; return them by artefact name.

    Returns
    -------
    dict of str to object
        purchases, spend, and risk (`OrderRisk`).
    """
    history = order_history(tables, known_until)
    purchases, spend = PurchaseModel().fit(history), SpendModel().fit(history)
    observations = build_observations(
        tables, [known_until], active_order_days=config.features.active_order_days
    )
    usual = _left_rates(observations, history, purchases, config)
    trusted = test.has_signal and purchases.basis_ == "bg/nbd"
    risk = OrderRisk(usual, trusted, "" if trusted else test.note)
    return {"purchases": purchases, "spend": spend, "risk": risk}


def _left_rates(
    active: pd.DataFrame, history: pd.DataFrame, purchases: PurchaseModel, config: Config
) -> dict[str, float]:
    left = pd.Series(1.0 - purchases.alive(history), index=history.index)
    left = left.where(history["repeats"] > 0)
    known = active.assign(left=active["account_id"].map(left), group=peer_groups(active, config))
    known = known[known["left"].notna()]
    if known.empty:
        return {}
    groups = known.groupby("group")["left"].agg(["mean", "size"])
    own = groups.loc[groups["size"] >= _FEW, "mean"]
    return {ALL: float(known["left"].mean())} | {str(k): float(v) for k, v in own.items()}


def judge_in_time(tables: Tables, config: Config, known_until: datetime) -> OrderTest:
    """Fit on the orders up to one horizon before the end, and test on the orders since."""
    days = config.labels.horizon_days
    split = known_until - timedelta(days=days)
    later = orders_by_day(tables, known_until)
    earlier = later[later["ordered_at"] < pd.Timestamp(split)]
    nothing = pd.DataFrame(columns=[*HELD_OUT_COLUMNS, *HISTORY])
    if not (earlier["amount"] >= 0).any():
        note = f"not tested: nothing was ordered before {split.date()}, one horizon before the end"
        return OrderTest(split, nothing, {}, False, note)
    history = order_history(tables, split)
    model, spend = PurchaseModel().fit(history), SpendModel().fit(history)
    model = with_level(model, orders_by_day(tables, split), until=split, horizon_days=days)
    observations = build_observations(
        tables, [split], active_order_days=config.features.active_order_days
    )
    own = history[history.index.isin(observations["account_id"])]
    if own.empty or model.basis_ == "none":
        return OrderTest(
            split, nothing, {}, False, f"not tested: {model.message_ or 'no customer'}"
        )
    weeks = days / DAYS_PER_WEEK
    actual = came_between(later, split, known_until, own.index)
    rows = _test_rows(own, model.order_probability(own, weeks), actual, split)
    expected = model.expected(own, [weeks])[:, 0]
    metrics = {
        "purchases": _sums(expected, actual["purchases"].to_numpy(dtype="float64")),
        "revenue": _sums(expected * spend.expected(own), actual["amount"].to_numpy()),
        "level": model.level_,
    }
    happened = rows["happened"]
    if happened.sum() < FEWEST_TESTED or happened.all():
        note = f"not tested: {int(happened.sum())} of {len(rows)} customers ordered again"
        return OrderTest(split, rows, metrics, False, note)
    judged = evaluate(
        happened, rows["probability"], groups=rows["account_id"], seed=config.training.seed
    )
    return OrderTest(split, rows, metrics | judged.to_dict(), *_verdict(model, judged))


def _verdict(model: PurchaseModel, judged: Evaluation) -> tuple[bool, str]:
    """Return whether the probabilities of the fit are published, and why not."""
    if model.basis_ != "bg/nbd":
        return False, model.message_
    if not judged.auc.low > 0.5:
        return False, (
            "the ranking by repeat orders was not better than chance on later orders, so no "
            "probability of having left is published"
        )
    return True, ""


def came_between(
    orders: pd.DataFrame, begin: Any, end: Any, accounts: pd.Index[str]
) -> pd.DataFrame:
    """Return what accounts ordered between two dates.

    Parameters
    ----------
    orders : pd.DataFrame
        As from `orders_by_day`.
    begin, end : datetime
        Inclusive start and exclusive end.
    accounts : pd.Index of str
        Whose orders.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, 2)
        purchases (days with a purchase) and amount (net of returns); 0 without any.
    """
    at = orders["ordered_at"]
    since = orders[(at >= pd.Timestamp(begin)) & (at < pd.Timestamp(end))]
    bought = since[since["amount"] >= 0].groupby("account_id").size()
    amount = since.groupby("account_id")["amount"].sum()
    both = pd.DataFrame({"purchases": bought, "amount": amount}).reindex(accounts)
    return both.fillna(0.0)


def _test_rows(
    history: pd.DataFrame, probability: Any, actual: pd.DataFrame, split: datetime
) -> pd.DataFrame:
    p = np.clip(np.asarray(probability, dtype="float64"), 1e-9, 1 - 1e-9)
    rows = pd.DataFrame(
        {
            "target": TARGET,
            "account_id": history.index.astype(str),
            "as_of": pd.Timestamp(split).as_unit("us"),
            "product": "",
            "happened": (actual["purchases"] > 0).to_numpy(dtype="float64"),
            "logit": np.log(p) - np.log1p(-p),
            "probability": p,
            "learnt_until": pd.Timestamp(split).as_unit("us"),
        }
    )
    result = history[HISTORY].reset_index(drop=True)
    return rows.join(result).sort_values("account_id", ignore_index=True)


def _sums(expected: Any, actual: Any) -> dict[str, float]:
    """Return expected and actual sums, and the mean absolute error per customer."""
    return {
        "expected": float(np.sum(expected)),
        "actual": float(np.sum(actual)),
        "mean_absolute_error": float(np.mean(np.abs(expected - actual))),
    }
