"""Caps and floors: when they hold, which one wins, and how they show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from features.definitions.condition import Condition
from health.scorecard.score import HealthScores, score_health
from health.settings.rule import Rule
from health.settings.scorecard import Scorecard

URGENT = "tickets_urgent_oldest_days"
COMPONENTS = [
    {"name": "use", "weight": 1, "measures": [{"feature": "mrr", "worst": 0, "best": 100}]}
]


def _score(rows: list[tuple[float, float]], *rules: dict[str, Any]) -> HealthScores:
    card = Scorecard.model_validate({"components": COMPONENTS, "rules": list(rules)})
    return score_health(pd.DataFrame(rows, columns=["mrr", URGENT], dtype=float), card)


def _urgent(**bound: float) -> dict[str, Any]:
    return {"name": "Urgent", **bound, "when": [{"feature": URGENT, "at_least": 7}]}


def test_a_cap_holds_from_exactly_its_bound_and_shows_as_a_term() -> None:
    scores = _score([(90, 7), (90, 6.99), (90, np.nan), (30, 40)], _urgent(cap=50))
    assert scores.score.tolist() == [50, 90, 90, 30]
    assert scores.contributions["rule:Urgent"].tolist() == [-40, 0, 0, 0]
    assert scores.missing["rule:Urgent"].tolist() == [40, 0, 0, 0]
    assert scores.rules["rule:Urgent"].tolist() == [True, False, False, True]


def test_a_cap_wins_over_a_floor_and_the_lowest_cap_over_others() -> None:
    floor = {"name": "Big", "floor": 70, "when": [{"feature": "mrr", "at_least": 20}]}
    strict = {"name": "Strict", "cap": 40, "when": [{"feature": URGENT, "at_least": 7}]}
    scores = _score([(30, 7), (30, 0)], strict, _urgent(cap=50), floor)
    assert scores.score.tolist() == [40, 70]
    assert scores.contributions.loc[0].tolist() == [30, 40, -30, 0]


@pytest.mark.parametrize(
    ("bounds", "held"),
    [
        ({"above": 7.0}, [False, False, True, False]),
        ({"at_most": 7.0}, [True, True, False, False]),
        ({"below": 7.0}, [True, False, False, False]),
        ({"at_least": 7.0, "below": 8.0}, [False, True, False, False]),
        ({"missing": True}, [False, False, False, True]),
        ({"missing": False}, [True, True, True, False]),
    ],
)
def test_conditions(bounds: dict[str, Any], held: list[bool]) -> None:
    frame = pd.DataFrame({URGENT: [6.0, 7, 8, np.nan]})
    assert Condition(feature=URGENT, **bounds).holds(frame).tolist() == held


@pytest.mark.parametrize("bounds", [{}, {"cap": 40, "floor": 30}, {"cap": 101}])
def test_a_rule_is_a_cap_or_a_floor(bounds: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rule(name="x", when=(Condition(feature="mrr", above=0),), **bounds)


def test_a_missing_value_has_no_bounds() -> None:
    with pytest.raises(ValidationError, match="remove either"):
        Condition(feature="mrr", missing=True, above=0)
