"""Gates of the account and rules of the product: who gets no offer, and the reason said."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from features.definitions.condition import Condition
from health.expansion.eligibility import gate_reasons, ineligible_reasons
from health.settings.config import Config
from health.settings.expansion import ExpansionConfig, ProductRule
from health.settings.flags import FlagsConfig


def _gate(*, asked: bool = False, **given: Any) -> str:
    row = {"health_band": "green", "stage": "retention", "notice_given": 0.0}
    row |= {"churn_probability": 0.05, "churn_base_rate": 0.05, "usage_recency_days": 0.0}
    row |= {"tickets_urgent_open": float("nan"), **given}
    frame = pd.DataFrame([row])
    gates = gate_reasons(frame, frame, FlagsConfig())
    return (gates.asked if asked else gates.all).iloc[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"health_band": None}, ""),
        ({"health_band": "red"}, "its health is red"),
        ({"stage": "onboarding"}, "it is in onboarding"),
        ({"notice_given": 1.0}, "it gave notice"),
        ({"tickets_urgent_open": 2.0}, "an urgent ticket is open"),
        ({"churn_probability": 0.2}, "it may leave"),
        ({"usage_recency_days": 28.0}, "it has stopped using the product"),
        ({"health_band": "red", "stage": "onboarding"}, "its health is red; it is in onboarding"),
    ],
)
def test_a_gate_says_its_reason(given: dict[str, Any], said: str) -> None:
    assert _gate(**given) == said


def test_who_asked_gets_an_answer_though_it_is_at_risk() -> None:
    at_risk = {"health_band": "red", "churn_probability": 0.2, "usage_recency_days": 28.0}
    assert _gate(asked=True, **at_risk) == ""
    assert _gate(asked=True, **at_risk, notice_given=1.0) == "it gave notice"
    assert _gate(asked=True, stage="onboarding") == "it is in onboarding"


def _offer(**given: Any) -> pd.DataFrame:
    row = {
        "product": "Connect",
        "segment": "SMB",
        "region": "EU",
        "stage": "retention",
        "place": 0,
        "seats": 10.0,
        **given,
    }
    return pd.DataFrame([row])


def _why_not(rule: ProductRule, offer: pd.DataFrame | None = None, **settings: Any) -> str:
    expansion = ExpansionConfig(products={"Connect": rule}, **settings)
    config = Config(tables={}, expansion=expansion)
    held = pd.DataFrame({"place": [0, 1], "product": ["Platform", "Insights"]})
    plans = pd.DataFrame({"place": [0, 1], "plan": ["Team", "Pro"]})
    offers = _offer() if offer is None else offer
    return ineligible_reasons(offers, held, plans, config).iloc[0]


@pytest.mark.parametrize(
    ("kept", "broken", "said"),
    [
        ({"segments": ("SMB",)}, {"segments": ("Big", "Mid")}, "only for segment Big or Mid"),
        ({"regions": ("EU",)}, {"regions": ("US",)}, "only for region US"),
        ({"stages": ("retention",)}, {"stages": ("renewal",)}, "only for stage renewal"),
        ({"plans": ("Team", "Pro")}, {"plans": ("Pro",)}, "only on plan Pro"),
        ({"requires": ("Platform",)}, {"requires": ("Insights",)}, "needs Insights first"),
        (
            {"when": (Condition(feature="seats", at_least=5),)},
            {"when": (Condition(feature="seats", at_least=50),)},
            "needs seats at least 50",
        ),
    ],
)
def test_a_rule_is_kept_or_named(kept: dict[str, Any], broken: dict[str, Any], said: str) -> None:
    assert _why_not(ProductRule(**kept)) == ""
    assert _why_not(ProductRule(**broken)) == said


def test_an_attribute_nobody_recorded_keeps_no_rule() -> None:
    assert _why_not(ProductRule(industries=("Retail",))) == "only for industry Retail"


def test_what_is_no_longer_sold_is_not_offered_and_what_has_no_rule_is() -> None:
    assert _why_not(ProductRule(), not_offered=("Connect",)) == "it is no longer sold"
    assert _why_not(ProductRule(segments=("Big",)), _offer(product="Other")) == ""


def test_a_rule_on_an_unknown_feature_or_plan_is_refused() -> None:
    with pytest.raises(ValidationError, match="no feature is called 'seatz'"):
        ProductRule(when=(Condition(feature="seatz", above=1),))
    with pytest.raises(ValidationError, match="lowest first"):
        ExpansionConfig(plan_events={"Pro": ("audit",)})
