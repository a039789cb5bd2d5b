"""A condition over features: bounds that a value keeps, or that it is there at all."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from pydantic import BaseModel, ConfigDict, model_validator


class Condition(BaseModel):
    """Bounds on one feature; everything that is given must hold.

    An absent value (NaN) keeps no bound: what is not known meets no condition, but `missing`.

    Attributes
    ----------
    feature : str
        Name of a feature of the catalogue.
    above, at_least, at_most, below : float, optional
        The bounds, in the feature's unit.
    missing : bool, optional
        True: the value is absent; False: it is there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    missing: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        bounds = (self.above, self.at_least, self.at_most, self.below)
        bounded = any(bound is not None for bound in bounds)
        if not bounded and self.missing is None:
            raise ValueError("give one of above, at_least, at_most and below, or missing")
        if bounded and self.missing:
            raise ValueError("a missing value keeps no bounds: leave out either")
        return self

    def holds(self, features: pd.DataFrame) -> pd.Series[bool]:
        """Tell for each row whether its value keeps everything that is given."""
        value = features[self.feature]
        kept = value.isna() if self.missing else value.notna()
        if self.above is not None:
            kept &= value > self.above
        if self.at_least is not None:
            kept &= value >= self.at_least
        if self.at_most is not None:
            kept &= value <= self.at_most
        if self.below is not None:
            kept &= value < self.below
        return kept


def all_hold(conditions: Iterable[Condition], features: pd.DataFrame) -> pd.Series[bool]:
    """Tell for each row whether all of some conditions hold; True where there are none."""
    kept = pd.Series(True, index=features.index)
    for condition in conditions:
        kept &= condition.holds(features)
    return kept
