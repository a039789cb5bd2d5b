"""Who may be offered a product: the rules of the catalogue, and the gates of the account."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from features.definitions.condition import Condition
from health.settings.config import Config
from health.settings.expansion import ProductRule

#: Why nobody is offered anything now, in the order in which it is said.
_RED = "its health is red"
_LEAVING = "it gave notice"
_ONBOARDING = "it is in onboarding"
_URGENT = "an urgent ticket is open"


def gate_reasons(scores: pd.DataFrame, features: pd.DataFrame) -> pd.Series[str]:
    """Say of each account why it gets no offer now; empty where it may get one.

    Parameters
    ----------
    scores : pd.DataFrame
        health_band and stage.
    features : pd.DataFrame
        notice_given and tickets_urgent_open, on the same index.
    """
    stage = scores["stage"]
    closed = {
        _LEAVING: (features["notice_given"] > 0) | (stage == "leaving"),
        _RED: scores["health_band"] == "red",
        _ONBOARDING: stage == "onboarding",
        _URGENT: features["tickets_urgent_open"] > 0,
    }
    return _joined(closed, scores.index)


def ineligible_reasons(
    offers: pd.DataFrame, held: pd.DataFrame, plans: pd.DataFrame, config: Config
) -> pd.Series[str]:
    """Say of each open product why the account may not be offered it; empty where it may.

    Parameters
    ----------
    offers : pd.DataFrame
        place (of the account), product, stage, the attributes of the account that are there,
        and its features.
    held, plans : pd.DataFrame
        place and product, place and plan: what accounts hold.
    config : Config
        The catalogue of products.
    """
    reasons = pd.Series("", index=offers.index, dtype=object)
    for product, own in offers.groupby("product", sort=False):
        if product in config.expansion.not_offered:
            reasons.loc[own.index] = "it is no longer sold"
        elif str(product) in config.expansion.products:
            rule = config.expansion.products[str(product)]
            reasons.loc[own.index] = _broken(own, rule, held, plans)
    return reasons


def _broken(
    own: pd.DataFrame, rule: ProductRule, held: pd.DataFrame, plans: pd.DataFrame
) -> pd.Series[str]:
    """Say which bounds of a product's rule its rows do not keep."""
    broken: dict[str, pd.Series[bool]] = {}
    for column in ("segment", "region", "industry", "stage"):
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
    """Say a condition in words."""
    words = {
        "above": condition.above,
        "at least": condition.at_least,
        "at most": condition.at_most,
        "below": condition.below,
    }
    said = [f"{word} {value:g}" for word, value in words.items() if value is not None]
    if condition.missing is not None:
        said.append("unknown" if condition.missing else "known")
    return f"needs {condition.feature} {' and '.join(said)}"


def _joined(reasons: dict[str, pd.Series[bool]], index: pd.Index[int]) -> pd.Series[str]:
    """Join the reasons that hold for each row."""
    text = pd.Series("", index=index, dtype=object)
    for reason, holds in reasons.items():
        chosen = holds.to_numpy(dtype=bool)
        before = text[chosen]
        text[chosen] = np.where(before == "", reason, before + "; " + reason)
    return text
