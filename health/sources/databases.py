"""Databases that tables are read from: Postgres and other warehouses, SQLite and DuckDB files."""

from __future__ import annotations

import importlib
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import duckdb
import pyarrow as pa

from features.errors import HealthError
from features.redaction import redact
from features.tables.casting import quoted
from features.tables.connection import MEMORY_LIMIT, TIME_LIMIT, first_line, limited
from features.tables.decimals import plain_numbers
from features.tables.folders import refuse_special
from features.tables.identifiers import text_of_bytes
from features.tables.process_memory import memory_limited
from features.tables.spark import is_spark, session, spark_fault
from health.sources.inventory import FoundTable

#: Seconds after which a server that does not answer is given up.
_PATIENCE = 10
#: Seconds before the second and third attempt.
_PAUSES = (0.5, 2.0)
_SYSTEM = ("information_schema", "pg_catalog", "pg_toast", "INFORMATION_SCHEMA")
_POSTGRES = "adbc_driver_postgresql.dbapi"
#: The longest time that Postgres can be given.
_MOST_MILLISECONDS = 2**31 - 1
#: Of a DuckDB file: its queries read nothing else, and fetch nothing.
_ALONE: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
}
#: What columns of numbers of any length are taken for where their rows stay.
_ANY_DECIMAL = pa.decimal256(76, 38)
KINDS = (
    "postgresql://, sqlite:///FILE, duckdb:///FILE, snowflake://, bigquery://, spark+local, "
    "spark:// and sc:// (Spark Connect)"
)


@dataclass(frozen=True)
class Limits:
    """The limits of one query of a source: `[data] time_limit_minutes` and `memory_limit`."""

    seconds: float = TIME_LIMIT
    memory: str = MEMORY_LIMIT


USUAL_LIMITS = Limits()


class Database(ABC):
    """A database that tables are read from.

    Parameters
    ----------
    name : str
        The source's name in the configuration.
    """

    #: Whether DuckDB runs the queries.
    is_engine = False
    #: Ibis' name of its SQL, where it computes aggregates of large tables itself.
    dialect: str | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def in_plain_types(self, query: str) -> tuple[str, pa.Schema]:
        """Return a query with columns in plain types of Arrow, and these; rows stay there."""
        return query, self.read(f"SELECT * FROM (\n{query}\n) AS q LIMIT 0").schema

    @abstractmethod
    def tables(self) -> list[FoundTable]:
        """Return every table and view that may be read, with the engine's types of its columns."""

    @abstractmethod
    def fetch(self, query: str) -> pa.Table:
        """Return the rows of a query as Arrow, numbers of any length as they arrive."""

    def read(self, query: str) -> pa.Table:
        """Return the rows of a query; no digit of a number that may be an identifier is lost."""
        return _with_numbers(self.fetch(query), plain_numbers)

    def aggregates(self, query: str) -> pa.Table:
        """Return the result of a query that computes; numbers of any length as floats."""
        return _with_numbers(self.fetch(query), lambda column: column.cast(pa.float64()))

    def quoted_table(self, table: str) -> str:
        """Return a table's name, with its schema where it has one, as SQL."""
        return ".".join(map(quoted, table.split(".")))

    def schema(self, query: str) -> dict[str, str]:
        """Return the columns of a query and the engine's types of them, without its rows."""
        return engine_types(self.read(f"SELECT * FROM (\n{query}\n) AS q LIMIT 0"))

    def _fault(self, what: str, fix: str) -> HealthError:
        return HealthError(redact(what), where=f"source {self.name}", fix=fix)

    def _refused(self, message: str) -> HealthError:
        """Return the error of a query that the database refused."""
        text = redact(" ".join(message.split("Query was:", maxsplit=1)[0].split()))
        # Postgres repeats the query up to the mistake, and ends with a code.
        text = text.split("ERROR: ")[-1].split(" LINE ")[0].split(" . SQLSTATE")[0].strip()
        if text == "interrupted" or "statement timeout" in text:
            return self._fault(
                "the query took too long",
                "make it read fewer rows, or raise data.time_limit_minutes",
            )
        if "permission denied" in text.lower().replace("_", " "):
            return self._fault(text, "grant the user of the source SELECT on it")
        if any(words in text for words in ("does not exist", "no such", "not found", "NOT_FOUND")):
            return self._fault(text, "`health check CONFIG --connect` lists what the source has")
        if "invalid input syntax" in text or "conversion error" in text.lower():
            fix = "correct the value at the source, or leave its row out in sql"
            return self._fault(f"a value cannot be cast: {text}", fix)
        return self._fault(f"the query fails: {text}", "correct the sql, or use another source")


