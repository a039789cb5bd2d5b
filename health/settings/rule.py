"""Caps and floors: named rules that limit the score while their conditions hold."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from features.definitions.condition import Condition
from health.settings.measure import Points, known_feature
from health.settings.section import Section


def _in_catalogue(condition: Condition, info: ValidationInfo) -> Condition:
    known_feature(condition.feature, info)
    return condition


Conditions = tuple[Annotated[Condition, AfterValidator(_in_catalogue)], ...]

#: Prefix of the term of a rule.
RULE_TERM = "rule:"


class Rule(Section):
    """A cap or a floor of the score, with a name that readers see.

    Attributes
    ----------
    name : str
        Description of the condition, such as "An urgent ticket has been open for 7 days".
    cap, floor : float
        Maximum (cap) or minimum (floor) of the score; give one of them.
    when : tuple of Condition
        Conditions, which must all hold.
    """

    name: Annotated[str, Field(min_length=1)]
    cap: Points | None = None
    floor: Points | None = None
    when: Annotated[Conditions, Field(min_length=1)]

    @model_validator(mode="after")
    def _cap_or_floor(self) -> Rule:
        if (self.cap is None) == (self.floor is None):
            raise ValueError("a rule is a cap or a floor: give one of the two")
        return self

    @property
    def term(self) -> str:
        """The rule's name among the terms of the score."""
        return f"{RULE_TERM}{self.name}"

    @property
    def text(self) -> str:
        """The rule as a reason."""
        if self.cap is not None:
            return f"{self.name}: health is capped at {self.cap:g}"
        return f"{self.name}: health is at least {self.floor:g}"

    def bounded(self, score: np.ndarray) -> np.ndarray:
        """Return the scores after applying the rule."""
        bounded: np.ndarray = np.clip(score, self.floor, self.cap)
        return bounded
