"""Connecting to the database of the web app: SQLite next to the runs, or Postgres by URL."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from features.errors import HealthError
from health.settings.app import APP_DATABASE
from health.settings.secrets import secret

#: Seconds that a write waits for another one.
_BUSY_SECONDS = 10


def database_url(url: str, *, runs_dir: Path) -> str:
    """Return the URL of the database: as configured, from the environment, or next to the runs.

    Raises
    ------
    HealthError
        The environment variable is not set, or the URL is of a database that is not supported.
    """
    url = secret(url, where="app.database", base=Path())
    if not url:
        return f"sqlite:///{runs_dir / APP_DATABASE}"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise HealthError(
            "not a database URL",
            where="app.database",
            fix="give postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///FILE",
        ) from None
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise HealthError(
            f"a database of the kind {parsed.get_backend_name()} is not supported",
            where="app.database",
            fix="give postgresql://… or sqlite:///FILE",
        )
    return parsed.render_as_string(hide_password=False)


def connect(url: str) -> Engine:
    """Return the engine of a URL, without a connection yet."""
    try:
        if url.startswith("sqlite"):
            parsed = make_url(url)
            Path(parsed.database or "").parent.mkdir(parents=True, exist_ok=True)
            if "timeout" not in parsed.query:
                parsed = parsed.update_query_dict({"timeout": str(_BUSY_SECONDS)})
            engine = sa.create_engine(parsed)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return sa.create_engine(url, pool_pre_ping=True)
    except (ImportError, NoSuchModuleError):
        raise HealthError(
            "the driver for Postgres is not installed",
            where="app.database",
            fix="install the extra: pip install 'customer-health[postgres]'",
        ) from None


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # `_begin_sqlite` starts transactions, not the driver.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its turn at the start: a transaction that reads first and writes later could
    # lose to another one in between.
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
