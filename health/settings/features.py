"""Settings of the features."""

from __future__ import annotations

from features.definitions.settings import DEFAULT_SETTINGS, FirstValue, Milestone
from health.settings.section import PositiveInt, Section


class FeatureConfig(Section):
    """What counts as first value, milestones and decision makers in a company.

    Attributes
    ----------
    deciding_roles : tuple of str
        Roles of survey respondents who decide on the contract; case is ignored.
    first_value : FirstValue
        What counts as the first value.
    milestones : tuple of Milestone
        Steps of adoption; by default the 1st, 10th, 100th and 1,000th use.
    active_order_days : int
        Without subscriptions, an account is active for this many days after an order.
    """

    deciding_roles: tuple[str, ...] = DEFAULT_SETTINGS.deciding_roles
    first_value: FirstValue = DEFAULT_SETTINGS.first_value
    milestones: tuple[Milestone, ...] = DEFAULT_SETTINGS.milestones
    active_order_days: PositiveInt = DEFAULT_SETTINGS.active_order_days
