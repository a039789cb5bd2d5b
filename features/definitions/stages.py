"""The lifecycle stage of an account: ordered rules; the first that matches applies."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from features.definitions.condition import Condition, all_hold


class StageRule(BaseModel):
    """A stage and its conditions, all of which must be met.

    Attributes
    ----------
    name : str
        Name of the stage, as readers see it.
    when : tuple of Condition
        At least one condition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    when: Annotated[tuple[Condition, ...], Field(min_length=1)]

    def holds(self, features: pd.DataFrame) -> pd.Series[bool]:
        """Return for each account whether all conditions are met."""
        return all_hold(self.when, features)


class StageRules(BaseModel):
    """Rules of the stages in the order of evaluation, and the default stage.

    Attributes
    ----------
    rules : tuple of StageRule
        The first rule that matches applies.
    default : str
        The stage of an account that no rule matches.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: Annotated[tuple[StageRule, ...], Field(min_length=1)]
    default: Annotated[str, Field(min_length=1)]

    @property
    def names(self) -> tuple[str, ...]:
        """The stages, each once, in the order of the rules."""
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
    """Return the stage of each account.

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
    matches = [rule.holds(features) for rule in stages.rules]
    names = np.select(matches, [rule.name for rule in stages.rules], default=stages.default)
    return pd.Series(names, index=features.index, dtype=object)
