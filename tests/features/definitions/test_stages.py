"""The lifecycle stage: ordered rules, of which the first that holds applies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features import CATALOGUE
from features.definitions.stages import (
    DEFAULT_STAGES,
    Condition,
    StageRule,
    StageRules,
    lifecycle_stage,
)


def test_the_first_stage_that_holds_applies() -> None:
    features = pd.DataFrame(
        {
            "notice_given": [1.0, 0, 0, 0, 0, 0],
            "tenure_days": [10.0, 89, 400, 400, 200, 400],
            "days_to_renewal": [10.0, 10, 90, np.nan, np.nan, 91],
            "expansions_180d": [1.0, 1, 1, 1, 0, 0],
        }
    )
    assert lifecycle_stage(features).tolist() == [
        "leaving",
        "onboarding",
        "renewal",
        "expansion",
        "adoption",
        "retention",
    ]


def test_the_order_of_the_rules_decides() -> None:
    new = StageRule(name="new", when=(Condition(feature="tenure_days", below=90),))
    paying = StageRule(name="paying", when=(Condition(feature="mrr", above=0),))
    features = pd.DataFrame({"tenure_days": [10.0, 100.0], "mrr": [5.0, 5.0]})
    for rules, expected in (((new, paying), ["new", "paying"]), ((paying, new), ["paying"] * 2)):
        stages = StageRules(rules=rules, default="rest")
        assert lifecycle_stage(features, stages).tolist() == expected


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"above": 2}, [False, False, True, False]),
        ({"at_least": 2}, [False, True, True, False]),
        ({"at_most": 2}, [True, True, False, False]),
        ({"below": 2}, [True, False, False, False]),
        ({"at_least": 2, "below": 3}, [False, True, False, False]),
    ],
)
def test_every_bound_must_hold_and_an_absent_value_keeps_none(
    bounds: dict[str, float], kept: list[bool]
) -> None:
    condition = Condition(feature="seats", **bounds)
    features = pd.DataFrame({"seats": [1.0, 2.0, 3.0, np.nan]})
    assert condition.holds(features).tolist() == kept


def test_all_conditions_of_a_rule_must_hold() -> None:
    both = (Condition(feature="mrr", above=10), Condition(feature="seats", above=1))
    stages = StageRules(rules=(StageRule(name="large", when=both),), default="small")
    features = pd.DataFrame({"mrr": [20.0, 20.0, 5.0], "seats": [2.0, np.nan, 2.0]})
    assert lifecycle_stage(features, stages).tolist() == ["large", "small", "small"]
    assert stages.names == ("large", "small")


def test_a_condition_without_a_bound_is_refused() -> None:
    with pytest.raises(ValidationError, match="above, at_least, at_most and below"):
        Condition(feature="mrr")


def test_a_default_is_required() -> None:
    with pytest.raises(ValidationError, match="default"):
        StageRules(rules=DEFAULT_STAGES.rules)  # type: ignore[call-arg]


def test_the_built_in_rules_name_features_of_the_catalogue() -> None:
    named = {c.feature for rule in DEFAULT_STAGES.rules for c in rule.when}
    assert named <= CATALOGUE.keys()
