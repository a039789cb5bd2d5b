"""Databases freed of an account or a person: published tables, the app and its backups."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from features.errors import HealthError
from health.app.access.users import find_user
from health.app.database.engine import open_database
from health.app.database.models import Note
from health.app.records.audit import check_chain
from health.app.records.entries import NoteEntry
from health.app.records.erase import free_texts
from health.app.records.write import write_entry
from health.erasure.stored_databases import erase_from_schemas, erase_from_table
from health.erasure.subject import ERASED, Subject
from health.publishing import targets
from health.publishing.targets import compact, transaction
from tests.health.app.company import NOW
from tests.health.app.test_database import first_release

ACCOUNT = Subject("account", "A-1", ("Acme 100%_!'s",))


@pytest.fixture(params=["sqlite", "duckdb", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return f"{request.param}:///{tmp_path / 'warehouse.db'}"


def test_rows_are_deleted_and_mentions_replaced(url: str, tmp_path: Path) -> None:
    rows = pa.table(
        {
            "account_id": ["A-1", "A-10", "B"],
            "text": ["x", "knows Acme 100%_!'s and A-1", "Acme 100 and A-11"],
            "mrr": [1.0, 2.0, 3.0],
        }
    )
    with transaction(url, schema="", base=tmp_path) as target:
        target.ingest("health_scores", rows)
    for expected in (2, 0):
        with transaction(url, schema="", base=tmp_path) as target:
            columns = target.text_columns("health_scores")
            assert sorted(columns) == ["account_id", "text"]
            table = target.named("health_scores")
            assert erase_from_table(target.run, table, columns, ACCOUNT) == expected
            left = target.run(f'SELECT "account_id", "text" FROM {table} ORDER BY 1')
    assert left == [("A-10", f"knows {ERASED} and {ERASED}"), ("B", "Acme 100 and A-11")]


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_the_file_of_a_database_has_nothing_of_a_deleted_row(tmp_path: Path, scheme: str) -> None:
    file, url = tmp_path / f"warehouse.{scheme}", f"{scheme}:///warehouse.{scheme}"
    rows = pa.table({"account_id": ["A-1", "B"], "text": ["Zanzibar Outfitters", "Acme Fields"]})
    with transaction(url, schema="", base=tmp_path) as target:
        target.ingest("health_scores", rows)
        target.run("CREATE VIEW latest AS SELECT * FROM health_scores")
    assert b"Zanzibar Outfitters" in file.read_bytes()
    file.chmod(0o640)
    with transaction(url, schema="", base=tmp_path) as target:
        erase_from_table(target.run, '"health_scores"', ["account_id", "text"], ACCOUNT)
    compact(url, base=tmp_path)
    assert b"Zanzibar" not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    with transaction(url, schema="", base=tmp_path) as target:
        assert target.run("SELECT account_id FROM latest") == [("B",)]


def test_a_journal_that_keeps_deleted_rows_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "_PATIENCE", 0.1)
    file = tmp_path / "warehouse.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode=WAL")
        reader.execute("CREATE TABLE t (account_id TEXT, text TEXT)")
        reader.execute("INSERT INTO t VALUES ('A-1', 'Zanzibar Outfitters'), ('B', 'x')")
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (2,)
        with transaction("sqlite:///warehouse.sqlite", schema="", base=tmp_path) as target:
            erase_from_table(target.run, "t", ["account_id", "text"], ACCOUNT)
        with pytest.raises(HealthError, match="another program is reading"):
            compact("sqlite:///warehouse.sqlite", base=tmp_path)
        reader.execute("COMMIT")
        compact("sqlite:///warehouse.sqlite", base=tmp_path)
        stored = [path.read_bytes() for path in tmp_path.iterdir()]
    assert not any(b"Zanzibar" in content for content in stored)


def test_a_database_that_cannot_be_written_whole_is_not_created(tmp_path: Path) -> None:
    for scheme in ("sqlite", "duckdb"):
        with (
            pytest.raises(ZeroDivisionError),
            transaction(f"{scheme}:///new.{scheme}", schema="", base=tmp_path) as target,
        ):
            target.run("CREATE TABLE a (b TEXT)")
            raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_apps_backup_on_postgres_is_freed(postgres_url: str) -> None:
    first_release(postgres_url)
    opened = open_database(postgres_url, now=NOW)
    person = Subject("person", "chloe", ("Chloe Okafor",))
    assert erase_from_schemas(opened.engine, person, prefix="backup_") == 2
    with opened.engine.connect() as connection:
        (schema,) = (
            name for name in sa.inspect(connection).get_schema_names() if name[:7] == "backup_"
        )
        row = connection.execute(sa.text(f"SELECT login, csm FROM {schema}.users")).one()
        # Only backups are changed by it.
        login = connection.scalar(sa.text("SELECT login FROM users"))
    opened.close()
    assert tuple(row) == (ERASED, ERASED)
    assert login == "chloe"


def test_notes_on_other_accounts_lose_the_name_and_the_chain_stays_intact(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'app.sqlite'}"
    first_release(url)
    database = open_database(url, now=NOW)
    user = find_user(database, "chloe")
    assert user is not None
    for number, text in enumerate(("like Acme 100%_!'s", "nothing")):
        write_entry(
            database,
            NoteEntry(text=text),
            account_id="B",
            user=user,
            request_id=f"{number:032d}",
            now=NOW + timedelta(seconds=number),
        )
    assert free_texts(database, ACCOUNT.freed, now=NOW + timedelta(days=1)) == 1
    assert free_texts(database, ACCOUNT.freed, now=NOW + timedelta(days=1)) == 0
    with database.read() as session:
        assert sorted(session.scalars(sa.select(Note.text))) == [f"like {ERASED}", "nothing"]
        assert check_chain(session).faults == ()
    database.close()
