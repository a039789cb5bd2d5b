"""The feature table: one row per paying account and date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
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
from features.tables.point_in_time import account_starts
from features.tickets import family as tickets
from features.usage import events as usage_events
from features.usage import family as usage
from features.usage import quota as usage_quota
from features.voice import family as voice
from features.windows.contracts import ContractRows, load_contracts
from features.windows.fleet import FleetColumns
from features.windows.observation_dates import DateFeatures, ObservationDates, Waiting
from features.windows.observations import ATTRIBUTES, build_observations
from features.windows.parallel import workers
from features.windows.table_columns import TableColumns, load_columns

Result = TypeVar("Result")
#: What some accounts contribute to each statistic over all accounts, and these statistics.
Shares = Mapping[tuple[pd.Timestamp, str], tuple[type[FleetColumns[Any, Any]], Any]]
Statistics = Mapping[tuple[pd.Timestamp, str], Any]
#: An identifier that no account has.
NOBODY = "\0"
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
    loaded = _loaded(tables, settings)
    observations = _observed(tables, dates, settings, loaded)
    table = _computed(tables, observations, settings, loaded)
    custom = [partial(own.built, tables) for own in extra]
    return _with_identity(observations, table, settings, custom)


@dataclass(frozen=True)
class FeaturePart:
    """The features of a part of the accounts, before those of all accounts are known.

    Attributes
    ----------
    observations : pd.DataFrame, shape = (n_rows, n_columns)
        As from `build_observations`. A date on which no account pays has a row of `NOBODY`, as
        accounts that do not pay count, too, in what others are compared with.
    table : pd.DataFrame, shape = (n_rows, n_features)
        The features; those of `waiting` are NaN.
    waiting : dict
        The columns that need a statistic over all accounts.
    """

    observations: pd.DataFrame
    table: pd.DataFrame
    waiting: Waiting

    def shares(self) -> Shares:
        """Return what these accounts contribute to each statistic."""
        return {key: (type(columns), columns.share()) for key, columns in self.waiting.items()}

    def finished(self, statistics: Statistics, settings: FeatureSettings) -> pd.DataFrame:
        """Return the feature table, as `build_features` returns it."""
        table = self.table.copy()
        for as_of in self.observations["as_of"].unique():
            rows = (self.observations["as_of"] == as_of).to_numpy()
            for (day, key), columns in self.waiting.items():
                if day == as_of:
                    for name, values in columns.columns(statistics[day, key]).items():
                        table.loc[rows, name] = values
        own = (self.observations["account_id"] != NOBODY).to_numpy()
        observations, table = (f[own].reset_index(drop=True) for f in (self.observations, table))
        return _with_identity(observations, table, settings, [])


def build_part(
    tables: Tables, dates: Sequence[datetime], settings: FeatureSettings = DEFAULT_SETTINGS
) -> FeaturePart:
    """Build the features of a part of the accounts.

    Parameters
    ----------
    tables : Tables
        The tables of these accounts, with what is needed of the others (`Tables.whole`).
    dates, settings
        As for `build_features`.
    """
    loaded = _loaded(tables, settings)
    observations = _observed(tables, dates, settings, loaded)
    days = {pd.Timestamp(day).normalize().as_unit("us") for day in dates}
    absent = sorted(days - set(observations["as_of"]))
    if absent:
        nobody = pd.DataFrame({"account_id": NOBODY, "as_of": absent, "created_at": absent})
        nobody = nobody.reindex(columns=observations.columns).astype(observations.dtypes)
        observations = pd.concat([observations, nobody], ignore_index=True)
        observations = observations.sort_values("as_of", kind="stable", ignore_index=True)
    waiting: Waiting = {}
    table = _computed(tables, observations, settings, loaded, waiting=waiting)
    return FeaturePart(observations, table, waiting)


def pooled(parts: Sequence[Shares]) -> Statistics:
    """Return the statistics over all accounts, from the shares of every part."""
    return {
        key: columns.pooled([part[key][1] for part in parts])
        for key, (columns, _) in parts[0].items()
    }


@dataclass(frozen=True)
class _Loaded:
    """What the observations and several families read.

    Attributes
    ----------
    contracts : ContractRows, optional
        With every column that a family reads; None without subscriptions.
    starts : TableColumns
        The `account_starts`.
    """

    contracts: ContractRows | None
    starts: TableColumns


def _loaded(tables: Tables, settings: FeatureSettings) -> _Loaded:
    contracts, columns = None, [*commercial.COLUMNS, *usage_quota.COLUMNS]
    if tables.has("subscriptions"):
        contracts = load_contracts(tables, grace_days=settings.grace_days, columns=columns)
    return _Loaded(contracts, load_columns(account_starts(tables)))


def _observed(
    tables: Tables,
    dates: Sequence[datetime],
    settings: FeatureSettings,
    loaded: _Loaded,
) -> pd.DataFrame:
    return build_observations(
        tables,
        dates,
        active_order_days=settings.active_order_days,
        contracts=loaded.contracts,
        starts=loaded.starts,
    )


def _computed(
    tables: Tables,
    observations: pd.DataFrame,
    settings: FeatureSettings,
    loaded: _Loaded,
    *,
    waiting: Waiting | None = None,
) -> pd.DataFrame:
    of_dates = ObservationDates.of(observations, list(CATALOGUE))
    families = _prepared(tables, of_dates, settings, loaded) if len(observations) else []
    return of_dates.result(families, waiting=waiting)


def _with_identity(
    observations: pd.DataFrame,
    table: pd.DataFrame,
    settings: FeatureSettings,
    custom: Sequence[Callable[[pd.DataFrame], pd.DataFrame]],
) -> pd.DataFrame:
    """Add the accounts, their stages and the columns of custom features to features."""
    stage = lifecycle_stage(table, settings.stages)
    for built in custom:
        made = built(pd.concat([observations, table], axis=1))
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
    tables: Tables,
    dates: ObservationDates,
    settings: FeatureSettings,
    loaded: _Loaded,
) -> list[DateFeatures]:
    """Return a function per family, in the order in which features are computed."""
    contracts = loaded.contracts
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
            "events": start(usage_events.prepare, dates, starts=loaded.starts),
            "commercial": start(commercial.prepare, dates, settings=settings, contracts=contracts),
            "orders": start(orders.prepare, dates),
            "surveys": start(surveys.prepare, dates, settings=settings),
            "quota": start(usage_quota.prepare, dates, settings=settings, contracts=contracts),
            "contacts": start(contacts.prepare, dates, settings=settings),
            "invoices": start(invoices.prepare, dates),
            "interactions": start(interactions.prepare, dates),
            "goals": start(goals.prepare, dates),
            "usage": start(usage.prepare, dates, usage=rolled_up),
            "journey": start(journey.prepare, dates, settings=settings, usage=rolled_up),
        }
        return [started[name].result() for name in _ORDER]
