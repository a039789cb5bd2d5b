"""The feature table: one row per paying account and date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

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
from features.voice import family as voice
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.observations import ATTRIBUTES, build_observations
from features.windows.parallel import workers

Result = TypeVar("Result")
#: Families in an order in which each finds the features of others that it needs.
_ORDER = (
    *("commercial", "usage", "events", "quota", "orders", "tickets", "surveys", "journey"),
    *("contacts", "invoices", "interactions", "goals", "voice"),
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
        The input tables; a feature whose table is missing is NaN.
    dates : sequence of datetime
        Each means its midnight; what happened at that moment or later does not count.
    settings : FeatureSettings
        Peer group, first value, milestones, stages and the like.
    extra : sequence of OwnFamily
        Further families; they see the features of the catalogue.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_columns)
        account_id, as_of, the attributes that accounts have, the lifecycle stage, and a float64
        column per feature of the catalogue, then of `extra`; ordered by as_of and account_id.
    """
    # Names that are taken are rejected before anything is built.
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
    # Columns are inserted so that the numbers, by far the largest part, are not copied.
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
    """Return a function per family, in the order in which features are computed."""
    with ThreadPoolExecutor(workers() if tables.readable_in_threads else 1) as pool:

        def start(
            prepare: Callable[..., Result], *arguments: Any, **options: Any
        ) -> Future[Result]:
            """Run it with tables that no other thread reads."""
            return pool.submit(prepare, tables.with_own_connection(), *arguments, **options)

        # What takes longest starts first, and what waits for the roll-up last.
        daily = start(roll_up, dates.observations["as_of"]) if tables.has("usage") else None
        rolled_up = None if daily is None else daily.result
        started = {
            "voice": start(voice.prepare, dates, settings=settings),
            "tickets": start(tickets.prepare, dates),
            "events": start(usage_events.prepare, dates),
            "commercial": start(commercial.prepare, dates, settings=settings),
            "orders": start(orders.prepare, dates),
            "surveys": start(surveys.prepare, dates, settings=settings),
            "quota": start(usage_quota.prepare, dates, settings=settings),
            "contacts": start(contacts.prepare, dates, settings=settings),
            "invoices": start(invoices.prepare, dates),
            "interactions": start(interactions.prepare, dates),
            "goals": start(goals.prepare, dates),
            "usage": start(usage.prepare, dates, usage=rolled_up),
            "journey": start(journey.prepare, dates, settings=settings, usage=rolled_up),
        }
        return [started[name].result() for name in _ORDER]
