"""The scorecard: components, rules and bands, and a profile for each kind of account.

`[scorecard]` itself is the default profile; `[[scorecard.profiles]]` are tried before it, in
order, and the first whose criteria all hold applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from health.settings.default_scorecard import (
    DEFAULT_COMPONENTS,
    DEFAULT_RULES,
    GOALS_COMPONENT,
    ORDER_COMPONENTS,
)
from health.settings.measure import Component, Measure, Points
from health.settings.rule import Conditions, Rule
from health.settings.section import Section, Share

#: The profile of every account that no other applies to.
DEFAULT_PROFILE = "default"

Components = Annotated[tuple[Component, ...], Field(min_length=1)]


class Bands(Section):
    """Where yellow and green start, and how far a score must move beyond a limit to change band.

    Attributes
    ----------
    yellow, green : float
        Lowest score of the band: a score below `yellow` is red, a score of exactly `yellow` is
        yellow; likewise for `green`.
    margin : float
        A band changes at once if the score is at least this many points beyond the limit (at
        `limit − margin` or lower, at `limit + margin` or higher); closer to the limit, only if the
        score of the previous run was beyond it too. 0 turns this off.
    """

    yellow: Points = 50.0
    green: Points = 75.0
    margin: Points = 2.0

    @model_validator(mode="after")
    def _ordered(self) -> Bands:
        if self.yellow >= self.green:
            raise ValueError("yellow must be below green")
        return self


def _measures_once(components: tuple[Component, ...] | None) -> tuple[Component, ...] | None:
    features = [m.feature for c in components or () for m in c.measures]
    _refuse_twice(features, "a feature is used in two measures")
    _refuse_twice([c.name for c in components or ()], "two components have the same name")
    return components


def _rules_once(rules: tuple[Rule, ...] | None) -> tuple[Rule, ...] | None:
    _refuse_twice([rule.name for rule in rules or ()], "two rules have the same name")
    return rules


def _refuse_twice(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what}: {', '.join(twice)}")


class Profile(Section):
    """A separate scorecard for the accounts that meet its criteria.

    Attributes
    ----------
    name : str
        Name of the profile, published with each of its scores.
    segment : tuple of str
        Segments it applies to; empty for all.
    stage : tuple of str
        Lifecycle stages it applies to; empty for all.
    when : tuple of Condition
        Further conditions on features.
    components, rules, minimum_coverage : optional
        As in `[scorecard]`, whose values apply if they are absent.
    """

    name: Annotated[str, Field(min_length=1)]
    segment: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    when: Conditions = ()
    components: Components | None = None
    rules: tuple[Rule, ...] | None = None
    minimum_coverage: Share | None = None

    _once = field_validator("components")(_measures_once)
    _named = field_validator("rules")(_rules_once)

    @field_validator("name")
    @classmethod
    def _not_the_default(cls, name: str) -> str:
        if name == DEFAULT_PROFILE:
            raise ValueError(f"{DEFAULT_PROFILE!r} is the name of [scorecard] itself")
        return name

    @model_validator(mode="after")
    def _has_criteria(self) -> Profile:
        if not (self.segment or self.stage or self.when):
            raise ValueError(
                "a profile needs segment, stage or when: without criteria it would apply to "
                "everyone, which is what [scorecard] itself does"
            )
        return self


@dataclass(frozen=True)
class Card:
    """What scores the accounts of one profile, including everything inherited from the default."""

    profile: str
    components: tuple[Component, ...]
    rules: tuple[Rule, ...]
    minimum_coverage: float

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Every measure, in order."""
        return tuple(m for component in self.components for m in component.measures)


class Scorecard(Section):
    """A health score: the weighted mean of components, each the weighted mean of measures.

    Attributes
    ----------
    components : tuple of Component
        The parts, with weights on any scale. The built-in ones use contracts, or orders if there
        is no subscriptions table.
    rules : tuple of Rule
        Caps and floors; the built-in ones apply only with the built-in components.
    minimum_coverage : float
        Minimum share of the weight with values; an account with less is not scored.
    bands : Bands
        Where yellow and green start; the same for every profile, so that a colour always means the
        same.
    profiles : tuple of Profile
        Tried in order; accounts that match none are scored by the components above.
    """

    components: Components = DEFAULT_COMPONENTS
    rules: tuple[Rule, ...] = ()
    minimum_coverage: Share = 0.2
    bands: Bands = Bands()
    profiles: tuple[Profile, ...] = ()

    _once = field_validator("components")(_measures_once)
    _named = field_validator("rules")(_rules_once)

    @model_validator(mode="before")
    @classmethod
    def _built_in_rules(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.keys() & {"components", "rules"}:
            return {**given, "rules": DEFAULT_RULES}
        return given

    @field_validator("profiles")
    @classmethod
    def _one_name_each(cls, profiles: tuple[Profile, ...]) -> tuple[Profile, ...]:
        _refuse_twice([profile.name for profile in profiles], "two profiles have the same name")
        return profiles

    def where_customers_order(self) -> Scorecard:
        """Return the scorecard of a company without subscriptions; configured components stay."""
        if self.components is not DEFAULT_COMPONENTS:
            return self
        return self.model_copy(update={"components": ORDER_COMPONENTS})

    def with_goals(self) -> Scorecard:
        """Return the scorecard of a company with goals; configured components stay."""
        if not any(
            self.components is built_in for built_in in (DEFAULT_COMPONENTS, ORDER_COMPONENTS)
        ):
            return self
        return self.model_copy(update={"components": (*self.components, GOALS_COMPONENT)})

    def card(self, profile: str = DEFAULT_PROFILE) -> Card:
        """Return what scores the accounts of a profile; KeyError for an unknown one."""
        if profile == DEFAULT_PROFILE:
            return Card(profile, self.components, self.rules, self.minimum_coverage)
        own = {p.name: p for p in self.profiles}[profile]
        least = own.minimum_coverage
        return Card(
            profile,
            own.components or self.components,
            self.rules if own.rules is None else own.rules,
            self.minimum_coverage if least is None else least,
        )

    @property
    def cards(self) -> tuple[Card, ...]:
        """The card of every profile in the order they are tried; the default is last."""
        names = (*(p.name for p in self.profiles), DEFAULT_PROFILE)
        return tuple(self.card(name) for name in names)

    def profiles_with(self, measure: str) -> tuple[str, ...]:
        """Return the profiles that measure a feature."""
        return tuple(
            card.profile for card in self.cards if any(m.feature == measure for m in card.measures)
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """The features that some profile measures, each once."""
        return tuple(dict.fromkeys(m.feature for card in self.cards for m in card.measures))
