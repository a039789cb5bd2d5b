"""The same tables for several threads at the same time, and names that nobody else sees."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import duckdb
import pandas as pd
import pytest

from features import Tables, as_known, build_features
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables import relations as relations_module
from features.tables.connection import connect, internal_name, with_own_connection
from tests.features.company import DAY, UNTIL, company, frame
from tests.features.company import open_tables as from_frames

THREADS, ROUNDS = 2, 8


def _written(folder: Path) -> dict[str, TableSource]:
    for name, rows in company().items():
        frame(name, rows).to_parquet(folder / f"{name}.parquet", index=False)
    return {name: TableSource(path=f"{name}.parquet") for name in company()}


def _open(folder: Path, sources: dict[str, TableSource], **options: Any) -> Tables:
    allow = ["score_outside_scale"]
    return open_tables(sources, base=folder, observed_until=UNTIL, allow=allow, **options).tables


def _of_files(folder: Path) -> Tables:
    """Open some tables by query, and use where it lies."""
    sources = _written(folder)
    sources["tickets"] = TableSource(sql="select * from 'tickets.parquet'")
    return _open(folder, sources)


def _of_database(folder: Path) -> Tables:
    """Open a database for reading: tables of it by name, others by query."""
    _written(folder)
    with duckdb.connect(str(folder / "company.duckdb")) as database:
        for name in company():
            made = f"CREATE TABLE {name} AS FROM '{folder / f'{name}.parquet'}'"
            database.execute(made)
    sources = {name: TableSource(table=name) for name in company()}
    sources["surveys"] = TableSource(sql="select * from surveys")
    return _open(folder, sources, url="duckdb:///company.duckdb")


def _with_roll_ups(folder: Path) -> Tables:
    return _open(folder, _written(folder), rollups=Path("rollups"))


def _of_frames(_: Path) -> Tables:
    return from_frames(company())


def _as_known(_: Path) -> Tables:
    return as_known(from_frames(company()), DAY)


def _of_nobody_knows_where(_: Path) -> Tables:
    tables = from_frames(company())
    return Tables(tables.frames, tables.observed_until)


OPENERS = [_of_files, _of_database, _with_roll_ups, _of_frames, _as_known, _of_nobody_knows_where]


@pytest.fixture(params=OPENERS, ids=lambda opener: opener.__name__.strip("_"))
def tables(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Tables:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)
    found: Tables = request.param(tmp_path)
    return found


def _rows(tables: Tables) -> dict[str, pd.DataFrame]:
    return {
        name: _in_order(rows.collect("pandas").to_native()) for name, rows in tables.frames.items()
    }


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(rows.columns.tolist(), ignore_index=True)


def _assert_same_rows(tables: Tables, other: dict[str, pd.DataFrame]) -> None:
    for name, rows in _rows(tables).items():
        pd.testing.assert_frame_equal(rows, other[name])


@pytest.mark.slow
def test_threads_read_tables_apart_at_the_same_time(tables: Tables) -> None:
    expected = _rows(tables)
    start = Barrier(THREADS)

    def read(mine: Tables) -> None:
        start.wait(timeout=30)
        for _ in range(ROUNDS):
            _assert_same_rows(mine, expected)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, [tables.with_own_connection() for _ in range(THREADS)]))


@contextmanager
def _busy(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Keep a connection busy, for longer than any test takes."""

    def count() -> None:
        with pytest.raises(duckdb.InterruptException):
            connection.execute("SELECT sum(range) FROM range(1_000_000_000_000)").fetchall()

    thread = Thread(target=count)
    thread.start()
    try:
        yield
        assert thread.is_alive()
    finally:
        while thread.is_alive():
            connection.interrupt()
            thread.join(0.05)


@pytest.mark.slow
def test_features_of_tables_apart_while_the_others_are_read(tables: Tables) -> None:
    expected = build_features(tables, [DAY])
    is_known = isinstance(tables.keep_alive, duckdb.DuckDBPyConnection)
    with _busy(tables.keep_alive) if is_known else nullcontext():
        own_tables = tables.with_own_connection()
        found = build_features(own_tables, [DAY])
    assert own_tables.observed_until == tables.observed_until
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.slow
def test_tables_apart_outlive_those_they_came_from(tmp_path: Path) -> None:
    tables = _of_database(tmp_path)
    expected, own_tables = _rows(tables), tables.with_own_connection()
    del tables
    gc.collect()
    _assert_same_rows(own_tables, expected)


def test_a_connection_beside_another_reads_times_alike(tmp_path: Path) -> None:
    connection = connect("duckdb://", tmp_path, "100MB")
    result = "SELECT CAST(TIMESTAMPTZ '2025-07-01 10:00:00+02' AS TIMESTAMP)"
    for each in (
        connection,
        with_own_connection(connection),
        with_own_connection(with_own_connection(connection)),
    ):
        assert each.execute(result).fetchall() == [(datetime(2025, 7, 1, 8),)]


def _names_of_ours(tables: Tables) -> list[str]:
    query = "SELECT table_name FROM information_schema.tables WHERE table_catalog = 'memory'"
    return [name for (name,) in tables.keep_alive.execute(query).fetchall()]


@pytest.mark.slow
def test_a_query_sees_no_name_of_ours(tmp_path: Path) -> None:
    ours = _names_of_ours(_of_files(tmp_path))
    assert len(ours) >= len(company())
    sources = _written(tmp_path)
    # Opened last, when all others are there.
    del sources["surveys"]
    for name in ours:
        query = f'select * from "{name}"'
        with pytest.raises(Exception, match="does not exist"):
            _open(tmp_path, {**sources, "surveys": TableSource(sql=query)})


@pytest.mark.slow
def test_the_companys_own_tables_may_be_called_like_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", 0)
    tables = _of_database(tmp_path)
    expected = _rows(tables)
    # Each name of ours is the company's, too, and each table's own is that of another.
    names = {name: f"raw input {name}" for name in company()}
    with duckdb.connect(str(tmp_path / "named.duckdb")) as database:
        database.execute('CREATE SCHEMA "customer health"')
        for name in company():
            file = tmp_path / f"{name}.parquet"
            other = next(n for n in company() if n != name)
            for table in (f'"{names[name]}"', f'"customer health"."{names[name]}"', other):
                database.execute(f"CREATE OR REPLACE TABLE {table} AS FROM '{file}'")
    sources = {name: TableSource(table=own) for name, own in names.items()}
    sources["usage"] = TableSource(table="customer health.raw input usage")
    sources["tickets"] = TableSource(sql='with input as (from "raw input tickets") from input')
    renamed = _open(tmp_path, sources, url="duckdb:///named.duckdb")
    assert {internal_name(name) for name in names.values()} <= {
        f'memory."customer health"."{name}"' for name in _names_of_ours(renamed)
    }
    _assert_same_rows(renamed, expected)
    _assert_same_rows(renamed.with_own_connection(), expected)