def open_database(name: str, url: str, base: Path, *, limits: Limits = USUAL_LIMITS) -> Database:
    """Return the database of a URL; nothing is connected yet.

    Snowflake, BigQuery and Spark have limits of their own, which the company sets there.

    Raises
    ------
    HealthError
        The kind of database is not supported, or its driver is not installed.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("postgresql", "postgres"):
        return _Adbc(name, "postgres", _POSTGRES, _postgres_url(url, limits, writes=False))
    if scheme == "sqlite":
        return _Sqlite(name, _file(name, url, base), limits)
    if scheme == "duckdb":
        return _DuckDB(name, _file(name, url, base), limits)
    if scheme == "snowflake":
        account = url.partition("://")[2]
        # Without it, the driver waits for minutes where there is no network.
        options = {"adbc.snowflake.sql.client_option.login_timeout": f"{_PATIENCE}s"}
        return _Adbc(name, "snowflake", "adbc_driver_snowflake.dbapi", account, options)
    if scheme == "bigquery":
        project, _, dataset = url.partition("://")[2].partition("/")
        options = {
            "adbc.bigquery.sql.project_id": project,
            "adbc.bigquery.sql.dataset_id": dataset,
        }
        driver = "adbc_driver_bigquery.dbapi"
        return _Adbc(name, "bigquery", driver, None, options, quote="`")
    if is_spark(url):
        return _Spark(name, url)
    raise HealthError(
        "this kind of database is not supported", where=f"source {name}", fix=f"use {KINDS}"
    )


@contextmanager
def adbc_connection(name: str, url: str) -> Iterator[Any]:
    """Connect to Postgres for writing, with a time limit and two more attempts.

    Raises
    ------
    HealthError
        The server cannot be reached; no secret is in the message.
    """
    database = _Adbc(name, "postgres", _POSTGRES, _postgres_url(url, USUAL_LIMITS, writes=True))
    with database.connected() as connection:
        yield connection


def engine_types(table: pa.Table) -> dict[str, str]:
    """Return the columns of an Arrow table and the engine's types of them."""
    with duckdb.connect() as connection:
        connection.register("arrived", table)
        described = connection.execute("DESCRIBE SELECT * FROM arrived").fetchall()
    return {str(row[0]): str(row[1]) for row in described}


class _Adbc(Database):
    def __init__(
        self,
        name: str,
        dialect: str,
        driver: str,
        url: str | None,
        options: dict[str, str] | None = None,
        quote: str = '"',
    ) -> None:
        super().__init__(name)
        self.dialect = dialect
        self._driver, self._url, self._options, self._quote = driver, url, options, quote

    def quoted_table(self, table: str) -> str:
        q = self._quote
        return ".".join(q + part.replace(q, q + q) + q for part in table.split("."))

    def tables(self) -> list[FoundTable]:
        with self._cursor() as cursor:
            found = cursor.connection.adbc_get_objects(depth="columns").read_all().to_pylist()
        return [
            self._found(schema["db_schema_name"], table)
            for catalog in found
            for schema in catalog["catalog_db_schemas"] or ()
            if schema["db_schema_name"] not in _SYSTEM
            for table in schema["db_schema_tables"] or ()
            if not str(table["table_type"]).lower().startswith(("index", "sequence", "toast"))
        ]

    def _found(self, schema: str, table: dict[str, Any]) -> FoundTable:
        name = str(table["table_name"])
        # The types are only known once rows arrive.
        columns = {str(c["column_name"]): "VARCHAR" for c in table["table_columns"] or ()}
        return FoundTable(name, schema or "", f"{schema}.{name}" if schema else name, columns)

    def fetch(self, query: str) -> pa.Table:
        with self._cursor() as cursor:
            schema = cursor.adbc_execute_schema(query)
            cursor.execute(_plain(query, schema))
            return cursor.fetch_arrow_table()

    def schema(self, query: str) -> dict[str, str]:
        return engine_types(
            _with_numbers(self.in_plain_types(query)[1].empty_table(), plain_numbers)
        )

    def in_plain_types(self, query: str) -> tuple[str, pa.Schema]:
        with self._cursor() as cursor:
            plain = _plain(query, cursor.adbc_execute_schema(query))
            found = cursor.adbc_execute_schema(plain)
        decimals = [f.with_type(_ANY_DECIMAL) if _is_numeric(f.type) else f for f in found]
        return plain, pa.schema(decimals)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with self.connected() as connection, connection.cursor() as cursor:
            try:
                yield cursor
            except Exception as error:
                if type(error).__module__.startswith("adbc"):
                    raise self._refused(str(error)) from None
                raise

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """Connect, with a time limit and two more attempts."""
        try:
            driver = importlib.import_module(self._driver)
        except ImportError:
            extra = self._driver.split("_")[2]
            raise self._fault(
                f"the driver {self._driver.split('.')[0]} is not installed",
                f"pip install 'customer-health[{extra}]'",
            ) from None
        keywords = {"db_kwargs": self._options} if self._options else {}
        connect = driver.connect if self._url is None else _with(driver.connect, self._url)
        connection = self._retried(lambda: connect(**keywords))
        try:
            yield connection
        finally:
            with suppress(Exception):
                connection.close()

    def _retried(self, connect: Callable[[], Any]) -> Any:
        last = ""
        for pause in (*_PAUSES, None):
            try:
                return connect()
            except Exception as error:
                last = " ".join(redact(str(error)).removeprefix("IO: [libpq] ").split())
                if pause is not None and "authentication failed" not in last:
                    time.sleep(pause)
                    continue
                break
        raise self._fault(
            f"cannot connect: {last}", "check the URL, the network and the user's rights"
        ) from None


