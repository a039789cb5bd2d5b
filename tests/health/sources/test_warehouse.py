"""Usage that stays in a warehouse: the same scores, no event fetched, queries for every dialect."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ibis
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlglot

from features import CATALOGUE, build_features
from features.errors import HealthError, InputError
from features.reading.frames import tables_from_frames
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource, WarehouseSource
from features.tables.truncation import as_known
from features.tables.warehouse import Warehouse
from features.targets.growth import growth_features
from features.targets.offers import offer_features
from features.windows.observations import data_start
from health.business.company import open_company
from health.settings.config import load_config
from health.sources.databases import _Adbc, adbc_connection, open_database
from tests.features.company import DAY, UNTIL, frame
from tests.features.company import company as usual_company
from tests.health.conftest import Demo, call_health
from tests.health.sources.exports import customer, write
from tests.health.sources.test_customers import billed, company, hubspot

pytestmark = pytest.mark.slow

DIALECTS = ("snowflake", "bigquery", "databricks", "trino", "clickhouse", "athena", "postgres")
DATES = [DAY - timedelta(days=35), DAY]
USAGE = "SELECT * FROM raw_usage"


class Engine:
    """DuckDB in place of a warehouse; it remembers each query and how many rows it returned."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.register("rows", rows)
        self.connection.execute("CREATE TABLE raw_usage AS SELECT * FROM rows")
        self.asked: list[tuple[str, int]] = []
        self.expressions: list[Any] = []
        self.checks: list[tuple[str, Any]] = []
        self._lock = threading.Lock()

    def read(self, query: str) -> pa.Table:
        with self._lock:
            found = self.connection.sql(query).to_arrow_table()
            self.asked.append((query, len(found)))
        return found

    def source(self, query: str = USAGE, **options: Any) -> WarehouseSource:
        columns = self.read(f"SELECT * FROM ({query}) AS q LIMIT 0").schema
        self.asked.clear()
        return WarehouseSource(
            sql=query,
            named="raw_usage of crm",
            warehouse=_Recording("duckdb", self.read, self),
            columns_of_query=columns,
            **options,
        )


class _Recording(Warehouse):
    def __init__(self, dialect: str, read: Any, engine: Engine) -> None:
        super().__init__(dialect, read)
        object.__setattr__(self, "engine", engine)

    def to_pyarrow(self, expression: Any, **options: Any) -> pa.Table:
        self.engine.expressions.append(expression)  # type: ignore[attr-defined]
        return super().to_pyarrow(expression, **options)

    def run(self, query: str, rows: nw.LazyFrame[Any]) -> list[tuple[Any, ...]]:
        self.engine.checks.append((query, rows))  # type: ignore[attr-defined]
        return super().run(query, rows)


def rows_of_usage() -> pd.DataFrame:
    return frame("usage", usual_company()["usage"])


def opened(folder: Path, usage: TableSource, **options: Any) -> OpenedTables:
    sources: dict[str, TableSource] = {"usage": usage}
    for name, rows in usual_company().items():
        if name != "usage":
            frame(name, rows).to_parquet(folder / f"{name}.parquet")
            sources[name] = TableSource(path=f"{name}.parquet")
    settings = {"observed_until": UNTIL, "allow": ["score_outside_scale"], **options}
    return open_tables(sources, base=folder, **settings)


def in_files(folder: Path, rows: pd.DataFrame, **options: Any) -> OpenedTables:
    rows.to_parquet(folder / "usage.parquet")
    return opened(folder, TableSource(path="usage.parquet"), **options)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine(rows_of_usage())
    yield made
    made.connection.close()


def without_labels(found: OpenedTables) -> list[tuple[Any, ...]]:
    return sorted((f.level, f.code, f.table, f.column, f.rows, f.total) for f in found.findings)


