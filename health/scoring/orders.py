"""Scores of customers who order without a contract: chance of having left, orders, value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from features.orders.family import orders_by_day
from features.tables.opened import Tables
from health.business.feature_table import FeatureTable
from health.business.kinds import monthly_orders
from health.expansion.inputs import OfferInputs
from health.expansion.offers import OFFER_COLUMNS, PUBLISHED
from health.expansion.prices import peer_groups
from health.presentation import wording
from health.reasons.probability import BASELINE_TEXT
from health.reasons.reasons import reason_rows
from health.reasons.signals import BASELINE
from health.scoring.method import ScoredAccounts, ScoringMethod
from health.scoring.part import PartInputs, ScoredPart, finished_part, peers_of
from health.settings.config import Config
from health.training.orders import (
    ALL,
    NOT_OFFERED,
    left_contributions,
    models_on,
    order_chances,
    order_history,
)
from health.training.rows import TARGETS
from models import value_customers
from models.clv.beta_geo import DAYS_PER_WEEK

#: The terms of the chance of having left, by the parts of `PurchaseModel.left_contributions`.
TERMS = {"baseline": BASELINE, "returns": "orders_returns", "silence": "orders_silence_days"}
_WEEKS_A_YEAR = 365.25 / DAYS_PER_WEEK


class OrderScoring(ScoringMethod):
    """Scores customers who order, from the purchase models (BG/NBD and Gamma-Gamma)."""

    def added(self, features: FeatureTable, tables: Tables, config: Config) -> pd.DataFrame:
        """Return no columns: the purchase models read the history only."""
        return pd.DataFrame(index=pd.RangeIndex(len(features)))

    def terms(
        self,
        features: pd.DataFrame,
        tables: Tables,
        config: Config,
    ) -> dict[str, pd.Series[Any]]:
        """Return no columns: without contracts nothing renews and nobody gives notice."""
        return {}

    def offers(self, features: pd.DataFrame, tables: Tables, config: Config) -> OfferInputs:
        """Return inputs without any product."""
        empty = pd.DataFrame(
            {"place": pd.Series(dtype="int64"), "product": pd.Series(dtype=object)}
        )
        asked = pd.DataFrame({"account_id": pd.Series(dtype=object)})
        return OfferInputs(empty, empty, empty, asked)

    def models_on(
        self, models: Mapping[str, Any], tables: Tables, as_of: datetime, config: Config
    ) -> Mapping[str, Any]:
        """Return the artefacts with the level of orders (season and trend) from the date on."""
        return models_on(models, orders_by_day(tables, as_of), as_of, config)

    def history(self, tables: Tables, as_of: datetime) -> pd.DataFrame:
        """Return the purchase history; a customer that has only refunds has none."""
        return order_history(tables, as_of)

    def score_part(
        self, inputs: PartInputs, models: Mapping[str, Any], config: Config
    ) -> ScoredPart:
        """Add the results of the purchase models for some customers, with reasons.

        Returns
        -------
        ScoredPart
            In addition to the columns of every run: alive_probability (NaN for a customer that
            ordered on one day only, for whom BG/NBD cannot infer it, and for all customers if the
            fit failed its test), order_probability (to order within the horizon), orders_expected
            (within it) and monthly_orders. `churn_probability` is 1 − alive_probability: the
            chance that the customer has left already. `expected_loss` is that chance times a year
            of the orders of a customer that has not. Upsell and cross-sell are empty.
        """
        features, accounts = inputs.features, inputs.scores["account_id"]
        result = _values(inputs.history, models, config).reindex(accounts).set_axis(accounts.index)
        scores = inputs.scores.assign(
            **{name: result[name] for name in ("alive_probability", "order_probability")},
            orders_expected=result["orders_expected"],
            monthly_orders=monthly_orders(features),
            churn_probability=1.0 - result["alive_probability"],
            churn_base_rate=_usual(features, models["risk"].usual, config).where(
                result["alive_probability"].notna()
            ),
            upsell_probability=np.nan,
            upsell_base_rate=np.nan,
            expected_loss=result["expected_loss"],
            clv=result["clv"],
            clv_low=result["clv_low"],
            clv_high=result["clv_high"],
        )
        earned = inputs.past.fillna(0.0).to_numpy() * config.clv.margin
        scores = scores.assign(past_value=earned, total_value=earned + scores["clv"])
        scores = scores.assign(**dict.fromkeys(OFFER_COLUMNS, np.nan)).astype(
            {name: object for name in OFFER_COLUMNS if name.endswith("_product")}
        )
        nothing = pd.DataFrame(columns=list(PUBLISHED), dtype=object)
        reasons = peers_of(inputs, config).mark(_reasons(features, inputs.history, models))
        return finished_part(inputs, scores, [reasons], nothing, config)

    def has_signal(self, models: Mapping[str, Any]) -> dict[str, bool]:
        """Return that only the chance of having left may have a signal."""
        return {**dict.fromkeys(TARGETS, False), "churn": models["risk"].has_signal}

    def warnings(
        self,
        scored: ScoredAccounts,
        models: Mapping[str, Any],
        config: Config,
        *,
        tables: Tables,
        as_of: datetime,
    ) -> list[str]:
        """Return why an output has no model, or what limits it."""
        purchases, spend, risk = models["purchases"], models["spend"], models["risk"]
        notes = dict.fromkeys(m for m in (purchases.message_, spend.message_, risk.note) if m)
        result = [f"orders: {m}" for m in notes]
        once = int(scored.scores["alive_probability"].isna().sum())
        if risk.has_signal and once:
            result.append(
                f"orders: {wording.count(once, 'customer')} ordered on one day only; whether they "
                "have left cannot be inferred, so no chance of it is published"
            )
        return [*result, f"upsell, cross-sell: {NOT_OFFERED}"]


def _values(history: pd.DataFrame, models: Mapping[str, Any], config: Config) -> pd.DataFrame:
    """Return chances, orders and money by account."""
    purchases, spend = models["purchases"], models["spend"]
    weeks = config.labels.horizon_days / DAYS_PER_WEEK
    value = value_customers(
        history,
        purchases,
        spend,
        horizon_months=config.clv.horizon_months,
        margin=config.clv.margin,
        annual_discount_rate=config.clv.discount_rate,
    )
    chances = order_chances(history, models, config.labels.horizon_days)
    left = 1.0 - chances["alive_probability"]
    soon, year = (purchases.expected(history, [t])[:, 0] for t in (weeks, _WEEKS_A_YEAR))
    # Orders of a year if the customer is still one: the expectation is over both cases.
    if_present = year / purchases.alive(history)
    return value.assign(
        **chances,
        orders_expected=soon,
        expected_loss=left * if_present * value["expected_spend"],
    )


def _usual(features: pd.DataFrame, rates: Mapping[str, float], config: Config) -> pd.Series[float]:
    """Return the mean chance of having left in each customer's peer group."""
    own = peer_groups(features, config).map(dict(rates)).astype(float)
    return own.fillna(rates.get(ALL, float("nan")))


