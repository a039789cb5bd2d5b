"""The database: migrated after a backup, locked, newer, and written to by many at once."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from features.errors import HealthError
from health.app.access.users import find_user
from health.app.database.engine import Database, alembic_config, open_database
from health.app.database.models import Base, Note
from health.app.records.audit import check_chain, lock_chain
from health.app.records.entries import NoteEntry
from health.app.records.write import write_entry
from health.business.app_database import connect, database_url
from tests.health.app.company import NOW, USERS

#: Writes 25 notes as each of some users at the same time, and prints what is on the disk.
WRITER = """
import sys
from tests.health.app.test_database import write_all
write_all(*sys.argv[1:])
"""


def write_all(url: str, *logins: str) -> None:
    """Write 25 notes as each user, each in a thread of their own."""
    database = open_database(url, now=NOW)
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(write_as, database), logins))
    database.close()


def write_as(database: Database, login: str) -> None:
    user = find_user(database, login)
    assert user is not None
    for number in range(25):
        write_entry(
            database,
            NoteEntry(text=f"{login} {number}"),
            account_id="ACC-00001",
            user=user,
            request_id=f"{login}-{number:030d}",
            now=NOW,
        )
        print(number, flush=True)


def writer(url: str, *logins: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, *logins],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


@pytest.mark.slow
@pytest.mark.slow
def test_a_hundred_writes_by_four_users_and_a_kill_lose_and_double_nothing(
    database: Database, filled_url: str
) -> None:
    first, *others = (login for login in USERS if login != "reader")
    killed, running = writer(filled_url, first), writer(filled_url, *others)
    assert killed.stdout is not None
    acknowledged = [killed.stdout.readline() for _ in range(8)]
    killed.send_signal(signal.SIGKILL)
    acknowledged += killed.communicate()[0].splitlines()
    running.communicate(timeout=120)
    assert running.returncode == 0
    with database.read() as session:
        texts = set(session.scalars(sa.select(Note.text)))
        assert check_chain(session).faults == ()
    # What was acknowledged is there; the kill came before the end.
    own = {text for text in texts if text.startswith(f"{first} ")}
    assert {f"{first} {number.strip()}" for number in acknowledged} <= own
    assert len(own) < 25
    # The browser sends everything again, not knowing what arrived.
    write_as(database, first)
    with database.read() as session:
        texts_again = list(session.scalars(sa.select(Note.text)))
        check = check_chain(session)
    assert len(texts_again) == len(set(texts_again)) == 100
    assert (check.entries, check.faults) == (100, ())


def test_the_migrations_make_the_tables_of_the_models(url: str) -> None:
    opened = open_database(url, now=NOW)
    with opened.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    opened.close()


def first_release(url: str) -> None:
    """Make a database as the first release did, with a user and a note in it."""
    engine = connect(url)
    config = alembic_config()
    with engine.execution_options(write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            sa.text(
                "INSERT INTO users (id, login, name, role, csm, team, password_hash, created_at, "
                "disabled_at) VALUES ('u1', 'chloe', 'Chloe', 'csm', 'Chloe Okafor', NULL, NULL, "
                "'2026-01-05 09:00:00', NULL)"
            )
        )
    engine.dispose()


def test_a_database_of_the_first_release_is_migrated_after_a_backup(url: str) -> None:
    first_release(url)
    opened = open_database(url, now=NOW)
    user = find_user(opened, "chloe")
    assert user is not None
    assert (user.csm, user.subject) == ("Chloe Okafor", None)
    write_as(opened, "chloe")
    with opened.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
        backup = backup_of(opened, connection)
    # The copy is of before: the old tables with their rows, and nothing of the new release.
    logins, tables, columns, release = backup
    assert logins == ["chloe"]
    assert "notices" not in tables
    assert "subject" not in columns
    assert release == "0001"
    opened.close()
    # Opened again, there is nothing to migrate, and no other backup.
    again = open_database(url, now=NOW + timedelta(days=1))
    with again.engine.connect() as connection:
        assert backup_of(again, connection) == backup
    again.close()


def backup_of(
    database: Database, connection: sa.Connection
) -> tuple[list[str], set[str], set[str], str]:
    """Return logins, tables, columns of users and release of the one backup of a database."""
    where = connection
    schema = None
    if database.engine.dialect.name == "sqlite":
        file = Path(str(database.engine.url.database))
        (copy,) = file.parent.glob("*.before_*")
        where = sa.create_engine(f"sqlite:///{copy}").connect()
    else:
        (schema,) = (n for n in sa.inspect(where).get_schema_names() if n.startswith("backup_"))
    prefix = f"{schema}." if schema else ""
    inspector = sa.inspect(where)
    result = (
        list(where.scalars(sa.text(f"SELECT login FROM {prefix}users"))),
        set(inspector.get_table_names(schema=schema)),
        {str(column["name"]) for column in inspector.get_columns("users", schema=schema)},
        str(where.scalar(sa.text(f"SELECT version_num FROM {prefix}alembic_version"))),
    )
    if where is not connection:
        where.close()
        where.engine.dispose()
    return result


def test_a_newer_database_is_refused(url: str) -> None:
    opened = open_database(url, now=NOW)
    with opened.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(HealthError, match="newer release"):
        open_database(url, now=NOW)


def test_a_locked_database_names_the_cause_and_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "app.sqlite"
    url = f"sqlite:///{file}?timeout=0.2"
    opened = open_database(url, now=NOW)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with (
        pytest.raises(HealthError, match=r"locked the database(.|\n)*try again"),
        opened.write() as session,
    ):
        lock_chain(session)
    other.close()
    with opened.write() as session:
        assert session.scalar(sa.text("SELECT 1")) == 1
    opened.close()


def test_no_password_is_part_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DB", "postgresql://me:s3cret@127.0.0.1:1/none?connect_timeout=1")
    with pytest.raises(HealthError) as refused:
        open_database(database_url("$APP_DB", runs_dir=Path()), now=NOW)
    assert "s3cret" not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "fault"),
    [("$NOT_SET", "NOT_SET is not set"), ("mysql://x/y", "mysql is not"), ("%%", "not a database")],
)
def test_a_wrong_url_is_refused(given: str, fault: str) -> None:
    with pytest.raises(HealthError, match=fault):
        database_url(given, runs_dir=Path())
