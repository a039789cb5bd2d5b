"""The feature table: one row per paying account and date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import pandas as pd

from features.catalogue import CATALOGUE
from features.commercial import family as commercial
from features.custom import OwnFamily, catalogue_with
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.definitions.stages import lifecycle_stage
from features.journey import family as journey
from features.orders import family as orders
from features.relationship import contacts, goals, interactions, invoices
from features.rollups.daily_usage import roll_up
from features.surveys import family as surveys
from features.tables.opened import Tables
from features.tickets import family as tickets
from features.usage import events as usage_events
from features.usage import family as usage
from features.usage import quota as usage_quota
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.observations import ATTRIBUTES, build_observations
from features.windows.parallel import CachedValue, run_parallel

#: Reads what a family needs of all dates at once, and returns what tells each date.
Prepare = Callable[[Tables, ObservationDates], DateFeatures]

#: The order in which families are begun: what takes longest first, so that none of them is left
#: to work alone at the end.
_START_FIRST = (
    "levels",
    "tickets",
    "events",
    "commercial",
    "orders",
    "journey",
    "surveys",
    "quota",
    *("interactions", "contacts", "invoices", "goals"),
)


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
    # Names that are taken are refused before anything is built.
    catalogue_with(extra)
    observations = build_observations(
        tables,
        dates,
        active_order_days=settings.active_order_days,
        grace_days=settings.grace_days,
    )
    of_dates = ObservationDates.of(observations, list(CATALOGUE))
    families = _prepared(tables, of_dates, settings) if len(observations) else []
    table = of_dates.result(families)
    stage = lifecycle_stage(table, settings.stages)
    for own in extra:
        made = own.built(tables, pd.concat([observations, table], axis=1))
        table = pd.concat([table, made], axis=1)
    # What is put in front leaves the numbers where they are: they are the largest thing there is.
    present = [column for column in ATTRIBUTES if column in observations.columns]
    front = {name: observations[name] for name in ("account_id", "as_of", *present)} | {
        "stage": stage
    }
    for place, (name, column) in enumerate(front.items()):
        table.insert(place, name, column)
    return table


def _prepared(
    tables: Tables, dates: ObservationDates, settings: FeatureSettings
) -> list[DateFeatures]:
    """Return what tells each family's features, in the order in which they are told."""
    # Two families rest on it.
    use = CachedValue(partial(roll_up, tables.with_own_connection(), dates.observations["as_of"]))
    families: dict[str, Prepare] = {
        "commercial": partial(commercial.prepare, settings=settings),
        "levels": partial(usage.prepare, use=use),
        "events": usage_events.prepare,
        "quota": partial(usage_quota.prepare, settings=settings),
        "orders": orders.prepare,
        "tickets": tickets.prepare,
        "surveys": partial(surveys.prepare, settings=settings),
        "journey": partial(journey.prepare, settings=settings, use=use),
        "contacts": partial(contacts.prepare, settings=settings),
        "invoices": invoices.prepare,
        "interactions": interactions.prepare,
        "goals": goals.prepare,
    }
    names = sorted(families, key=_START_FIRST.index)
    prepared = run_parallel(
        [partial(families[name], tables.with_own_connection(), dates) for name in names]
    )
    result = dict(zip(names, prepared, strict=True))
    return [result[name] for name in families]
