"""Identifiers of more digits than a float holds, from databases: every digit, in every table."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from features.build import build_features
from features.errors import InputError
from health.business.company import open_company
from health.settings.config import load_config
from health.sources.databases import open_database
from tests.health.sources.test_databases import fill

AS_OF = datetime(2026, 3, 25)
FIRST, SECOND = "12345678901234567890", "12345678901234567891"
SMALL_FIRST, SMALL_SECOND = "9007199254740992", "9007199254740993"
TABLES = ("accounts", "subscriptions", "usage", "tickets")


def statements(kind: str, ids: tuple[str, str]) -> str:
    first, second = ids
    days = [f"2026-03-{day:02d} 10:00:00" for day in range(1, 21)]
    opened = [f"({first}, 'open', '{day}', {first}, 1.5)" for day in days]
    opened += [f"({second}, 'open', '2026-03-02 10:00:00', {second}, 2)"] * 2
    return (
        f"CREATE TABLE accounts (account_id {kind}, created_at timestamp, parent_id {kind});"
        f"CREATE TABLE subscriptions (account_id {kind}, product text, started_at timestamp, "
        "ended_at timestamp, mrr numeric);"
        f"CREATE TABLE usage (account_id {kind}, event text, occurred_at timestamp, "
        f"user_id {kind}, quantity numeric);"
        f"CREATE TABLE tickets (account_id {kind}, ticket_id {kind}, opened_at timestamp);"
        f"INSERT INTO accounts VALUES ({first}, '2025-01-01', NULL), "
        f"({second}, '2025-01-01', {first});"
        f"INSERT INTO subscriptions VALUES ({first}, 'core', '2025-01-01', NULL, 100.5), "
        f"({second}, 'core', '2025-01-01', NULL, 7);"
        f"INSERT INTO usage VALUES {', '.join(opened)};"
        f"INSERT INTO tickets VALUES ({first}, {first}, '2026-03-01'), "
        f"({first}, {second}, '2026-03-02')"
    )


@pytest.fixture
def warehouse(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an empty database, which the environment has, too."""
    monkeypatch.setenv("WAREHOUSE_URL", postgres_url)
    return postgres_url


def configured(folder: Path, url: str) -> Path:
    tables = "".join(f'[tables.{name}]\nsource = "crm"\ntable = "{name}"\n' for name in TABLES)
    observed = "observed_until = 2026-04-10\n"
    config = folder / "health.toml"
    config.write_text(f'{observed}[sources.crm]\nurl = "{url}"\n{tables}')
    return config


def assert_two_accounts(config: Path, ids: tuple[str, str]) -> None:
    company = open_company(load_config(config)).opened
    tables = company.tables
    built = build_features(tables, [AS_OF]).set_index("account_id")
    assert sorted(built.index) == sorted(ids)
    assert built.loc[list(ids), "usage_events_28d"].tolist() == [30, 4]
    assert built.loc[list(ids), "mrr"].tolist() == [100.5, 7]
    accounts = tables["accounts"].collect("pyarrow").to_native().to_pandas()
    assert set(accounts["parent_id"].dropna()) == {ids[0]}
    tickets = tables["tickets"].collect("pyarrow").to_native().to_pandas()
    assert set(tickets["ticket_id"]) == {*ids}
    users = tables["usage"].collect("pyarrow").to_native().to_pandas()
    assert set(users["user_id"]) == {*ids}
    assert users["quantity"].sum() == 34


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        ("numeric", (FIRST, SECOND)),
        ("numeric(20, 0)", (FIRST, SECOND)),
        ("numeric(30, 4)", (FIRST, SECOND)),
        ("bigint", (SMALL_FIRST, SMALL_SECOND)),
        ("numeric", (SMALL_FIRST, SMALL_SECOND)),
        ("numeric", ("1" * 45 + "1", "1" * 45 + "2")),
    ],
)
def test_postgres(kind: str, ids: tuple[str, str], warehouse: str, tmp_path: Path) -> None:
    fill(warehouse, statements(kind, ids))
    assert_two_accounts(configured(tmp_path, "$WAREHOUSE_URL"), ids)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "ids"),
    [("double precision", (FIRST, SECOND)), ("real", (str(2**24), str(2**24 + 2)))],
)
def test_floats_in_postgres_are_refused(
    kind: str, ids: tuple[str, str], warehouse: str, tmp_path: Path
) -> None:
    fill(warehouse, statements(kind, ids))
    with pytest.raises(InputError) as raised:
        open_company(load_config(configured(tmp_path, "$WAREHOUSE_URL")))
    lost = {(f.table, f.column) for f in raised.value.findings if f.code == "lost_digits"}
    assert {("accounts", "account_id"), ("usage", "account_id"), ("usage", "user_id")} <= lost


@pytest.mark.parametrize("kind", ["HUGEINT", "DECIMAL(38, 2)", "UBIGINT"])
@pytest.mark.slow
def test_duckdb(kind: str, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute(statements(kind, (FIRST, SECOND)))
    assert_two_accounts(configured(tmp_path, "duckdb:///crm.duckdb"), (FIRST, SECOND))


@pytest.mark.parametrize(("kind", "ids"), [("integer", (SMALL_FIRST, SMALL_SECOND))])
@pytest.mark.slow
def test_sqlite(kind: str, ids: tuple[str, str], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.executescript(statements(kind, ids))
    assert_two_accounts(configured(tmp_path, "sqlite:///crm.db"), ids)


@pytest.mark.slow
def test_sqlite_rounds_and_that_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.executescript(statements("numeric", (FIRST, SECOND)))
    with pytest.raises(InputError, match="lost_digits"):
        open_company(load_config(configured(tmp_path, "sqlite:///crm.db")))


def test_whole_numbers_next_to_floats_in_sqlite_keep_their_digits(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute(f"INSERT INTO t VALUES ({SMALL_SECOND}), (2.5), (NULL)")
    rows = open_database("db", "sqlite:///x.db", tmp_path).read("SELECT a FROM t").to_pylist()
    assert [row["a"] for row in rows] == [SMALL_SECOND, "2.5", None]
