"""The lifecycle stage of an account: ordered rules, of which the first that holds applies."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator


class Condition(BaseModel):
    """Bounds on one feature; every bound that is given must hold.

    An absent value (NaN) keeps no bound: what is not known puts no account into a stage.

    Attributes
    ----------
    feature : str
        Name of a feature of the catalogue.
    above, at_least, at_most, below : float, optional
        The bounds, in the feature's unit; one at least.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Condition:
        if all(b is None for b in (self.above, self.at_least, self.at_most, self.below)):
            raise ValueError("give one of above, at_least, at_most and below")
        return self

    def holds(self, features: pd.DataFrame) -> pd.Series[bool]:
        """Tell for each account whether its value keeps every bound."""
        value = features[self.feature]
        kept = value.notna()
        if self.above is not None:
            kept &= value > self.above
        if self.at_least is not None:
            kept &= value >= self.at_least
        if self.at_most is not None:
            kept &= value <= self.at_most
        if self.below is not None:
            kept &= value < self.below
        return kept


class StageRule(BaseModel):
    """A stage and the conditions that must all hold for an account to be in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    when: Annotated[tuple[Condition, ...], Field(min_length=1)]

    def holds(self, features: pd.DataFrame) -> pd.Series[bool]:
        """Tell for each account whether all conditions hold."""
        kept = pd.Series(True, index=features.index)
        for condition in self.when:
            kept &= condition.holds(features)
        return kept


class StageRules(BaseModel):
    """The stages in the order in which they are asked, and the one that is left.

    Attributes
    ----------
    rules : tuple of StageRule
        The first that holds applies.
    default : str
        The stage of an account for which no rule holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: Annotated[tuple[StageRule, ...], Field(min_length=1)]
    default: Annotated[str, Field(min_length=1)]

    @property
    def names(self) -> tuple[str, ...]:
        """The stages there are, each once, in the order of the rules."""
        return tuple(dict.fromkeys([*(rule.name for rule in self.rules), self.default]))


def _rule(name: str, feature: str, **bounds: float) -> StageRule:
    return StageRule(name=name, when=(Condition(feature=feature, **bounds),))


#: *leaving* gave notice, *onboarding* is new, in *renewal* the term ends within a quarter, in
#: *expansion* MRR rose in half a year, *adoption* is the rest of the first year.
DEFAULT_STAGES = StageRules(
    rules=(
        _rule("leaving", "notice_given", above=0),
        _rule("onboarding", "tenure_days", below=90),
        _rule("renewal", "days_to_renewal", at_most=90),
        _rule("expansion", "expansions_180d", above=0),
        _rule("adoption", "tenure_days", below=365),
    ),
    default="retention",
)


def lifecycle_stage(features: pd.DataFrame, stages: StageRules = DEFAULT_STAGES) -> pd.Series[str]:
    """Name the stage each account is in.

    Parameters
    ----------
    features : pd.DataFrame, shape = (n_accounts, n_features)
        Needs every feature that a rule names.
    stages : StageRules
        Rules in order, and the default.

    Returns
    -------
    pd.Series, shape = (n_accounts,)
        A name of `stages.names`, never absent.
    """
    held = [rule.holds(features) for rule in stages.rules]
    names = np.select(held, [rule.name for rule in stages.rules], default=stages.default)
    return pd.Series(names, index=features.index, dtype=object)
