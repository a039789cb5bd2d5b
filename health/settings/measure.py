"""Measures: a feature, its weight, and the curve that turns its value into points."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from features.catalogue import CATALOGUE
from health.settings.section import Section

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, le=100)]
Corners = tuple[tuple[float, Points], ...]
#: Treatment of a missing measure: redistribute its weight, 50 points, or the lowest points.
MissingPolicy = Literal["reweigh", "neutral", "worst"]

NEUTRAL_POINTS = 50.0
_SHAPES = "give one of: curve, worst with best, bands, percentile (alone or with curve or bands)"


#: Key of the validation context for the names of the custom features.
CUSTOM_FEATURES = "own_features"


def known_feature(feature: str, info: ValidationInfo | None = None) -> str:
    """Return the name of a feature unchanged; ValueError if the feature is unknown.

    Parameters
    ----------
    feature : str
        The name.
    info : ValidationInfo, optional
        Its context may list custom features under `CUSTOM_FEATURES`.
    """
    own = (info.context or {}).get(CUSTOM_FEATURES, ()) if info is not None else ()
    if feature not in CATALOGUE and feature not in own:
        raise ValueError(f"no feature is called {feature!r}; `health features --list` has all")
    return feature


class Measure(Section):
    """One feature converted to 0-100 points; more points are better.

    Attributes
    ----------
    feature : str
        Name of a feature of the catalogue.
    weight : float
        Weight within the component.
    curve : tuple of (value, points), optional
        Corners of a piecewise-linear curve, in increasing order of value; constant beyond the
        first and last corner.
    worst, best : float, optional
        Values that give 0 and 100 points, with a straight line between them: a curve with two
        corners.
    bands : tuple of (value, points), optional
        Steps: from each value (inclusive) up to the next one its points apply; below the first
        value, the points of the first.
    percentile : bool
        Convert the value to its percentile among peers on the same date first, 0 for the lowest
        and 100 for the highest; curve or bands then apply to 0-100. Without either, the healthier
        side of the feature gets more points.
    missing : str
        What to do if the value is missing: ``reweigh`` distributes the weight among the other
        measures of the component, ``neutral`` gives 50 points, ``worst`` the lowest points of the
        curve.
    """

    feature: str
    weight: Weight = 1.0
    curve: Corners | None = None
    worst: float | None = None
    best: float | None = None
    bands: Corners | None = None
    percentile: bool = False
    missing: MissingPolicy = "reweigh"

    @field_validator("feature")
    @classmethod
    def _in_catalogue(cls, feature: str, info: ValidationInfo) -> str:
        return known_feature(feature, info)

    @field_validator("curve", "bands")
    @classmethod
    def _rising(cls, corners: Corners | None) -> Corners | None:
        if corners is not None and (
            len(corners) < 2 or any(not a[0] < b[0] for a, b in pairwise(corners))
        ):
            raise ValueError("needs two corners or more, by rising value")
        return corners

    @model_validator(mode="after")
    def _one_shape(self) -> Measure:
        if (self.worst is None) != (self.best is None) or (
            self.worst is not None and self.worst == self.best
        ):
            raise ValueError("worst and best go together, and differ")
        shapes = sum(shape is not None for shape in (self.curve, self.worst, self.bands))
        if shapes > 1 or (shapes == 0 and not self.percentile):
            raise ValueError(_SHAPES)
        if self.percentile and self.worst is not None:
            raise ValueError("a percentile takes curve or bands, not worst and best")
        if shapes == 0 and not _direction(self.feature):
            raise ValueError(
                "neither more nor less of this feature is known to be healthier, so a percentile "
                "needs a curve or bands over 0-100"
            )
        return self

    @property
    def corners(self) -> Corners:
        """The corners of the curve, or the lower ends of the bands."""
        if self.worst is not None and self.best is not None:
            ends = ((self.worst, 0.0), (self.best, 100.0))
            return ends if self.worst < self.best else ends[::-1]
        if self.curve is None and self.bands is None:
            rising = _direction(self.feature) > 0
            return ((0.0, 0.0), (100.0, 100.0)) if rising else ((0.0, 100.0), (100.0, 0.0))
        return self.curve or self.bands or ()

    @property
    def fill(self) -> float | None:
        """Points of a missing value; None if its weight goes to the other measures."""
        if self.missing == "reweigh":
            return None
        if self.missing == "neutral":
            return NEUTRAL_POINTS
        return min(points for _, points in self.corners)


def _direction(feature: str) -> int:
    """Return which direction is healthier; 0 for a custom feature, which needs a curve."""
    return CATALOGUE[feature].direction if feature in CATALOGUE else 0


class Component(Section):
    """A part of the score: measures of the same aspect.

    Attributes
    ----------
    name : str
        Name of the component, as readers see it.
    weight : float
        Weight in the score, on any scale.
    measures : tuple of Measure
        At least one measure.
    """

    name: str
    weight: Weight
    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]
