"""Databases that a run is written to: everything in one transaction, or nothing."""

from __future__ import annotations

import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from features.errors import HealthError
from features.redaction import redact
from features.tables.casting import literal, quoted
from features.tables.connection import first_line
from health.runs.durable import new_file, whole_file
from health.sources.databases import adbc_connection

#: Two runs are never published at once.
_LOCK = 7_405_513
_PATIENCE = 60


class Target(ABC):
    """An open transaction on a database.

    Parameters
    ----------
    schema : str
        The schema of every table and view; empty for the database's default.
    """

    def __init__(self, schema: str) -> None:
        self._schema = schema

    def named(self, table: str) -> str:
        """Return a table's name as SQL."""
        return ".".join(quoted(part) for part in (self._schema, table) if part)

    @abstractmethod
    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""

    @abstractmethod
    def ingest(self, table: str, rows: pa.Table) -> None:
        """Create a table that does not exist yet, with these rows."""

    @abstractmethod
    def exists(self, table: str) -> bool:
        """Whether there is a table or view of the name."""

    def text_columns(self, table: str) -> list[str]:
        """Return the columns of a table that have text."""
        schema = literal(self._schema) if self._schema else "current_schema()"
        rows = self.run(
            "SELECT column_name FROM information_schema.columns WHERE data_type IN "
            f"('text', 'character varying', 'VARCHAR') AND table_name = {literal(table)} "
            f"AND table_schema = {schema}"
        )
        return [str(name) for (name,) in rows]

    def replace_view(self, name: str, query: str) -> None:
        """Let a view show the rows of a query, whatever it showed before."""
        self.run(f"DROP VIEW IF EXISTS {self.named(name)}")
        self.run(f"CREATE VIEW {self.named(name)} AS {query}")


@contextmanager
def transaction(url: str, *, schema: str, base: Path) -> Iterator[Target]:
    """Open a database for writing; commit where nothing fails, else leave it as it was.

    Parameters
    ----------
    url : str
        ``postgresql://…``, ``sqlite:///FILE`` or ``duckdb:///FILE``.
    schema : str
        The schema to write to; it is created where it does not exist.
    base : Path
        Folder of the configuration.

    Raises
    ------
    HealthError
        The database is not known, cannot be reached or refuses; no secret is in the message.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("postgresql", "postgres"):
        opened = _postgres(url, schema)
    elif scheme == "sqlite":
        opened = _sqlite(_file(url, base), schema)
    elif scheme == "duckdb":
        opened = _duckdb(_file(url, base), schema)
    else:
        raise HealthError(
            "runs cannot be published to this kind of database",
            where="publish.url",
            fix="use postgresql://, sqlite:///FILE or duckdb:///FILE",
        )
    with opened as target:
        yield target


class _Postgres(Target):
    def __init__(self, connection: Any, schema: str) -> None:
        super().__init__(schema)
        self._cursor = connection.cursor()

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        self._cursor.execute(statement)
        return list(self._cursor.fetchall()) if self._cursor.description else []

    def ingest(self, table: str, rows: pa.Table) -> None:
        options = {"db_schema_name": self._schema} if self._schema else {}
        self._cursor.adbc_ingest(table, rows, mode="create", **options)

    def exists(self, table: str) -> bool:
        name = self.named(table).replace("'", "''")
        return self.run(f"SELECT to_regclass('{name}') IS NOT NULL")[0][0] is True

    def replace_view(self, name: str, query: str) -> None:
        # Replacing keeps the grants on a view; it is refused where columns have changed.
        self.run("SAVEPOINT view")
        try:
            self.run(f"CREATE OR REPLACE VIEW {self.named(name)} AS {query}")
        except Exception:
            self.run("ROLLBACK TO SAVEPOINT view")
            super().replace_view(name, query)
        self.run("RELEASE SAVEPOINT view")


@contextmanager
def _postgres(url: str, schema: str) -> Iterator[Target]:
    with adbc_connection("publish", url) as connection:
        target = _Postgres(connection, schema)
        try:
            target.run(f"SELECT pg_advisory_xact_lock({_LOCK})")
            if schema:
                target.run(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            yield target
            connection.commit()
        except HealthError:
            raise
        except Exception as error:
            if not type(error).__module__.startswith("adbc"):
                raise
            raise _refused(str(error)) from None
        finally:
            with suppress(Exception):
                connection.rollback()


class _Sqlite(Target):
    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__("")
        self._connection = connection

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()

    def ingest(self, table: str, rows: pa.Table) -> None:
        kinds = ", ".join(f"{quoted(f.name)} {_sqlite_type(f.type)}" for f in rows.schema)
        self.run(f"CREATE TABLE {self.named(table)} ({kinds})")
        marks = ", ".join("?" * rows.num_columns)
        values = ([_plain(v) for v in row.values()] for row in rows.to_pylist())
        self._connection.executemany(f"INSERT INTO {self.named(table)} VALUES ({marks})", values)

    def text_columns(self, table: str) -> list[str]:
        rows = self._connection.execute("SELECT name, type FROM pragma_table_info(?)", [table])
        return [str(name) for name, kind in rows if kind in ("TEXT", "VARCHAR(10)")]

    def exists(self, table: str) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE name = ?"
        return self._connection.execute(query, [table]).fetchone() is not None


def _sqlite_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return "INTEGER"
    return "REAL" if pa.types.is_floating(kind) else "TEXT"


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Yield the file of a database; one that does not exist gets its name when it is complete."""
    if file.exists():
        yield file
    else:
        with new_file(file) as made:
            yield made