def test_every_feature_is_the_same(engine: Engine, tmp_path: Path) -> None:
    here = in_files(tmp_path, rows_of_usage())
    there = opened(tmp_path, engine.source())
    assert data_start(there.tables) == data_start(here.tables)
    built, expected = (build_features(found.tables, DATES) for found in (there, here))
    pd.testing.assert_frame_equal(built, expected, rtol=1e-9, atol=1e-9)
    known = (build_features(as_known(found.tables, DAY), [DAY]) for found in (there, here))
    pd.testing.assert_frame_equal(*known, rtol=1e-9, atol=1e-9)
    assert expected[[*CATALOGUE]].notna().any().sum() > 120


def test_the_same_is_counted_and_reported(engine: Engine, tmp_path: Path) -> None:
    here, there = in_files(tmp_path, rows_of_usage()), opened(tmp_path, engine.source())
    ignored = {"usage_outside_subscription"}
    expected = [found for found in without_labels(here) if found[1] not in ignored]
    assert [found for found in without_labels(there) if found[1] not in ignored] == expected
    of = {s.table: (s.rows, s.first, s.last, s.unmatched) for s in here.summaries}
    assert {s.table: (s.rows, s.first, s.last, s.unmatched) for s in there.summaries} == of


def budget(rows: pd.DataFrame) -> dict[str, int]:
    day = rows["occurred_at"].dt.floor("D")
    keyed = rows.assign(day=day)
    keys = {
        "user_days": ["account_id", "user_id", "day"],
        "event_days": ["account_id", "event", "day"],
        "account_days": ["account_id", "day"],
        "users": ["account_id", "user_id"],
    }
    return {name: len(keyed.drop_duplicates(columns)) for name, columns in keys.items()}


def test_no_event_is_fetched_and_each_aggregate_once(engine: Engine, tmp_path: Path) -> None:
    found = opened(tmp_path, engine.source())
    build_features(found.tables, DATES)
    build_features(found.tables, DATES)
    most = budget(rows_of_usage())
    assert all(n <= max(most.values()) for _, n in engine.asked)
    assert sum(n for _, n in engine.asked if n > 40) <= sum(most.values())
    fetched = [query for query, n in engine.asked if n > 1 and "UNION ALL" not in query]
    assert len(fetched) == len(set(fetched)) == 3


def test_every_query_compiles_for_every_warehouse(engine: Engine, tmp_path: Path) -> None:
    tables = opened(tmp_path, engine.source()).tables
    build_features(tables, DATES)
    offers = pd.DataFrame({"account_id": ["busy"], "as_of": DAY, "product": ["addon"]})
    offer_features(tables, offers, events={"addon": ["report", "login"]})
    growth_features(tables, build_features(tables, [DAY]), plans=["basic", "pro"],
                    plan_events={"pro": ["report"]})  # fmt: skip
    assert len(engine.expressions) >= 4
    assert len(engine.checks) >= 3
    for dialect in DIALECTS:
        there = Warehouse(dialect, engine.read)
        queries = [str(ibis.to_sql(e, dialect=dialect)) for e in engine.expressions]
        queries += [there.translated(query, rows) for query, rows in engine.checks]
        for query in queries:
            assert len(sqlglot.parse(query, read=dialect)) == 1


def test_rows_of_no_account_are_counted(engine: Engine, tmp_path: Path) -> None:
    rows = rows_of_usage()
    some = rows.head(4).assign(account_id=["stranger", "stranger", None, " busy "])
    rows = pd.concat([rows, some], ignore_index=True)
    engine = Engine(rows)
    here, there = in_files(tmp_path, rows), opened(tmp_path, engine.source())
    unmatched = {s.table: s.unmatched for s in there.summaries}
    assert unmatched["usage"] == 3 == {s.table: s.unmatched for s in here.summaries}["usage"]
    assert unmatched_finding(there) == unmatched_finding(here)
    built, expected = (build_features(found.tables, DATES) for found in (there, here))
    pd.testing.assert_frame_equal(built, expected, rtol=1e-9, atol=1e-9)


def unmatched_finding(found: OpenedTables) -> list[tuple[str, int, str]]:
    return [
        (f.what, f.rows, f.example)
        for f in found.findings
        if f.code == "unknown_account" and f.table == "usage"
    ]


