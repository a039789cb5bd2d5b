"""Who may be offered a product: rules of the product and gates of the account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.definitions.condition import Condition
from health.business.risk import known_to_leave, likely_to_leave, unused
from health.settings.config import Config
from health.settings.expansion import ProductRule
from health.settings.flags import FlagsConfig
from models.base.inputs import columns_of

#: Why an account gets no offer now, in the order in which reasons are listed.
_LEAVING = "it gave notice"
_RED = "its health is red"
_LIKELY = "it may leave"
_SILENT = "it has stopped using the product"
_ONBOARDING = "it is in onboarding"
_URGENT = "an urgent ticket is open"
#: What the rule of a product may require of an account's own columns.
_ATTRIBUTES = ("segment", "region", "industry", "stage")


@dataclass(frozen=True)
class Gates:
    """Why an account gets no offer now; an empty text if it may get one.

    Attributes
    ----------
    all : pd.Series of str
        Every reason.
    asked : pd.Series of str
        The reasons that also apply to an offer that the customer asked for: an account at risk gets
        no unsolicited offers, but its requests are answered.
    """

    all: pd.Series[str]
    asked: pd.Series[str]


def gate_reasons(scores: pd.DataFrame, features: pd.DataFrame, limits: FlagsConfig) -> Gates:
    """Return why each account gets no offer now.

    Parameters
    ----------
    scores : pd.DataFrame
        health_band, stage, churn_probability and churn_base_rate.
    features : pd.DataFrame
        notice_given, usage_recency_days and tickets_urgent_open, on the same index.
    limits : FlagsConfig
        Who is at risk, and who is silent.
    """
    stage = scores["stage"]
    leaving = {_LEAVING: known_to_leave(features) | (stage == "leaving")}
    unsolicited = {
        _RED: scores["health_band"] == "red",
        _LIKELY: likely_to_leave(scores, limits),
        _SILENT: unused(features, limits),
    }
    closed = {_ONBOARDING: stage == "onboarding", _URGENT: features["tickets_urgent_open"] > 0}
    return Gates(
        _joined({**leaving, **unsolicited, **closed}, scores.index),
        _joined({**leaving, **closed}, scores.index),
    )


def leaves(gates: pd.Series[str]) -> pd.Series[bool]:
    """Return which gates are closed because the account gave notice."""
    code, texts = pd.factorize(gates)
    begins = np.array([text.startswith(_LEAVING) for text in texts], dtype=bool)
    return pd.Series(begins[code], index=gates.index)


def read_by_rules(config: Config) -> set[str]:
    """Return the columns of an account that `ineligible_reasons` may read."""
    rules = config.expansion.products.values()
    return {*_ATTRIBUTES, *(condition.feature for rule in rules for condition in rule.when)}


def ineligible_reasons(
    offers: pd.DataFrame, held: pd.DataFrame, plans: pd.DataFrame, config: Config
) -> pd.Series[str]:
    """Return why each open product may not be offered to its account; empty if it may.

    Parameters
    ----------
    offers : pd.DataFrame
        place (of the account), product, stage, the attributes that the account has, and its
        features.
    held, plans : pd.DataFrame
        place and product, place and plan: what accounts own.
    config : Config
        The catalogue of products.
    """
    reasons = np.full(len(offers), "", dtype=object)
    for product in {*config.expansion.not_offered, *config.expansion.products}:
        rows = np.flatnonzero(offers["product"] == product)
        if product in config.expansion.not_offered:
            reasons[rows] = "it is no longer sold"
        elif len(rows):
            rule = config.expansion.products[product]
            read = ("place", *_ATTRIBUTES, *(condition.feature for condition in rule.when))
            own = columns_of(offers, [c for c in dict.fromkeys(read) if c in offers.columns])
            reasons[rows] = _broken(own.iloc[rows], rule, held, plans).to_numpy()
    return pd.Series(reasons, index=offers.index, dtype=object)


def _broken(
    own: pd.DataFrame, rule: ProductRule, held: pd.DataFrame, plans: pd.DataFrame
) -> pd.Series[str]:
    """Return which parts of a product's rule each row violates."""
    broken: dict[str, pd.Series[bool]] = {}
    for column in _ATTRIBUTES:
        allowed = getattr(rule, "industries" if column == "industry" else f"{column}s")
        if allowed:
            broken[f"only for {column} {_any_of(allowed)}"] = ~_column(own, column).isin(allowed)
    if rule.plans:
        on_plan = plans.loc[plans["plan"].isin(rule.plans), "place"]
        broken[f"only on plan {_any_of(rule.plans)}"] = ~own["place"].isin(on_plan)
    for product in rule.requires:
        holders = held.loc[held["product"] == product, "place"]
        broken[f"needs {product} first"] = ~own["place"].isin(holders)
    for condition in rule.when:
        broken[_bounds(condition)] = ~condition.holds(own)
    return _joined(broken, own.index)


def _column(frame: pd.DataFrame, name: str) -> pd.Series[str]:
    return (
        frame[name] if name in frame.columns else pd.Series(None, index=frame.index, dtype=object)
    )


def _any_of(names: Iterable[str]) -> str:
    return " or ".join(names)


def _bounds(condition: Condition) -> str:
    """Describe a condition in words."""
    words = {
        "above": condition.above,
        "at least": condition.at_least,
        "at most": condition.at_most,
        "below": condition.below,
    }
    limits = [f"{word} {value:g}" for word, value in words.items() if value is not None]
    if condition.missing is not None:
        limits.append("unknown" if condition.missing else "known")
    return f"needs {condition.feature} {' and '.join(limits)}"


def _joined(reasons: dict[str, pd.Series[bool]], index: pd.Index[int]) -> pd.Series[str]:
    """Join the reasons that apply to each row."""
    text = pd.Series("", index=index, dtype=object)
    for reason, holds in reasons.items():
        chosen = holds.to_numpy(dtype=bool)
        before = text[chosen]
        text[chosen] = np.where(before == "", reason, before + "; " + reason)
    return text
