"""A company's tables, opened and checked, and the features of a date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from features.build import build_features
from features.catalogue import CATALOGUE
from features.errors import HealthError
from features.parts import Parts
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.rollups.parted import parts_of
from features.tables.currencies import Currencies
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.tables.spark import is_spark
from features.windows.parallel import processors
from health.business.app_tables import with_app_tables
from health.business.expected import require_expected
from health.business.feature_table import (
    ROWS_OF_A_GROUP,
    FeatureTable,
    in_small_groups,
    write_rows,
)
from health.runs.durable import whole_file
from health.settings.config import Config
from health.settings.custom_catalogue import custom_families
from health.settings.profiles import require_known_segments
from health.sources.databases import Limits
from health.sources.open import Sources

#: Accounts whose features are built at a time, and those of a task of Spark's executors, unless the
#: configuration says otherwise.
ACCOUNTS_AT_ONCE, ACCOUNTS_OF_A_TASK = 100_000, 25_000
#: Where people write what they did about flags, unless the configuration says otherwise.
ACTIONS_FILE = "actions.csv"


@dataclass(frozen=True)
class Company:
    """A configuration and the tables it names, opened and checked."""

    config: Config
    opened: OpenedTables

    @property
    def data_end(self) -> datetime:
        """The midnight at or after the data's end: the last date that can be scored."""
        end: datetime = self.opened.tables.observed_until
        midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if midnight == end else midnight + timedelta(days=1)

    @property
    def data_start(self) -> datetime:
        """The first time seen in any dated table."""
        return min(s.first for s in self.opened.summaries if s.first is not None)


def open_company(config: Config) -> Company:
    """Open and validate the tables; InputError with every violation if one is wrong."""
    time_limit = config.data.time_limit_minutes * 60
    limits = Limits(time_limit, config.data.memory_limit)
    sources = Sources(config.sources, config.shared, config.base, limits=limits)
    configured = {**config.tables, **_actions_next_to_config(config)}
    planned, of_sources = sources.plan(configured, in_place=not is_spark(config.engine_url))
    tables, of_app = with_app_tables(
        planned, config.app, runs_dir=config.runs_dir, base=config.base.resolve()
    )

    def prepare(connection: duckdb.DuckDBPyConnection) -> None:
        for step in (of_sources, of_app):
            if step is not None:
                step(connection)

    opened = open_tables(
        tables,
        base=config.base,
        url=config.engine_url,
        observed_until=config.observed_until,
        allow=config.checks.allow,
        memory_limit=config.data.memory_limit,
        rollups=config.rollups_dir,
        currencies=Currencies(config.currency, config.exchange_rates),
        prepare=prepare,
        now=config.now,
        readable=config.readable,
        time_limit=time_limit,
    )
    _check_profiles(config, opened)
    require_expected(config, opened.tables)
    return Company(_with_products_of(config, opened.tables), opened)


def _with_products_of(config: Config, tables: Tables) -> Config:
    """Return the configuration with the products of [expansion] spelled as in the tables."""
    names: set[str] = set()
    for table in ("subscriptions", "orders"):
        if tables.has(table, "product"):
            names.update(collect(tables[table].select("product").unique())["product"].dropna())
    try:
        expansion = config.expansion.with_spelling(sorted(names))
    except ValueError as error:
        fix = "keep one of the entries"
        raise HealthError(str(error), where=f"{config.file}: [expansion]", fix=fix) from None
    changed = expansion != config.expansion
    return config.model_copy(update={"expansion": expansion}) if changed else config


def actions_file(config: Config) -> Path:
    """Return the CSV file with what people did about flags.

    Raises
    ------
    HealthError
        The table is configured with a read-only source.
    """
    source = config.tables.get("actions")
    if source is None:
        return config.base / ACTIONS_FILE
    if source.path is None or source.columns or not source.path.endswith(".csv"):
        raise HealthError(
            f"the table actions is {source.label}, which is read-only",
            where="tables.actions",
            fix="use the path of a CSV file without renamed columns, or add the outcomes to its "
            "source",
        )
    return config.base / source.path


def _actions_next_to_config(config: Config) -> dict[str, TableSource]:
    """Return `actions.csv` next to the configuration, if it exists and is not configured."""
    if "actions" in config.tables or not (config.base / ACTIONS_FILE).is_file():
        return {}
    return {"actions": TableSource(path=ACTIONS_FILE)}


def _check_profiles(config: Config, opened: OpenedTables) -> None:
    """Check that the segments named by profiles exist among the accounts."""
    if not any(profile.segment for profile in config.scorecard.profiles):
        return
    segments: set[str] = set()
    if opened.tables.has("accounts", "segment"):
        found = collect(opened.tables["accounts"].select("segment").unique())
        segments = set(found["segment"].dropna())
    require_known_segments(config.scorecard, segments, where=str(config.file))


def resolve_as_of(company: Company, as_of: datetime | None, *, today: datetime) -> datetime:
    """Return the date to score: the given one, or the last as_of_weekday covered by the data.

    Raises
    ------
    HealthError
        The date is outside the data.
    """
    end = company.data_end
    if as_of is None:
        last = min(end, today.replace(hour=0, minute=0, second=0, microsecond=0))
        return last - timedelta(days=(last.weekday() - company.config.weekday) % 7)
    if not company.data_start < as_of <= end:
        raise HealthError(
            f"{as_of.date()} is outside the data, which runs from "
            f"{company.data_start.date()} to {end.date()}",
            where="--as-of",
            fix=f"give a date after {company.data_start.date()} and up to {end.date()}",
        )
    return as_of


