"""Settings of the lifecycle stages."""

from __future__ import annotations

from health.section import PositiveInt, Section


class StageConfig(Section):
    """The limits, in days, of the lifecycle stages."""

    onboarding_days: PositiveInt = 90
    renewal_days: PositiveInt = 90
    adoption_days: PositiveInt = 365
