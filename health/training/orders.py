"""A version for a company that lives by orders: how often customers come back, and for how much.

Nobody is seen leaving who has no contract, so there is no churn to learn. Two models are fitted on
the orders alone (BG/NBD and Gamma-Gamma), and tested on what can be seen: who orders again within
the horizon, how often, and for how much.
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

#: The one target: to order within the horizon.
TARGET = "order"
#: What a purchase model is asked with, kept with the rows it was tested on.
HISTORY = ["repeats", "recency_weeks", "age_weeks"]
#: The peer group that stands for all, and customers without which a group has no rate of its own.
ALL, _FEW = "", 20
#: Why there is neither upsell nor cross-sell.
NOT_OFFERED = (
    "no chance is published: an order holds no product that could grow or be missing, so who "
    "would buy more, or what else, is not learnt from orders"
)


@dataclass(frozen=True)
class OrderTest:
    """What a fit on earlier orders said of the horizon before the end, and what came.

    Attributes
    ----------
    split : datetime
        The fit knew what lay before.
    rows : pd.DataFrame
        Columns of held_out.parquet and `HISTORY`: a row per customer active at the split; empty
        where there was nothing to test on.
    figures : dict
        For the manifest: of the chance to order again as `Evaluation.to_dict` has them, and
        purchases and revenue, expected and actual.
    has_signal : bool
        The fit converged, and its chance ranks better than a coin.
    note : str
        Why it was not tested, or does not stand behind its chances.
    """

    split: datetime
    rows: pd.DataFrame
    metrics: dict[str, Any]
    has_signal: bool
    note: str


@dataclass(frozen=True)
class OrderRisk:
    """What a version says of the chance of having left beside the fit itself.

    Attributes
    ----------
    usual : dict of str to float
        By peer group (`ALL` for all) the mean chance of the active customers that came back;
        empty where no chance is told.
    has_signal : bool
        The fit stands behind its chances.
    note : str
        Why it does not.
    """

    usual: Mapping[str, float]
    has_signal: bool
    note: str


def order_history(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return the purchase history of each customer as known before a date."""
    return purchase_history(orders_by_day(tables, as_of), until=as_of)


def left_contributions(history: pd.DataFrame, models: Mapping[str, Any]) -> pd.DataFrame:
    """Return what the log-odds of having left are made of; NaN where no fit stands behind it."""
    parts: pd.DataFrame = models["purchases"].left_contributions(history)
    return parts if models["risk"].has_signal else parts * np.nan


def order_chances(
    history: pd.DataFrame, models: Mapping[str, Any], horizon_days: int
) -> pd.DataFrame:
    """Return the chances that a version publishes of each customer.

    Parameters
    ----------
    history : pd.DataFrame
        As from `order_history`.
    models : mapping of str to object
        As from `fit_orders`.
    horizon_days : int
        Within which an order counts.

    Returns
    -------
    pd.DataFrame, shape = (n_customers, 2)
        alive_probability and order_probability, NaN where none is told.
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
    is_at = test.has_signal and purchases.basis_ == "bg/nbd"
    risk = OrderRisk(usual, is_at, "" if is_at else test.note)
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
    """Fit on what lay a horizon before the end, and hold it against what came since."""
    days = config.labels.horizon_days
    split = known_until - timedelta(days=days)
    later = orders_by_day(tables, known_until)
    earlier = later[later["ordered_at"] < pd.Timestamp(split)]
    nothing = pd.DataFrame(columns=[*HELD_OUT_COLUMNS, *HISTORY])
    if not (earlier["amount"] >= 0).any():
        note = f"not tested: nothing was ordered before {split.date()}, a horizon before the end"
        return OrderTest(split, nothing, {}, False, note)
    history = order_history(tables, split)
    model, spend = PurchaseModel().fit(history), SpendModel().fit(history)
    observations = build_observations(
        tables, [split], active_order_days=config.features.active_order_days
    )
    own = history[history.index.isin(observations["account_id"])]
    if own.empty or model.basis_ == "none":
        return OrderTest(
            split, nothing, {}, False, f"not tested: {model.message_ or 'no customer'}"
        )
    weeks = days / DAYS_PER_WEEK
    came = came_between(later, split, known_until, own.index)
    rows = _test_rows(own, model.order_probability(own, weeks), came, split)
    expected = model.expected(own, [weeks])[:, 0]
    metrics = {
        "purchases": _next_to(expected, came["purchases"].to_numpy(dtype="float64")),
        "revenue": _next_to(expected * spend.expected(own), came["amount"].to_numpy()),
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
    """Tell whether the fit stands behind its chances, and why not."""
    if model.basis_ != "bg/nbd":
        return False, model.message_
    if not judged.auc.low > 0.5:
        return False, (
            "who orders again could not be told from chance on later orders, so no chance of "
            "having left is published"
        )
    return True, ""


def came_between(
    orders: pd.DataFrame, begin: Any, end: Any, accounts: pd.Index[str]
) -> pd.DataFrame:
    """Return what accounts ordered from one date to before another.

    Parameters
    ----------
    orders : pd.DataFrame
        As from `orders_by_day`.
    begin, end : datetime
        The first moment that counts, and the first that does not.
    accounts : pd.Index of str
        Whose orders.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, 2)
        purchases (days with one) and amount (less what was given back); 0 without any.
    """
    at = orders["ordered_at"]
    since = orders[(at >= pd.Timestamp(begin)) & (at < pd.Timestamp(end))]
    bought = since[since["amount"] >= 0].groupby("account_id").size()
    amount = since.groupby("account_id")["amount"].sum()
    both = pd.DataFrame({"purchases": bought, "amount": amount}).reindex(accounts)
    return both.fillna(0.0)


def _test_rows(
    history: pd.DataFrame, probability: Any, came: pd.DataFrame, split: datetime
) -> pd.DataFrame:
    p = np.clip(np.asarray(probability, dtype="float64"), 1e-9, 1 - 1e-9)
    rows = pd.DataFrame(
        {
            "target": TARGET,
            "account_id": history.index.astype(str),
            "as_of": pd.Timestamp(split).as_unit("us"),
            "product": "",
            "happened": (came["purchases"] > 0).to_numpy(dtype="float64"),
            "logit": np.log(p) - np.log1p(-p),
            "probability": p,
            "learnt_until": pd.Timestamp(split).as_unit("us"),
        }
    )
    result = history[HISTORY].reset_index(drop=True)
    return rows.join(result).sort_values("account_id", ignore_index=True)


def _next_to(expected: Any, actual: Any) -> dict[str, float]:
    """Return sums, expected and actual, and the mean distance a customer."""
    return {
        "expected": float(np.sum(expected)),
        "actual": float(np.sum(actual)),
        "mean_absolute_error": float(np.mean(np.abs(expected - actual))),
    }