def _with(connect: Callable[..., Any], url: str) -> Callable[..., Any]:
    return lambda **keywords: connect(url, **keywords)


def _plain(query: str, schema: pa.Schema) -> str:
    """Return the query with the columns cast to text that Arrow has no type for.

    Numbers of any length stay: they arrive as text, and a cast to floats would round identifiers.
    Postgres' money, which would arrive in cents, becomes such a number.
    """
    kinds = [(quoted(f.name), "numeric" if _is_money(f) else _text_type(f.type)) for f in schema]
    if not any(kind for _, kind in kinds):
        return query
    columns = [f"CAST({name} AS {kind}) AS {name}" if kind else name for name, kind in kinds]
    return f"SELECT {', '.join(columns)} FROM (\n{query}\n) AS q"


def _is_money(field: pa.Field) -> bool:
    return (field.metadata or {}).get(b"POSTGRESQL:type") == b"money"


def _text_type(kind: pa.DataType) -> str:
    """Return the type that a column is cast to because Arrow has none for it; empty otherwise."""
    return "text" if isinstance(kind, pa.BaseExtensionType) and not _is_numeric(kind) else ""


def _is_numeric(kind: pa.DataType) -> bool:
    """Return whether values are Postgres' numbers of any length, which have no type in Arrow."""
    return isinstance(kind, pa.BaseExtensionType) and "numeric" in str(kind)


class _Sqlite(Database):
    def __init__(self, name: str, file: Path, limits: Limits) -> None:
        super().__init__(name)
        self._file, self._limits = file, limits

    def tables(self) -> list[FoundTable]:
        query = (
            "SELECT m.name, i.name FROM sqlite_master AS m, pragma_table_info(m.name) AS i "
            "WHERE m.type IN ('table', 'view') AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name"
        )
        columns: dict[str, dict[str, str]] = {}
        for table, column in self._rows(query)[1]:
            columns.setdefault(str(table), {})[str(column)] = "VARCHAR"
        return [FoundTable(name, "", name, found) for name, found in columns.items()]

    def fetch(self, query: str) -> pa.Table:
        names, rows = self._rows(query)
        values = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return pa.table([_column(list(column)) for column in values], names=names)

    def _rows(self, query: str) -> tuple[list[str], Sequence[Sequence[Any]]]:
        uri = f"{self._file.resolve().as_uri()}?mode=ro"
        try:
            with (
                closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE)) as connection,
                memory_limited(self._limits.memory),
            ):
                end = time.monotonic() + self._limits.seconds
                # Called now and then while a query runs; a true value interrupts it.
                connection.set_progress_handler(lambda: time.monotonic() > end, 100_000)
                cursor = connection.execute(query)
                return [str(d[0]) for d in cursor.description or ()], cursor.fetchall()
        except MemoryError:
            raise self._fault(
                "the query needs more memory than it may have",
                "make it read fewer rows, or raise data.memory_limit",
            ) from None
        except sqlite3.Error as error:
            raise self._refused(str(error)) from None


