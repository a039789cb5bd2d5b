"""The default scorecard, used if the configuration has none."""

from __future__ import annotations

from features.definitions.condition import Condition
from health.settings.measure import Component, Measure
from health.settings.rule import Rule


def _measure(feature: str, weight: float, *curve: tuple[float, float]) -> Measure:
    return Measure(feature=feature, weight=weight, curve=curve)


def _among_peers(feature: str, weight: float, *, median: float = 55.0) -> Measure:
    """Compare a level with the peers: what counts as much use depends on the product."""
    curve = ((0.0, median - 50.0), (50.0, median), (100.0, 100.0))
    return Measure(feature=feature, weight=weight, percentile=True, curve=curve)


def _less_than_peers(feature: str, weight: float, *, median: float) -> Measure:
    """Compare a level with the peers, where less is better."""
    curve = ((0.0, 100.0), (50.0, median), (100.0, median - 50.0))
    return Measure(feature=feature, weight=weight, percentile=True, curve=curve)


#: Every curve reaches 100 points at the best value its measure can have, so the best attainable
#: score is 100. A trend without change gets 60 points and the median of the peers 55 or 65, so a
#: typical account is not green. The weights follow how well each component and measure ranks who
#: leaves in made-up companies (models/README.md has the rule and the numbers). No component has
#: less than 10, because a score of one part of the journey would be no health score.
DEFAULT_COMPONENTS = (
    Component(
        name="adoption",
        weight=35,
        measures=(
            _among_peers("usage_seats_in_use_daily_28d", 3),
            _among_peers("usage_days_per_user_28d", 3),
            _measure("usage_regular_share_28d", 2, (0.1, 0), (0.5, 50), (0.95, 100)),
            _among_peers("usage_active_days_28d", 2),
            _among_peers("usage_breadth_share_28d", 2),
        ),
    ),
    Component(
        name="engagement trend",
        weight=20,
        measures=(
            _measure("usage_champions_silent", 3, (0, 100), (0.34, 50), (1, 0)),
            _measure("usage_recency_days", 2, (1, 100), (7, 50), (28, 0)),
            _measure("usage_events_trend", 1, (-0.9, 0), (0, 60), (0.4, 100)),
            _measure("usage_users_trend", 1, (-0.7, 0), (0, 60), (0.4, 100)),
        ),
    ),
    Component(
        name="support",
        weight=10,
        measures=(
            _less_than_peers("contacts_per_active_user_90d", 3, median=65),
            _measure("tickets_csat_180d", 2, (0.4, 0), (0.95, 80), (1, 100)),
            _measure("tickets_backlog_oldest_days", 1, (0, 100), (5, 50), (30, 0)),
            _measure(
                "tickets_resolution_hours_median_90d", 1, (0, 100), (12, 80), (72, 50), (240, 0)
            ),
            _measure("tickets_reopen_rate_90d", 1, (0, 100), (0.5, 0)),
        ),
    ),
    Component(
        name="sentiment",
        weight=25,
        measures=(
            _measure("surveys_nps_latest", 3, (0, 0), (6, 30), (8, 65), (10, 100)),
            _measure("surveys_csat_180d", 2, (0.3, 0), (0.95, 80), (1, 100)),
            _measure("surveys_ces_180d", 2, (2, 0), (6.5, 80), (7, 100)),
            _measure("surveys_negative_90d", 1, (0, 100), (1, 35), (2, 0)),
        ),
    ),
    Component(
        name="relationship",
        weight=10,
        measures=(
            _measure("interactions_inbound_share_90d", 2, (0, 20), (0.5, 80), (0.8, 100)),
            _measure("surveys_response_rate_180d", 2, (0, 20), (0.6, 100)),
            _measure("mrr_change_90d", 1, (-0.3, 0), (0, 60), (0.2, 100)),
            _measure("notice_given", 1, (0, 100), (1, 0)),
        ),
    ),
)

#: For companies whose customers order without a contract: recency, frequency and amount of orders,
#: and the usual interval. Usage, tickets and surveys count as well; contracts and notice do not.
ORDER_COMPONENTS = (
    Component(
        name="orders",
        weight=60,
        measures=(
            # The logarithm of the time since the latest order over the usual interval.
            _measure("orders_interval_vs_habit", 2, (-0.7, 100), (0, 80), (0.7, 45), (1.4, 0)),
            _less_than_peers("orders_recency_days", 3, median=65),
            _among_peers("orders_count_365d", 2, median=65),
            _among_peers("orders_amount_365d", 1, median=65),
            _measure("orders_amount_change_90d", 1, (-1, 10), (0, 70), (0.5, 100)),
        ),
    ),
    *(
        component.model_copy(update={"weight": 10.0})
        for component in DEFAULT_COMPONENTS
        if component.name != "relationship"
    ),
)

#: Added to both if the configuration has a table of goals: success means that customers reach
#: their goals.
GOALS_COMPONENT = Component(
    name="goals",
    weight=10,
    measures=(
        _measure("goals_reached_share", 2, (0, 30), (0.5, 65), (1, 100)),
        _measure("goals_overdue", 2, (0, 100), (1, 50), (3, 0)),
    ),
)

#: Problems that neither use nor satisfaction can offset.
DEFAULT_RULES = (
    Rule(
        name="Notice of cancellation was given",
        cap=25,
        when=(Condition(feature="notice_given", above=0),),
    ),
    Rule(
        name="An urgent ticket has been open for 7 days",
        cap=50,
        when=(Condition(feature="tickets_urgent_oldest_days", at_least=7),),
    ),
)