@contextmanager
def _sqlite(file: Path, schema: str) -> Iterator[Target]:
    _refuse_schema(schema, "SQLite")
    with _whole(file) as opened:
        try:
            connection = sqlite3.connect(opened, timeout=_PATIENCE, isolation_level=None)
        except sqlite3.Error as error:
            raise _refused(str(error), file) from None
        try:
            # What is deleted or replaced is overwritten, and in no part of the file any more.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            yield _Sqlite(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _refused(str(error), file) from None
        finally:
            connection.close()


class _DuckDB(Target):
    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        super().__init__(schema)
        self._connection = connection

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()

    def ingest(self, table: str, rows: pa.Table) -> None:
        self._connection.register("arrived", rows)
        self.run(f"CREATE TABLE {self.named(table)} AS SELECT * FROM arrived")
        self._connection.unregister("arrived")

    def exists(self, table: str) -> bool:
        query = "SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_schema = ?"
        rows = self._connection.execute(query, [table, self._schema or "main"]).fetchall()
        return bool(rows)


@contextmanager
def _duckdb(file: Path, schema: str) -> Iterator[Target]:
    with _whole(file) as opened:
        try:
            connection = duckdb.connect(str(opened))
        except duckdb.Error as error:
            raise _refused(first_line(error), file) from None
        try:
            connection.execute("BEGIN")
            if schema:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            yield _DuckDB(connection, schema)
            connection.execute("COMMIT")
        except duckdb.Error as error:
            raise _refused(first_line(error), file) from None
        finally:
            connection.close()


def compact(url: str, *, base: Path) -> None:
    """Let the file of a database keep nothing of rows that were deleted; servers do it themselves.

    SQLite has overwritten them, DuckDB has not: its file is written again, with all that it has.

    Raises
    ------
    HealthError
        The file is in use, or there is no room for another one.
    """
    scheme, file = url.partition("://")[0].lower(), _file(url, base)
    if scheme not in ("sqlite", "duckdb") or not file.is_file():
        return
    try:
        if scheme == "sqlite":
            with closing(sqlite3.connect(file, timeout=_PATIENCE)) as opened:
                empty_journal(opened)
            return
        with whole_file(file) as made, closing(duckdb.connect()) as engine:
            engine.execute(f"ATTACH {literal(str(file))} AS old (READ_ONLY)")
            engine.execute(f"ATTACH {literal(str(made))} AS new")
            engine.execute("COPY FROM DATABASE old TO new")
            engine.execute("DETACH new")
            shutil.copymode(file, made)
    except (sqlite3.Error, duckdb.Error) as error:
        message = first_line(error) if isinstance(error, duckdb.Error) else str(error)
        raise _refused(message, file) from None


def empty_journal(connection: sqlite3.Connection) -> None:
    """Move everything from the journal into the file; sqlite3.Error if another program reads it."""
    (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("another program is reading the database")


def _refuse_schema(schema: str, kind: str) -> None:
    if schema:
        raise HealthError(
            f"{kind} has no schemas", where="publish.schema", fix="remove the key schema"
        )


def _file(url: str, base: Path) -> Path:
    """Return the file of a URL: after three slashes relative, after four from the root."""
    path = url.partition("://")[2].removeprefix("/")
    # An absolute path after three slashes is understood where the file is already there.
    return Path("/", path) if Path("/", path).is_file() else base / path


def _refused(message: str, file: Path | None = None) -> HealthError:
    text = redact(" ".join(message.split("Query was:", maxsplit=1)[0].split()))
    return HealthError(
        f"the database reports an error: {text}",
        where="publish" if file is None else f"publish, {file}",
        fix="correct the settings or the user's rights; the view has not changed",
    )


def as_plain_columns(table: pa.Table) -> pa.Table:
    """Return a table whose every column a database has a type for: text for all others."""
    columns = [_plain_column(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us"))
    if pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_nested(kind):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column