def _reasons(
    features: pd.DataFrame, history: pd.DataFrame, models: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the two terms of the chance of having left, and the baseline, each with a sentence."""
    parts = left_contributions(history, models).dropna().rename(columns=TERMS)
    own = features.set_index("account_id").loc[parts.index]
    inputs = pd.DataFrame(
        {
            "account_id": parts.index,
            "orders_returns": history.loc[parts.index, "repeats"].to_numpy(dtype="float64"),
            "orders_silence_days": own["orders_recency_days"].to_numpy(dtype="float64"),
        }
    )
    rows = reason_rows("churn", parts, inputs, baseline_text=BASELINE_TEXT)
    texts = [
        *[BASELINE_TEXT] * len(parts),
        *(_returned(times) for times in inputs["orders_returns"]),
        *(
            _silent(days, usual)
            for days, usual in zip(
                inputs["orders_silence_days"], own["orders_interval_days_median"], strict=True
            )
        ),
    ]
    return rows.assign(text=texts)


def _returned(times: float) -> str:
    return f"Ordered again {wording.count(times, 'time')}"


def _silent(days: float, usual: float) -> str:
    if np.isnan(days):
        return "The date of the latest order is not known"
    text = f"No order for {wording.span(days)}" if days >= 1 else "Ordered on the day before"
    return text if np.isnan(usual) else f"{text}, usually one every {wording.span(usual)}"
