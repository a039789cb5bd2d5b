"""What a scorecard is made of: components, measures, curves, bands; and the default one."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features.catalogue import CATALOGUE

Weight = Annotated[float, Field(gt=0)]
Points = Annotated[float, Field(ge=0, le=100)]


class Measure(BaseModel):
    """One feature turned into 0-100 points by a piecewise-linear curve.

    Attributes
    ----------
    feature : str
        Name of a feature of the catalogue.
    weight : float
        Weight within the component.
    curve : tuple of (value, points)
        Corners of the curve, by rising value; outside of them the outermost points hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: str
    weight: Weight = 1.0
    curve: tuple[tuple[float, Points], ...]

    @field_validator("feature")
    @classmethod
    def _in_catalogue(cls, feature: str) -> str:
        if feature not in CATALOGUE:
            raise ValueError(f"no feature is called {feature!r}; `health features --list` has all")
        return feature

    @field_validator("curve")
    @classmethod
    def _rising(cls, curve: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if len(curve) < 2 or any(a[0] >= b[0] for a, b in pairwise(curve)):
            raise ValueError("a curve needs two corners or more, by rising value")
        return curve


class Component(BaseModel):
    """A part of the journey: measures that speak of the same thing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    weight: Weight
    measures: Annotated[tuple[Measure, ...], Field(min_length=1)]


class Bands(BaseModel):
    """Where yellow and green begin; a score below `yellow` is red."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    yellow: Points = 50.0
    green: Points = 75.0

    @model_validator(mode="after")
    def _ordered(self) -> Bands:
        if self.yellow >= self.green:
            raise ValueError("yellow must begin below green")
        return self


def _measure(feature: str, weight: float, *curve: tuple[float, float]) -> Measure:
    return Measure(feature=feature, weight=weight, curve=curve)


#: Satisfaction, effort and the absence of trouble set the floor: their curves end at 80 points, so
#: being content alone makes nobody green. Promoters, use and growth set the ceiling: theirs end
#: at 100.
DEFAULT_COMPONENTS = (
    Component(
        name="adoption",
        weight=30,
        measures=(
            _measure("usage_seat_utilisation_28d", 3, (0.1, 0), (0.5, 45), (0.95, 100)),
            _measure("usage_active_days_28d", 2, (0, 0), (12, 45), (24, 100)),
            _measure("usage_breadth_share_28d", 2, (0.05, 0), (0.4, 50), (0.8, 100)),
            _measure("usage_regular_share_28d", 2, (0.1, 0), (0.5, 50), (0.95, 100)),
        ),
    ),
    Component(
        name="engagement trend",
        weight=25,
        measures=(
            _measure("usage_events_trend", 3, (-0.9, 0), (0, 70), (0.4, 100)),
            _measure("usage_users_trend", 2, (-0.7, 0), (0, 70), (0.4, 100)),
            _measure("usage_recency_days", 2, (1, 90), (7, 50), (28, 0)),
            _measure("usage_champions_silent", 2, (0, 90), (0.34, 50), (1, 0)),
        ),
    ),
    Component(
        name="support",
        weight=15,
        measures=(
            _measure("tickets_csat_180d", 2, (0.4, 0), (0.95, 80)),
            _measure("tickets_backlog_oldest_days", 1, (0, 80), (5, 50), (30, 0)),
            _measure("tickets_urgent_oldest_days", 2, (0, 80), (7, 0)),
            _measure("tickets_resolution_hours_median_90d", 1, (12, 80), (72, 50), (240, 0)),
            _measure("tickets_reopen_rate_90d", 1, (0, 80), (0.5, 0)),
        ),
    ),
    Component(
        name="sentiment",
        weight=15,
        measures=(
            _measure("surveys_nps_latest", 3, (0, 0), (6, 30), (8, 65), (10, 100)),
            _measure("surveys_csat_180d", 1, (0.3, 0), (0.95, 80)),
            _measure("surveys_ces_180d", 1, (2, 0), (6.5, 80)),
            _measure("surveys_negative_90d", 2, (0, 80), (1, 35), (2, 0)),
        ),
    ),
    Component(
        name="relationship",
        weight=15,
        measures=(
            _measure("mrr_change_90d", 2, (-0.3, 0), (0, 70), (0.2, 100)),
            _measure("surveys_response_rate_180d", 1, (0, 20), (0.6, 100)),
            _measure("notice_given", 3, (0, 80), (1, 0)),
        ),
    ),
)


class Scorecard(BaseModel):
    """A health score: the weighted mean of components, each the weighted mean of measures.

    Attributes
    ----------
    components : tuple of Component
        The parts, with weights of any scale.
    minimum_coverage : float
        Share of the weight that must be present; an account with less is not scored.
    bands : Bands
        Where yellow and green begin.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    components: Annotated[tuple[Component, ...], Field(min_length=1)] = DEFAULT_COMPONENTS
    minimum_coverage: Annotated[float, Field(ge=0, le=1)] = 0.3
    bands: Bands = Bands()

    @model_validator(mode="after")
    def _each_measure_once(self) -> Scorecard:
        features = [m.feature for c in self.components for m in c.measures]
        twice = sorted({f for f in features if features.count(f) > 1})
        if twice:
            raise ValueError(f"a feature stands in two measures: {', '.join(twice)}")
        return self