def write_features(config: Config, as_of: datetime | None, output: Path, *, today: datetime) -> int:
    """Write the feature table as of a date to a Parquet or CSV file; return its row count."""
    if output.suffix not in {".parquet", ".csv"}:
        raise HealthError(
            f"cannot write {output.suffix or 'a file without an extension'}",
            where=str(output),
            fix="use a name that ends in .parquet or .csv",
        )
    company = open_company(config)
    features = features_of(company, resolve_as_of(company, as_of, today=today))
    with whole_file(output) as made:
        if output.suffix == ".csv":
            features.to_csv(made, index=False)
        else:
            features.to_parquet(made, index=False, row_group_size=ROWS_OF_A_GROUP)
    return len(features)


def features_of(company: Company, day: datetime) -> pd.DataFrame:
    """Build the features of every paying account as of a date; HealthError if none pays."""
    config = company.config
    features = build_features(
        company.opened.tables, [day], config.feature_settings, extra=custom_families(config)
    )
    if features.empty:
        raise _nobody_pays(day)
    return features


def feature_table_of(
    company: Company, day: datetime, folder: Path, *, session: Any = None
) -> FeatureTable:
    """Build the features of every paying account as of a date; HealthError if none pays.

    Parameters
    ----------
    company : Company
        The company.
    day : datetime
        The date.
    folder : Path
        If there are more accounts than `data.accounts_at_once`, their features are built in parts,
        and kept in files of this folder. Custom features may compare any accounts: with them, there
        is one part.
    session : pyspark.sql.SparkSession, optional
        Its executors, which must reach the folder, build the parts.
    """
    config, tables = company.config, company.opened.tables
    usual = ACCOUNTS_AT_ONCE if session is None else ACCOUNTS_OF_A_TASK
    at_once, parts = config.data.accounts_at_once or usual, 1
    # Without executors that reach the folder, Spark cannot divide anything.
    can_divide = session is not None or not is_spark(config.engine_url)
    if can_divide and not config.own.features:
        parts = parts_of(tables, at_once)
    if parts == 1:
        return FeatureTable(features_of(company, day))
    divided = Parts.divided(
        tables,
        [day],
        config.feature_settings,
        folder=folder,
        parts=parts,
        processes=processors(),
        session=session,
    )
    files = [folder / f"features-{number}.parquet" for number in range(parts)]
    kept = [
        file
        for file, features in zip(files, divided.built(), strict=True)
        if write_rows(features, file)
    ]
    if not kept:
        raise _nobody_pays(day)
    return FeatureTable(files=tuple(kept))


def _nobody_pays(day: datetime) -> HealthError:
    return HealthError(
        f"no account pays on {day.date()}",
        where="subscriptions or orders",
        fix="give a date on which subscriptions run (mrr above 0), or before which something "
        "was ordered, or check started_at, ended_at and mrr",
    )


def read_features(file: Path, day: datetime, folder: Path, tables: Tables) -> FeatureTable:
    """Open a feature table of one date, as written by `write_features`.

    Parameters
    ----------
    file : Path
        The table.
    day : datetime
        The date.
    folder : Path
        Where a copy of the table goes if parts of it cannot be read by themselves.
    tables : Tables
        The tables that the features were made from.

    Raises
    ------
    HealthError
        The file cannot be read, is for another date, lacks a feature, has one that is no number,
        repeats an account, or has one that the tables do not know.
    """
    table = FeatureTable(files=(in_small_groups(file, folder),))
    features = table.columns(["account_id", "as_of"])
    missing = sorted({"account_id", "as_of", *CATALOGUE} - set(table.names))
    if missing:
        raise HealthError(
            f"has no column {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}",
            where=str(file),
            fix="write it again with `health features`",
        )
    texts = [f for f in table.schema if f.name in CATALOGUE and not _is_number(f.type)]
    if texts:
        raise HealthError(
            f"{texts[0].name} has the type {texts[0].type}, and features are numbers",
            where=str(file),
            fix="write it again with `health features`",
        )
    dates = features["as_of"].unique()
    if len(dates) != 1 or pd.Timestamp(dates[0]) != pd.Timestamp(day):
        result = ", ".join(f"{pd.Timestamp(d):%Y-%m-%d}" for d in dates[:3]) or "no date"
        raise HealthError(
            f"is for {result}, not for {day.date()}",
            where=str(file),
            fix="give --as-of the date of the table",
        )
    again = features["account_id"][features["account_id"].duplicated()]
    if len(again):
        raise HealthError(
            f"{len(again):,} rows repeat an account_id, e.g. {again.iloc[0]!r}",
            where=str(file),
            fix="keep one row per account, as `health features` writes it",
        )
    known = collect(tables["accounts"].select("account_id"))["account_id"]
    unknown = features["account_id"][~features["account_id"].isin(known)]
    if len(unknown):
        raise HealthError(
            f"{len(unknown):,} of {len(features):,} accounts are not in the table accounts, e.g. "
            f"{unknown.iloc[0]!r}",
            where=str(file),
            fix="write it again with `health features`, from the tables that are scored",
        )
    return table


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_floating(kind)
        or types.is_integer(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
    )
