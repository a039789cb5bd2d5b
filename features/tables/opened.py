"""The input tables as lazy frames with canonical names and types."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa

from features.tables.connection import in_memory, internal_name, with_own_connection
from features.tables.identifiers import as_text, text_expression
from features.tables.schema import TABLES, Column, Kind

#: SQL names of the types in `DTYPES`.
SQL_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "number": "DOUBLE",
    "flag": "BOOLEAN",
}

#: The type a column of each kind has once a table is open.
DTYPES: dict[Kind, Any] = {
    "text": nw.String(),
    "time": nw.Datetime("us"),
    "number": nw.Float64(),
    "flag": nw.Boolean(),
}


@dataclass(frozen=True)
class Whole:
    """What features need to know of a whole company where the tables hold a part of its accounts.

    Attributes
    ----------
    lags : mapping of int to int
        The usual lag of contracts by date, both in microseconds.
    comments : pd.DataFrame, optional
        The comments that readings learn from, in plain text.
    """

    lags: Mapping[int, int]
    comments: pd.DataFrame | None = None


@dataclass(frozen=True, repr=False)
class Tables:
    """The input tables of one company, opened on one engine.

    Attributes
    ----------
    frames : mapping of str to narwhals.LazyFrame
        One lazy frame a table, by canonical name, holding only canonical columns in the types
        of `DTYPES`. A table or an optional column that was not given is absent.
    observed_until : datetime
        The data ends here (exclusive): nothing is known of this moment or later.
    keep_alive : object
        The engine's connection, kept so that the frames stay readable.
    rollups : KeptRollups or FetchedRollups, optional
        The roll-ups of usage: of its files, kept from run to run, or fetched from a warehouse.
    whole : Whole, optional
        Where these are the tables of a part of a company's accounts: what is needed of the others.
    loaded : dict
        The contracts that were loaded from these tables, by their grace period: a run asks for
        them many times. A copy of the tables starts without any.
    """

    frames: Mapping[str, nw.LazyFrame[Any]]
    observed_until: datetime
    keep_alive: Any = field(default=None, compare=False)
    rollups: Any = field(default=None, compare=False)
    whole: Whole | None = field(default=None, compare=False)
    loaded: dict[int, Any] = field(default_factory=dict, init=False, compare=False)

    def __getitem__(self, table: str) -> nw.LazyFrame[Any]:
        """Return the lazy frame of `table`; KeyError where it was not given."""
        try:
            return self.frames[table]
        except KeyError:
            raise KeyError(f"no table {table!r}; the tables are {', '.join(self.frames)}") from None

    def has(self, table: str, column: str | None = None) -> bool:
        """Return whether `table`, or that column of it, was given."""
        if table not in self.frames:
            return False
        return column is None or column in self.frames[table].collect_schema().names()

    @property
    def readable_in_threads(self) -> bool:
        """Whether `with_own_connection` returns tables that another thread may read.

        DuckDB is given a connection per thread, a Spark session serves all of them, and what a
        run leaves in a warehouse is read by a connection per query. Frames of an Ibis connection
        that somebody else opened have that one connection, for one thread.
        """
        engines = [frame.implementation for frame in self.frames.values()]
        known = all(engine.is_duckdb() or engine.is_spark_like() for engine in engines)
        return known or isinstance(self.keep_alive, duckdb.DuckDBPyConnection)

    def with_own_connection(self) -> Tables:
        """Return the same tables for another thread, which may read them at the same time.

        On DuckDB each thread needs its own connection. This may be called while another
        thread reads these tables.

        Returns
        -------
        Tables
            These themselves where any thread may read them, as on Spark.
        """
        if not any(frame.implementation.is_duckdb() for frame in self.frames.values()):
            return self
        if not isinstance(self.keep_alive, duckdb.DuckDBPyConnection):
            return self._copied()
        connection = with_own_connection(self.keep_alive)
        here = {name: frame.implementation.is_duckdb() for name, frame in self.frames.items()}
        queries = {n: f.to_native().sql_query() for n, f in self.frames.items() if here[n]}
        elsewhere = {name: frame for name, frame in self.frames.items() if not here[name]}
        frames = _LazyFrames(connection, queries, elsewhere)
        rollups = self.rollups and replace(self.rollups, connection=connection)
        return replace(self, frames=frames, keep_alive=connection, rollups=rollups)

    def until(self, end: datetime) -> Tables:
        """Return the same tables as if the data ended then; what was loaded is loaded."""
        found = replace(self, observed_until=end)
        found.loaded.update(self.loaded)
        return found

    def _copied(self) -> Tables:
        """Return a copy in memory: whose connection the frames are read by is not known."""
        connection = in_memory()
        frames = {}
        for name, frame in self.frames.items():
            table = internal_name(name)
            connection.register("input", frame.collect("pyarrow").to_native())
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM input")
            connection.unregister("input")
            frames[name] = nw.from_native(connection.table(table))
        return replace(self, frames=frames, keep_alive=connection)

    def __repr__(self) -> str:
        tables = ", ".join(
            f"{name} ({len(frame.collect_schema().names())} columns)"
            for name, frame in self.frames.items()
        )
        return f"Tables({tables}; data until {self.observed_until:%Y-%m-%d})"


class _LazyFrames(Mapping[str, nw.LazyFrame[Any]]):
    """Frames of one connection, by their queries; a frame is opened when it is first read.

    `elsewhere` are frames of other engines, which are returned as they are.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        queries: Mapping[str, str],
        elsewhere: Mapping[str, nw.LazyFrame[Any]],
    ) -> None:
        self._connection, self._queries, self._names = connection, queries, [*queries, *elsewhere]
        self._opened = dict(elsewhere)

    def __getitem__(self, table: str) -> nw.LazyFrame[Any]:
        if table not in self._opened:
            self._opened[table] = nw.from_native(self._connection.sql(self._queries[table]))
        return self._opened[table]

    def __contains__(self, table: object) -> bool:
        return table in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def with_account(rows: nw.LazyFrame[Any], accounts: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return the rows that belong to an account; any engine runs it."""
    return rows.join(accounts.select("account_id"), on="account_id", how="semi")


def of_accounts(tables: Tables, names: Sequence[str]) -> Tables:
    """Return the tables of some accounts, as if there were no others.

    Parameters
    ----------
    tables : Tables
        The tables of a company.
    names : sequence of str
        Identifiers of accounts.
    """
    connection = tables.keep_alive
    if not isinstance(connection, duckdb.DuckDBPyConnection):
        of_spark = [f for f in tables.frames.values() if f.implementation.is_spark_like()]
        if of_spark:
            # One condition with every name would be a query of megabytes.
            spark = of_spark[0].to_native().sparkSession
            rows = pd.DataFrame({"account_id": pd.Series(names, dtype=object)})
            accounts = nw.from_native(spark.createDataFrame(rows, "account_id string"))
            own = {n: with_account(frame, accounts) for n, frame in tables.frames.items()}
            return replace(tables, frames=own)
        among = nw.col("account_id").is_in([*names])
        return replace(tables, frames={n: f.filter(among) for n, f in tables.frames.items()})
    # Frames of another sample are still read from its own table.
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    chosen = internal_name(f"accounts of the sample {digest}")
    connection.register("arrived", pa.table({"account_id": pa.array(names, pa.string())}))
    connection.execute(f"CREATE TABLE IF NOT EXISTS {chosen} AS FROM arrived")
    connection.unregister("arrived")
    accounts = nw.from_native(connection.table(chosen))
    frames = {name: with_account(frame, accounts) for name, frame in tables.frames.items()}
    rollups = tables.rollups and replace(tables.rollups, accounts=chosen)
    return replace(tables, frames=frames, rollups=rollups)


def _known(name: str, present: list[str]) -> list[Any]:
    return [column for column in TABLES[name].columns if column.name in present]


def with_canonical_types(
    name: str, frame: Any, *, plain: Collection[str] = ()
) -> nw.LazyFrame[Any]:
    """Return the known columns of a table's frame, cast by the frame's own engine.

    Columns named in `plain` are known to need no cast.
    """
    schema = frame.collect_schema()
    casts = [
        nw.col(column.name) if column.name in plain else _cast(column, schema[column.name])
        for column in _known(name, schema.names())
    ]
    if TABLES[name].may_be_undated and TABLES[name].dated_by not in schema.names():
        casts.append(nw.lit(None, dtype=DTYPES["time"]).alias(TABLES[name].dated_by))
    lazy: nw.LazyFrame[Any] = frame.lazy().select(*casts)
    return lazy


def _cast(column: Column, dtype: Any) -> nw.Expr:
    if column.kind == "text":
        return text_expression(column.name, dtype, is_identifier=column.is_identifier)
    value = nw.col(column.name)
    text = as_text(value) if dtype == nw.String() else value
    return text.cast(DTYPES[column.kind]).alias(column.name)