def test_rows_loaded_twice_count_once(tmp_path: Path) -> None:
    rows = rows_of_usage().drop(columns=["usage_id"], errors="ignore")
    rows["occurred_at"] += pd.to_timedelta(np.arange(len(rows)) % 50 + 1, unit="s")
    twice = pd.concat([rows, rows], ignore_index=True)
    here, there = in_files(tmp_path, twice), opened(tmp_path, Engine(twice).source())
    codes = [f.code for f in there.findings if f.table == "usage"]
    assert "copied_rows" in codes
    built, expected = (build_features(found.tables, DATES) for found in (there, here))
    pd.testing.assert_frame_equal(built, expected, rtol=1e-9, atol=1e-9)


def test_of_versions_of_an_event_the_latest_counts(tmp_path: Path) -> None:
    rows = rows_of_usage()
    rows["usage_id"] = [f"u{n}" for n in range(len(rows))]
    rows["known_at"] = rows["occurred_at"] + timedelta(days=1)
    later = rows.head(20).assign(
        quantity=7.0, known_at=rows["known_at"].head(20) + timedelta(days=2)
    )
    rows = pd.concat([rows, later], ignore_index=True)
    here, there = in_files(tmp_path, rows), opened(tmp_path, Engine(rows).source())
    assert [f.rows for f in there.findings if f.code == "duplicate_id"] == [20]
    built, expected = (build_features(found.tables, DATES) for found in (there, here))
    pd.testing.assert_frame_equal(built, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * REPLACE (CAST(occurred_at AS VARCHAR) AS occurred_at) FROM raw_usage",
         r"(?s)occurred_at.*has the type string.*cast\(occurred_at as timestamp\)"),
        ("SELECT * REPLACE (-1.0 AS quantity) FROM raw_usage", "(?s)quantity.*is below 0"),
        ("SELECT * REPLACE (CAST('inf' AS DOUBLE) AS quantity) FROM raw_usage", "is infinite"),
        ("SELECT * REPLACE (CAST(NULL AS TIMESTAMP) AS occurred_at) FROM raw_usage", "is empty"),
        ("SELECT * EXCLUDE (event) FROM raw_usage", "no column 'event'"),
        ("SELECT * FROM raw_usage WHERE false", "has no rows"),
        ("SELECT * REPLACE (TIMESTAMP '1901-01-01' AS occurred_at) FROM raw_usage", "before 1970"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_there(
    engine: Engine, tmp_path: Path, query: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        opened(tmp_path, engine.source(query))


def test_a_query_that_cannot_be_parsed_is_refused(engine: Engine) -> None:
    source = engine.source()
    with pytest.raises(HealthError, match="not understood"):
        source.warehouse.rows("SELECT FROM WHERE (", source.columns_of_query)


def test_ibis_frames_of_a_user_stay_where_they_are(tmp_path: Path) -> None:
    engine = Engine(rows_of_usage())
    frames, warehouse = {}, Warehouse("duckdb", engine.read)
    for name, rows in usual_company().items():
        engine.connection.register("arrived", frame(name, rows))
        engine.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM arrived")
        columns = engine.read(f"SELECT * FROM {name} LIMIT 0").schema
        frames[name] = warehouse.rows(f"SELECT * FROM {name}", columns).to_native()
    engine.asked.clear()
    tables = tables_from_frames(frames, observed_until=UNTIL)
    assert all(tables[name].implementation.is_ibis() for name in frames)
    assert not tables.readable_in_threads
    assert sum(n for _, n in engine.asked) < 50
    here = tables_from_frames(
        {name: frame(name, rows) for name, rows in usual_company().items()}, observed_until=UNTIL
    )
    built, expected = build_features(tables, DATES), build_features(here, DATES)
    pd.testing.assert_frame_equal(built, expected, check_dtype=False, rtol=1e-9, atol=1e-9)


def load(demo: Demo, url: str) -> pd.DataFrame:
    usage = pd.read_parquet(demo.folder / "tables" / "usage")
    with adbc_connection("test", url) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE SCHEMA analytics")
        cursor.adbc_ingest("events", pa.Table.from_pandas(usage, preserve_index=False),
                           db_schema_name="analytics")  # fmt: skip
        connection.commit()
    return usage


def test_types_of_postgres_are_understood(postgres_url: str, tmp_path: Path) -> None:
    rows = rows_of_usage()
    with adbc_connection("test", postgres_url) as connection:
        cursor = connection.cursor()
        cursor.adbc_ingest("plain_usage", pa.Table.from_pandas(rows, preserve_index=False))
        cursor.execute(
            "CREATE TABLE typed_usage AS SELECT account_id::varchar(40) AS account_id, event, "
            "occurred_at AT TIME ZONE 'UTC' AS occurred_at, md5(user_id)::uuid AS user_id, "
            "quantity::numeric(12, 3) AS quantity, errors::int AS errors, "
            "jsonb_build_object('a', 1) AS properties FROM plain_usage"
        )
        connection.commit()
    database = open_database("crm", postgres_url, tmp_path)
    query, columns = database.in_plain_types("SELECT * FROM typed_usage")
    source = WarehouseSource(
        sql=query,
        named="typed_usage of crm",
        warehouse=Warehouse("postgres", database.read),
        columns_of_query=columns,
    )
    there = opened(tmp_path, source)
    kept = ["account_id", "event", "occurred_at", "user_id", "quantity", "errors"]
    here = in_files(tmp_path, rows[kept])
    built, expected = (build_features(found.tables, DATES) for found in (there, here))
    pd.testing.assert_frame_equal(built, expected, rtol=1e-9, atol=1e-9)


PUBLISHED = ("scores", "reasons", "flags", "whitespace")


def scored(folder: Path, as_of: str) -> dict[str, pd.DataFrame]:
    done = call_health("score", folder / "health.toml", "--as-of", as_of)
    assert done.code == 0, done.err
    run = folder / "runs" / f"as_of={as_of}"
    rows = {name: pd.read_parquet(run / f"{name}.parquet") for name in PUBLISHED}
    # The configurations differ, and so do their hashes.
    return {name: r.drop(columns="config_hash", errors="ignore") for name, r in rows.items()}


def _rows_fetched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each query from now on adds the number of rows that it fetched."""
    fetched: list[int] = []
    read = _Adbc.fetch

    def counted(self: _Adbc, query: str) -> pa.Table:
        found = read(self, query)
        fetched.append(len(found))
        return found

    monkeypatch.setattr(_Adbc, "fetch", counted)
    return fetched


@pytest.mark.slow
def test_the_whole_run_is_the_same_on_postgres(
    demo: Demo, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = load(demo, postgres_url)
    monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        for name in ("tables", "models"):
            shutil.copytree(demo.folder / name, folder / name)
    shutil.rmtree(there / "tables" / "usage")
    text = demo.config.read_text()
    (here / "health.toml").write_text(text)
    kept = "\n".join(line for line in text.splitlines() if '"tables/usage"' not in line)
    remote = '[tables.usage]\nsource = "warehouse"\ntable = "analytics.events"'
    (there / "health.toml").write_text(
        kept.replace("[tables.usage]", remote) + '\n[sources.warehouse]\nurl = "$WAREHOUSE_URL"\n'
    )
    as_of = demo.runs[-1].name.removeprefix("as_of=")
    expected = scored(here, as_of)
    fetched = _rows_fetched(monkeypatch)
    found = scored(there, as_of)
    for name in PUBLISHED:
        pd.testing.assert_frame_equal(found[name], expected[name], rtol=1e-9, atol=1e-9)
    most = budget(usage)
    assert max(fetched) <= max(most.values()) < len(usage)
    assert sum(fetched) <= sum(most.values())
    large = [n for n in fetched if n > most["users"]]
    assert len(large) == 3


def _members() -> dict[str, Any]:
    """Return a company in HubSpot, Stripe and three exports of the same events of 12 users."""
    companies = [company(1, "First"), company(2, "Second")]
    customers = [customer(f"cus_{n}", email=f"pay@{d}.example") for n, d in
                 ((1, "first"), (2, "second"))]  # fmt: skip
    rng = np.random.default_rng(7)
    events = []
    for n in range(3_000):
        of = int(rng.integers(12))
        address = f"u{of}@{('first', 'second', 'nobody')[of % 3]}.example"
        events.append(
            {
                "id": f"e{n}",
                # Some are known by an id alone, and their company by what other calls name.
                "user": f"id-{of}" if of > 8 else address,
                "group": str(of % 2 + 1) if n % 4 and of != 2 else None,
                "event": ["report", "login", "$autocapture"][int(rng.integers(3))],
                "at": pd.Timestamp("2026-01-05") + timedelta(minutes=int(rng.integers(200_000))),
            }
        )
    return {"tables": hubspot(companies) | billed(customers), "events": pd.DataFrame(events)}


def _as_vendor(preset: str, events: pd.DataFrame) -> pd.DataFrame:
    at = events["at"].dt.tz_localize("UTC")
    group = events["group"]
    if preset == "posthog":
        groups = [json.dumps({"$groups": {"company": g}} if g else {}) for g in group]
        return pd.DataFrame({"uuid": events["id"], "event": events["event"], "timestamp": at,
                             "distinct_id": events["user"], "properties": groups})  # fmt: skip
    if preset == "amplitude":
        groups = [json.dumps({"company": [g]} if g else {}) for g in group]
        return pd.DataFrame({"_insert_id": events["id"], "event_type": events["event"],
                             "event_time": at, "user_id": events["user"], "amplitude_id": 7,
                             "groups": groups})  # fmt: skip
    return pd.DataFrame({"id": events["id"], "event": events["event"], "timestamp": at,
                         "user_id": events["user"], "context_group_id": group})  # fmt: skip


@pytest.mark.parametrize("preset", ["posthog", "segment", "amplitude"])
def test_events_that_a_preset_reads_stay_in_postgres(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    made = _members()
    write(tmp_path / "data", made["tables"])
    events = _as_vendor(preset, made["events"])
    (tmp_path / preset).mkdir()
    events.to_parquet(
        tmp_path / preset / ("tracks.parquet" if preset == "segment" else "e.parquet")
    )
    with adbc_connection("test", postgres_url) as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE SCHEMA {preset}")
        name = "tracks" if preset == "segment" else "events"
        cursor.adbc_ingest(name, pa.Table.from_pandas(events, preserve_index=False),
                           db_schema_name=preset)  # fmt: skip
        connection.commit()
    here, there = tmp_path / "here.toml", tmp_path / "there.toml"
    assert call_health("init", tmp_path / "data", tmp_path / preset, "--output", here).code == 0
    monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
    fetched = _rows_fetched(monkeypatch)
    done = call_health("init", tmp_path / "data", "$WAREHOUSE_URL", "--output", there)
    assert done.code == 0, done.err
    sections = [f.read_text().split("[tables.usage]")[1].split("\n\n")[0] for f in (here, there)]
    assert sections[0] == sections[1]
    assert sum(fetched) < 100
    fetched.clear()
    built = {}
    for file in (here, there):
        found = open_company(load_config(file)).opened
        usage = next(s for s in found.summaries if s.table == "usage")
        features = build_features(found.tables, [datetime(2026, 4, 1), datetime(2026, 5, 3)])
        built[file] = (usage.rows, usage.unmatched, features)
    assert built[here][:2] == built[there][:2]
    assert built[here][1] > 0
    pd.testing.assert_frame_equal(built[here][2], built[there][2], rtol=1e-9, atol=1e-9)
    kept = made["events"]
    if preset == "posthog":
        kept = kept[kept["event"] != "$autocapture"]
    # Whose the events are, the three aggregates, and no event.
    kept = kept.rename(columns={"at": "occurred_at", "user": "user_id"})
    most = budget(kept.assign(account_id=kept["user_id"]))
    assert max(fetched) <= max(most.values()) < len(kept)
    assert sum(fetched) <= sum(most.values())
