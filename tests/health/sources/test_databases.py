"""Tables and queries of Postgres, SQLite and DuckDB, and what is reported where they fail."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from features.errors import HealthError
from health.sources.databases import Limits, adbc_connection, open_database
from tests.health.postgres import PASSWORD

ROWS = "VALUES (1, 1.25, 'a', true), (2, NULL, NULL, false)"


def fill(url: str, statements: str) -> None:
    """Run statements on Postgres, one by one."""
    with adbc_connection("test", url) as connection:
        cursor = connection.cursor()
        for statement in statements.split(";"):
            if statement.strip():
                cursor.execute(statement)
        connection.commit()


@contextmanager
def postgres(url: str, folder: Path) -> Iterator[str]:
    fill(
        url,
        "CREATE SCHEMA crm; CREATE TABLE crm.things "
        "(id bigint, amount numeric(10, 2), name text, is_on boolean);"
        f"INSERT INTO crm.things {ROWS}",
    )
    yield url


@contextmanager
def sqlite(_: str, folder: Path) -> Iterator[str]:
    with sqlite3.connect(folder / "x.db") as connection:
        connection.execute("CREATE TABLE things (id, amount, name, is_on)")
        connection.execute(f"INSERT INTO things {ROWS}")
    yield "sqlite:///x.db"


@contextmanager
def duckdb_file(_: str, folder: Path) -> Iterator[str]:
    with duckdb.connect(str(folder / "x.duckdb")) as connection:
        connection.execute("CREATE SCHEMA crm")
        connection.execute(f"CREATE TABLE crm.things AS FROM ({ROWS}) t(id, amount, name, is_on)")
    yield "duckdb:///x.duckdb"


@pytest.mark.parametrize("kind", [postgres, sqlite, duckdb_file])
def test_a_table_is_listed_and_read(
    kind: Callable[..., Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind is postgres else ""
    with kind(url, tmp_path) as opened:
        database = open_database("crm", opened, tmp_path)
        found = {table.label: table for table in database.tables()}
        name = "things" if kind is sqlite else "crm.things"
        assert list(found[name].columns) == ["id", "amount", "name", "is_on"]
        rows = database.read(f"SELECT * FROM {database.quoted_table(name)} ORDER BY id").to_pylist()
        with pytest.raises(HealthError, match="source crm"):
            database.read("SELECT nothing FROM " + name)
        with pytest.raises(HealthError, match="nowhere"):
            database.read("SELECT 1 FROM nowhere")
    assert [float(rows[0]["amount"]), rows[1]["amount"]] == [1.25, None]
    assert [row["name"] for row in rows] == ["a", None]
    assert [bool(row["is_on"]) for row in rows] == [True, False]


def test_what_arrow_has_no_plain_type_for_arrives_as_text_or_number(postgres_url: str) -> None:
    fill(postgres_url, "CREATE TYPE mood AS ENUM ('glad')")
    database = open_database("db", postgres_url, Path())
    query = (
        "SELECT 1.5::numeric AS n, '{\"a\": 1}'::jsonb AS j, 'glad'::mood AS m, "
        "'0d0ac3d2-4d4b-4d0e-9d38-6a0f8f6f7f11'::uuid AS u, NULL::numeric AS nothing"
    )
    assert database.read(query).to_pylist() == [
        {
            "n": 1.5,
            "j": '{"a": 1}',
            "m": "glad",
            "u": "0d0ac3d2-4d4b-4d0e-9d38-6a0f8f6f7f11",
            "nothing": None,
        }
    ]
    assert database.schema(query)["n"] == "DOUBLE"


def test_a_missing_right_names_the_table_and_the_grant(postgres_url: str) -> None:
    fill(
        postgres_url, "CREATE TABLE secret_things (a int); CREATE ROLE guest LOGIN PASSWORD 'pw4g'"
    )
    guest = postgres_url.replace(f"corvid:{PASSWORD}", "guest:pw4g")
    with pytest.raises(HealthError, match=r"(?s)permission denied.*secret_things.*grant"):
        open_database("db", guest, Path()).read("SELECT * FROM secret_things")


def test_an_unavailable_server_is_tried_three_times_and_its_password_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(HealthError) as error:
        open_database("db", "postgresql://ann:hunter2@127.0.0.1:1/crm", Path()).read("SELECT 1")
    assert len(pauses) == 2
    assert "source db" in str(error.value) and "cannot connect" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_wrong_password_is_not_repeated(postgres_url: str) -> None:
    wrong = postgres_url.replace(PASSWORD, "another-password")
    with pytest.raises(HealthError, match="password authentication failed") as error:
        open_database("db", wrong, Path()).read("SELECT 1")
    assert "another-password" not in str(error.value)


def test_columns_of_mixed_types_in_sqlite_are_text(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (1), ('one'), (2.5), (NULL)")
    rows = open_database("db", "sqlite:///x.db", tmp_path).read("SELECT a FROM t").to_pylist()
    assert [row["a"] for row in rows] == ["1", "one", "2.5", None]


ENDLESS = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t) SELECT {} FROM t"


@pytest.mark.parametrize("kind", [postgres, sqlite, duckdb_file])
@pytest.mark.quick_cases(1)
def test_a_query_that_never_ends_is_stopped(
    request: pytest.FixtureRequest, tmp_path: Path, kind: Callable[[str, Path], Any]
) -> None:
    url = request.getfixturevalue("postgres_url") if kind is postgres else ""
    with kind(url, tmp_path) as place:
        database = open_database("db", place, tmp_path, limits=Limits(seconds=0.3))
        with pytest.raises(HealthError, match=r"(?s)took .*long.*raise data\.time_limit_minutes"):
            database.read(ENDLESS.format("max(i)"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process allocates")
def test_rows_of_sqlite_that_never_end_are_refused(tmp_path: Path) -> None:
    limits = Limits(memory="1MB")
    with sqlite("", tmp_path) as place, pytest.raises(HealthError, match="needs more memory"):
        open_database("db", place, tmp_path, limits=limits).read(
            ENDLESS.format("hex(zeroblob(50000))")
        )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("oracle://x", "this kind of database is not supported"),
        ("sqlite:///absent.db", "no such database file"),
        ("snowflake://user@account", "not installed"),
    ],
)
def test_what_cannot_be_opened_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "adbc_driver_snowflake.dbapi", None)
    with pytest.raises(HealthError, match=words):
        open_database("db", url, tmp_path).read("SELECT 1")
