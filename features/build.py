"""The feature table: one row per paying account and date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import pandas as pd

from features import commercial, journey, orders, surveys, tickets, usage
from features.daily_use import DailyUse, roll_up
from features.journey_stage import lifecycle_stage
from features.own import OwnFamily, catalogue_with
from features.settings import DEFAULT_SETTINGS, FeatureSettings
from features.spine import ATTRIBUTES, build_spine
from features.tables import Tables

#: What a family reads of those before it; one of one's own sees every feature.
_READ_BY_OTHERS = {
    *("seats", "tenure_days", "usage_active_users_90d", "usage_active_days_28d"),
    *("orders_count_90d", "tickets_badly_rated_90d"),
}
Family = Callable[[Tables, pd.DataFrame], pd.DataFrame]


def build_features(
    tables: Tables,
    dates: Sequence[datetime],
    settings: FeatureSettings = DEFAULT_SETTINGS,
    *,
    extra: Sequence[OwnFamily] = (),
) -> pd.DataFrame:
    """Build the features of every account that pays on each date, from what was known then.

    Parameters
    ----------
    tables : Tables
        The input tables; a feature whose table is not there is NaN.
    dates : sequence of datetime
        Each means its midnight; what happened at that moment or later is not seen.
    settings : FeatureSettings
        Peer group, first value, milestones, stages and the like.
    extra : sequence of OwnFamily
        Families beside those of the catalogue; they see the features of all others.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_columns)
        account_id, as_of, the attributes that accounts has, the lifecycle stage, and a float64
        column per feature of the catalogue, then of `extra`; ordered by as_of and account_id.
    """
    spine = build_spine(tables, dates, active_order_days=settings.active_order_days)
    names = list(catalogue_with(extra))
    known, parts = spine.copy(deep=False), []
    # Two families rest on it.
    use = roll_up(tables, spine["as_of"]) if tables.has("usage") and len(spine) else None
    for build in _families(settings, use):
        parts.append(build(tables, known))
        for name in _READ_BY_OTHERS & set(parts[-1]):
            known[name] = parts[-1][name]
    for own in extra:
        parts.append(own.built(tables, pd.concat([spine, *parts], axis=1)))
    there = [column for column in ATTRIBUTES if column in spine.columns]
    parts.sort(key=lambda part: names.index(part.columns[0]))
    # All of it is put together once: it is the largest thing there is.
    table = pd.concat([spine[["account_id", "as_of", *there]], *parts], axis=1)
    stage = lifecycle_stage(table, settings.stages)
    table.insert(2 + len(there), "stage", stage)
    return table


def _families(settings: FeatureSettings, use: DailyUse | None) -> tuple[Family, ...]:
    """Return the families in the order in which they are built.

    A family takes the tables and the spine (with the features of the families before it as
    further columns), and returns a frame with the spine's index and a float column per feature,
    for all dates at once.
    """
    return (
        partial(commercial.build, settings=settings),
        partial(usage.build, use=use),
        orders.build,
        tickets.build,
        partial(surveys.build, settings=settings),
        partial(journey.build, settings=settings, use=use),
    )
