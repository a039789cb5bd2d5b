"""Opening the app's database: SQLite next to the runs, or Postgres by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from features.errors import HealthError
from health.business.app_database import connect
from health.runs.durable import new_file

#: What the URL of an SQLite database in memory names.
_NO_FILE = (None, "", ":memory:")


class Database:
    """The app's database, migrated to this release.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        As `open_database` makes it.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = engine.execution_options(write=True)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session for reading."""
        with _worded(self.engine), Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open one transaction, which is on the disk when the block ends, or has not happened."""
        with (
            _worded(self.engine),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_database(url: str, *, now: datetime) -> Database:
    """Connect, and migrate an older database after a backup of it.

    Parameters
    ----------
    url : str
        As from `database_url`.
    now : datetime
        Names the backup.

    Raises
    ------
    HealthError
        The database cannot be reached, is locked, or is of a newer release.
    """
    _create_file(url, now)
    engine = connect(url)
    try:
        _migrate(engine, url, now)
    except HealthError:
        engine.dispose()
        raise
    except SQLAlchemyError as error:
        engine.dispose()
        raise _failed(engine, error) from None
    return Database(engine)


def alembic_config() -> AlembicConfig:
    """Return the settings of the migrations in this package."""
    config = AlembicConfig()
    folder = resources.files("health.app.database") / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _create_file(url: str, now: datetime) -> None:
    """Create a database file that does not exist: complete, under its name, or not at all."""
    parts = make_url(url)
    file = Path(parts.database or "")
    if parts.get_backend_name() != "sqlite" or parts.database in _NO_FILE or file.exists():
        return
    with new_file(file) as made:
        engine = connect(parts.set(database=str(made)).render_as_string(hide_password=False))
        try:
            _migrate(engine, url, now)
        except SQLAlchemyError as error:
            raise _failed(engine, error, file) from None
        finally:
            # The last connection moves everything into the file.
            engine.dispose()


def _migrate(engine: Engine, url: str, now: datetime) -> None:
    config = alembic_config()
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    if present == head:
        return
    if present is not None and present not in {r.revision for r in script.walk_revisions()}:
        raise HealthError(
            f"the database is of a newer release (schema {present}; this release has {head})",
            where=str(engine.url),
            fix="install the newer release again, or give another database in app.database",
        )
    if present is not None:
        _back_up(engine, url, present, now)
    with engine.execution_options(write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _back_up(engine: Engine, url: str, revision: str, now: datetime) -> None:
    """Keep what an older release wrote: a copy of the file, or of every table on Postgres."""
    label = f"{revision}_{now:%Y%m%d%H%M%S}"
    if engine.dialect.name == "sqlite":
        file = Path(make_url(url).database or "")
        with (
            sqlite3.connect(file) as source,
            sqlite3.connect(file.with_name(f"{file.stem}.before_{label}{file.suffix}")) as copy,
        ):
            source.backup(copy)
        source.close()
        copy.close()
        return
    with engine.begin() as connection:
        schema = f"backup_{label}"
        connection.execute(sa.schema.CreateSchema(schema))
        for table in sa.inspect(connection).get_table_names():
            quote = engine.dialect.identifier_preparer.quote
            connection.exec_driver_sql(
                f"CREATE TABLE {quote(schema)}.{quote(table)} AS TABLE {quote(table)}"
            )


@contextmanager
def _worded(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise _failed(engine, error) from None


def _failed(engine: Engine, error: SQLAlchemyError, file: Path | None = None) -> HealthError:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    text = cause[0] if cause else type(error).__name__
    locked = "locked" in text
    what = (
        "another program has locked the database; nothing was written"
        if locked
        else f"the database cannot be used: {text}"
    )
    if locked:
        fix = "end the program that keeps it open (a backup, a database browser), then try again"
    elif "disk" in text:
        # SQLite reports a full disk as an error of the disk, too.
        fix = "free some space, then try again; what was acknowledged before is stored"
    else:
        fix = "check app.database, that the server runs, and the permissions of the file"
    where = engine.url.render_as_string(hide_password=True) if file is None else str(file)
    return HealthError(what, where=where, fix=fix)
