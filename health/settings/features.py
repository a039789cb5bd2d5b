"""Settings of how features are made."""

from __future__ import annotations

from features.definitions.settings import DEFAULT_SETTINGS, FirstValue, Milestone
from health.settings.section import PositiveInt, Section


class FeatureConfig(Section):
    """What a company calls value, milestones and deciding roles.

    Attributes
    ----------
    deciding_roles : tuple of str
        Survey respondents in these roles decide on the contract; compared without case.
    first_value : FirstValue
        What counts as the first value.
    milestones : tuple of Milestone
        The steps of an account's way; by default the 1st, 10th, 100th and 1,000th use.
    active_order_days : int
        Without subscriptions an account is active for so many days after an order.
    """

    deciding_roles: tuple[str, ...] = DEFAULT_SETTINGS.deciding_roles
    first_value: FirstValue = DEFAULT_SETTINGS.first_value
    milestones: tuple[Milestone, ...] = DEFAULT_SETTINGS.milestones
    active_order_days: PositiveInt = DEFAULT_SETTINGS.active_order_days
