"""Settings of the lifecycle stages: the rules, checked against the catalogue."""

from __future__ import annotations

from pydantic import ValidationInfo, model_validator

from features.catalogue import CATALOGUE
from features.definitions.stages import DEFAULT_STAGES, StageRules
from health.settings.measure import CUSTOM_FEATURES


class StageConfig(StageRules):
    """Ordered rules, of which the first that holds decides the stage, and a default.

    The flags use one of the names: accounts in *onboarding* get no offer.
    """

    @model_validator(mode="after")
    def _in_catalogue(self, info: ValidationInfo) -> StageConfig:
        named = {c.feature for rule in self.rules for c in rule.when}
        own = (info.context or {}).get(CUSTOM_FEATURES, ())
        unknown = sorted(named - CATALOGUE.keys() - set(own))
        if unknown:
            raise ValueError(
                f"no feature is called {', '.join(map(repr, unknown))}; "
                "`health features --list` has all"
            )
        return self


DEFAULT_STAGE_CONFIG = StageConfig(rules=DEFAULT_STAGES.rules, default=DEFAULT_STAGES.default)