def _column(values: list[Any]) -> pa.Array:
    """Return values of SQLite, whose columns may mix types, as one type: text where they do."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int}:
        return pa.array(values, pa.int64() if kinds else pa.string())
    # Whole numbers that floats would round are identifiers.
    if kinds <= {int, float} and not any(isinstance(v, int) and abs(v) > 2**53 for v in values):
        return pa.array(values, pa.float64())
    return pa.array([None if v is None else _text(v) for v in values], pa.string())


def _text(value: Any) -> str:
    return text_of_bytes(value) if isinstance(value, bytes) else str(value)


class _DuckDB(Database):
    is_engine = True

    def __init__(self, name: str, file: Path, limits: Limits) -> None:
        super().__init__(name)
        self._file, self._limits = file, limits

    def tables(self) -> list[FoundTable]:
        query = (
            "SELECT table_schema, table_name, column_name, data_type "
            "FROM information_schema.columns ORDER BY 1, 2, ordinal_position"
        )
        found: dict[tuple[str, str], dict[str, str]] = {}
        for row in self.read(query).to_pylist():
            schema, table, column, kind = row.values()
            found.setdefault((schema, table), {})[column] = kind
        return [FoundTable(t, s, f"{s}.{t}", columns) for (s, t), columns in found.items()]

    def read(self, query: str) -> pa.Table:
        # The engine knows its own decimals.
        return self.fetch(query)

    def fetch(self, query: str) -> pa.Table:
        limits = self._limits
        try:
            with duckdb.connect(
                str(self._file), read_only=True, config=_ALONE | {"memory_limit": limits.memory}
            ) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                with limited(connection, limits.seconds):
                    return connection.sql(query).to_arrow_table()
        except HealthError as error:
            raise self._fault(error.what, error.fix) from None
        except duckdb.Error as error:
            raise self._refused(first_line(error)) from None


class _Spark(Database):
    # Databricks' SQL is Spark's; for the latter, Ibis needs a backend of its own.
    dialect = "databricks"

    def __init__(self, name: str, url: str) -> None:
        super().__init__(name)
        self._url = url

    def tables(self) -> list[FoundTable]:
        with self._reported() as running:
            found = [
                (schema.name, table.name)
                for schema in running.catalog.listDatabases()
                for table in running.catalog.listTables(schema.name)
                if not table.isTemporary
            ]
        return [
            FoundTable(table, schema, f"{schema}.{table}", self._columns(schema, table))
            for schema, table in found
        ]

    def _columns(self, *names: str) -> dict[str, str]:
        """Return the columns of a table; none of a view that can no longer be read."""
        try:
            return self.schema(f"SELECT * FROM {_of_spark(*names)}")
        except HealthError:
            return {}

    def quoted_table(self, table: str) -> str:
        return _of_spark(*table.split("."))

    def fetch(self, query: str) -> pa.Table:
        with self._reported() as running:
            found = running.sql(query).toArrow()
        return pa.table(list(map(_without_zone, found.columns)), found.column_names)

    @contextmanager
    def _reported(self) -> Iterator[Any]:
        """Yield the session; report its errors as those of this source."""
        running = session(self._url, where=f"source {self.name}")
        # Loaded only where Spark is read: it is an extra.
        from pyspark.errors import PySparkException  # noqa: PLC0415

        try:
            yield running
        except PySparkException as error:
            raise self._refused(str(error).partition("JVM stacktrace")[0]) from None
        except Exception as error:
            fault = spark_fault(error, where=f"source {self.name}")
            if fault is None:
                raise
            raise fault from None


def _with_numbers(table: pa.Table, plain: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> pa.Table:
    """Return rows with numbers of any length in types that the engine has."""
    columns = []
    for column in table.columns:
        if _is_numeric(column.type):
            columns.append(plain(column.cast(column.type.storage_type)))
        else:
            columns.append(plain(column) if pa.types.is_decimal(column.type) else column)
    return pa.table(columns, table.column_names)


def _without_zone(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return times of a session in UTC without their time zone."""
    is_time = pa.types.is_timestamp(column.type)
    return column.cast(pa.timestamp(column.type.unit)) if is_time else column


def _of_spark(*names: str) -> str:
    """Return a table's name in Spark's SQL."""
    return ".".join(f"`{name.replace('`', '``')}`" for name in names)


def _file(name: str, url: str, base: Path) -> Path:
    rest = url.partition("://")[2]
    relative, absolute = base / rest.removeprefix("/"), Path(rest)
    file = relative if relative.is_file() else absolute
    for path in (relative, absolute):
        refuse_special(path, where=f"source {name}")
    if not file.is_file():
        raise HealthError(
            f"there is no such database file: {redact(str(relative))}",
            where=f"source {name}",
            fix="give a path that starts at the configuration, or an absolute one",
        )
    return file


def _postgres_url(url: str, limits: Limits, *, writes: bool) -> str:
    """Return the URL with time limits, and for reading with transactions that cannot write."""
    try:
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return url
    milliseconds = min(max(round(limits.seconds * 1000), 1), _MOST_MILLISECONDS)
    options = f"-c statement_timeout={milliseconds} -c TimeZone=UTC {given.get('options', '')}"
    if not writes:
        options += " -c default_transaction_read_only=on"
    given = {"connect_timeout": str(_PATIENCE)} | given | {"options": options.strip()}
    query = urlencode(given, quote_via=quote)
    return urlunsplit(parts._replace(query=query))
