"""The input tables as lazy frames with canonical names and types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb
import narwhals as nw

from features.connection import beside
from features.schema import Kind

if TYPE_CHECKING:
    from features.usage_parts import UsageParts

#: The type a column of each kind has once a table is open.
DTYPES: dict[Kind, Any] = {
    "text": nw.String(),
    "time": nw.Datetime("us"),
    "number": nw.Float64(),
    "flag": nw.Boolean(),
}


@dataclass(frozen=True, repr=False)
class Tables:
    """The input tables of one company, opened on one engine.

    Attributes
    ----------
    frames : mapping of str to narwhals.LazyFrame
        One lazy frame a table, by canonical name, holding only canonical columns in the types
        of `DTYPES`. A table or an optional column that was not given is not there.
    observed_until : datetime
        The data ends here (exclusive): nothing is known of this moment or later.
    keep_alive : object
        The engine's connection, held so that the frames stay readable.
    parts : UsageParts, optional
        The files of usage and the roll-ups that are kept of them from run to run.
    """

    frames: Mapping[str, nw.LazyFrame[Any]]
    observed_until: datetime
    keep_alive: Any = field(default=None, compare=False)
    parts: UsageParts | None = field(default=None, compare=False)

    def __getitem__(self, table: str) -> nw.LazyFrame[Any]:
        """Return the lazy frame of `table`; KeyError where it was not given."""
        try:
            return self.frames[table]
        except KeyError:
            raise KeyError(f"no table {table!r}; there are {', '.join(self.frames)}") from None

    def has(self, table: str, column: str | None = None) -> bool:
        """Tell whether `table`, or that column of it, was given."""
        if table not in self.frames:
            return False
        return column is None or column in self.frames[table].collect_schema().names()

    def apart(self) -> Tables:
        """Return the same tables for another thread, which may read them at the same time.

        On DuckDB each thread needs a connection of its own. This may be called while another
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
        connection = beside(self.keep_alive)
        queries = {name: frame.to_native().sql_query() for name, frame in self.frames.items()}
        parts = self.parts and replace(self.parts, connection=connection)
        frames = _FramesApart(connection, queries)
        return replace(self, frames=frames, keep_alive=connection, parts=parts)

    def _copied(self) -> Tables:
        """Return a copy in memory: whose connection the frames are read by is not known."""
        from features.frames import tables_from_frames  # noqa: PLC0415 (it makes these tables)

        return tables_from_frames(self.frames, observed_until=self.observed_until)

    def __repr__(self) -> str:
        held = ", ".join(
            f"{name} ({len(frame.collect_schema().names())} columns)"
            for name, frame in self.frames.items()
        )
        return f"Tables({held}; data until {self.observed_until:%Y-%m-%d})"


class _FramesApart(Mapping[str, nw.LazyFrame[Any]]):
    """Frames of one connection, by their queries; few are asked for, and only these are opened."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, queries: Mapping[str, str]) -> None:
        self._connection, self._queries = connection, queries
        self._opened: dict[str, nw.LazyFrame[Any]] = {}

    def __getitem__(self, table: str) -> nw.LazyFrame[Any]:
        if table not in self._opened:
            self._opened[table] = nw.from_native(self._connection.sql(self._queries[table]))
        return self._opened[table]

    def __contains__(self, table: object) -> bool:
        return table in self._queries

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


#: SQL names of the types in `DTYPES`.
SQL_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "number": "DOUBLE",
    "flag": "BOOLEAN",
}
