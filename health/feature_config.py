"""Settings of how features are made."""

from __future__ import annotations

from features.settings import DEFAULT_SETTINGS, FirstValue, Milestone
from health.section import PositiveInt, Section


class FeatureConfig(Section):
    """What a company calls value, milestones and deciding roles; see `FeatureSettings`."""

    deciding_roles: tuple[str, ...] = DEFAULT_SETTINGS.deciding_roles
    first_value: FirstValue = DEFAULT_SETTINGS.first_value
    milestones: tuple[Milestone, ...] = DEFAULT_SETTINGS.milestones
    active_order_days: PositiveInt = DEFAULT_SETTINGS.active_order_days
