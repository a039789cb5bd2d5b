"""A condition on a feature: bounds of its value, or whether it is present."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from pydantic import BaseModel, ConfigDict, model_validator


class Condition(BaseModel):
    """A condition on one feature; all given bounds must be met.

    A missing value (NaN) meets no bound; it only meets `missing = true`.

    Attributes
    ----------
    feature : str
        Name of a feature of the catalogue.
    above, at_least, at_most, below : float, optional
        Bounds of the value, in the feature's unit.
    missing : bool, optional
        Whether the value must be missing (true) or present (false).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: str
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    missing: bool | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Condition:
        bounds = (self.above, self.at_least, self.at_most, self.below)
        bounded = any(bound is not None for bound in bounds)
        if not bounded and self.missing is None:
            raise ValueError("give one of above, at_least, at_most and below, or missing")
        if bounded and self.missing:
            raise ValueError("a missing value meets no bounds: remove either")
        return self

    def holds(self, features: pd.DataFrame) -> pd.Series[bool]:
        """Return for each row whether its value meets the condition."""
        value = features[self.feature]
        met = value.isna() if self.missing else value.notna()
        if self.above is not None:
            met &= value > self.above
        if self.at_least is not None:
            met &= value >= self.at_least
        if self.at_most is not None:
            met &= value <= self.at_most
        if self.below is not None:
            met &= value < self.below
        return met


def all_hold(conditions: Iterable[Condition], features: pd.DataFrame) -> pd.Series[bool]:
    """Return for each row whether all conditions are met; True if there are none."""
    met = pd.Series(True, index=features.index)
    for condition in conditions:
        met &= condition.holds(features)
    return met
