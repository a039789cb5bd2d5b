"""Where a table is: a path, a query or a database table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, model_validator

from features.tables.warehouse import Warehouse


class TableSource(BaseModel):
    """Where a table is: exactly one of `path`, `sql` and `table`.

    Attributes
    ----------
    path : str, optional
        A file of CSV, Parquet, JSON lines, Excel or SQLite, gzipped or not, or a folder of CSV,
        Parquet or JSON lines; relative to the configuration.
    sql : str, optional
        A query; paths of files in it are relative to the configuration.
    table : str, optional
        A table of the connected database, with its schema if needed.
    columns : dict of str to str
        Canonical name to the source's name, for columns whose names differ.
    unmatched : str, optional
        Rows that belong to no account: ``count`` excludes them and reports their number (an error
        above half of the table), ``refuse`` is an error. By default usage, tickets, surveys and
        orders count them, and other tables refuse them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None = None
    sql: str | None = None
    table: str | None = None
    columns: dict[str, str] = {}
    unmatched: Literal["count", "refuse"] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> TableSource:
        if sum(bool(value) for value in (self.path, self.sql, self.table)) != 1:
            raise ValueError("give exactly one of path, sql and table")
        return self

    @property
    def label(self) -> str:
        """The source as messages name it."""
        return self.path or self.table or "sql"

    @property
    def queries(self) -> tuple[str, ...]:
        """The queries in which the files are named that the rows come from."""
        return () if self.sql is None else (self.sql,)


class WarehouseSource(TableSource):
    """A table whose rows stay in a warehouse: `sql` is the warehouse's own.

    Attributes
    ----------
    named : str
        The source as messages name it.
    warehouse : Warehouse
        Computes what is asked of the rows.
    columns_of_query : pa.Schema
        The columns of `sql`.
    later : callable, optional
        Returns `sql` and its columns, where they depend on tables that are read before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    named: str
    warehouse: Warehouse
    columns_of_query: pa.Schema = pa.schema([])
    later: Callable[[], tuple[str, pa.Schema]] | None = None

    def resolved(self) -> WarehouseSource:
        """Return the source with its query, once other tables can be read."""
        if self.later is None:
            return self
        sql, columns = self.later()
        return self.model_copy(update={"sql": sql, "columns_of_query": columns, "later": None})

    @property
    def label(self) -> str:
        """The source as messages name it."""
        return self.named
