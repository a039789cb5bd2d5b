"""Rows that stay in a warehouse: its engine computes what Narwhals asks for, through Ibis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pyarrow as pa

from features.errors import HealthError

#: The name by which SQL that `Warehouse.run` receives refers to the rows.
ROWS = "warehouse_rows"
#: The most digits of a decimal that Narwhals can name.
_MOST_DIGITS = 38


@dataclass(frozen=True, eq=False)
class Warehouse:
    """A database that computes aggregates of its own tables.

    Ibis writes the queries. They are executed by whoever reads the database's other tables, so
    connections, time limits and messages are the same.

    Attributes
    ----------
    dialect : str
        Ibis' name of the database's SQL, e.g. ``postgres``.
    read : callable
        Returns the result of a query as Arrow. Several threads may call it at the same time.
    """

    dialect: str
    read: Callable[[str], pa.Table]

    def rows(self, query: str, schema: pa.Schema) -> nw.LazyFrame[Any]:
        """Return the rows of a query as a lazy frame.

        Parameters
        ----------
        query : str
            In the database's SQL.
        schema : pa.Schema
            The columns of the query.

        Raises
        ------
        HealthError
            Ibis is not installed, or the query cannot be parsed.
        """
        try:
            import ibis  # noqa: PLC0415
            import sqlglot  # noqa: PLC0415
        except ImportError:
            raise HealthError(
                "usage in a warehouse is summed there, which needs Ibis",
                where="tables.usage",
                fix="pip install 'customer-health[warehouse]' (or uv sync --extra warehouse)",
            ) from None
        try:
            sqlglot.parse_one(query, read=self.dialect)
        except sqlglot.errors.SqlglotError:
            raise HealthError(
                "the query is not understood, so nothing can be computed from it in the warehouse",
                where="tables.usage",
                fix="simplify the sql, or create a view with it and name that by table",
            ) from None
        columns = ibis.schema({field.name: _ibis_type(field.type) for field in schema})
        table = ibis.expr.operations.SQLQueryResult(query, columns, self).to_expr()
        frame: nw.LazyFrame[Any] = nw.from_native(table)
        return frame

    def to_pyarrow(self, expression: Any, **_: Any) -> pa.Table:
        """Return the rows of an Ibis expression; Ibis calls this."""
        return self.read(self.sql(expression))

    def sql(self, expression: Any) -> str:
        """Return an Ibis expression in the database's SQL."""
        import ibis  # noqa: PLC0415

        text = str(ibis.to_sql(expression, dialect=self.dialect))
        # Spark's times always have microseconds, and its SQL has no other.
        return text.replace("TIMESTAMP(6)", "TIMESTAMP") if self.dialect == "databricks" else text

    def run(self, query: str, rows: nw.LazyFrame[Any]) -> list[tuple[Any, ...]]:
        """Return the result of a query in DuckDB's SQL about some rows, which it calls `ROWS`."""
        found = self.read(self.translated(query, rows))
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    def translated(self, query: str, rows: nw.LazyFrame[Any]) -> str:
        """Return a query in DuckDB's SQL about some rows in the database's SQL."""
        import sqlglot  # noqa: PLC0415

        (text,) = sqlglot.transpile(query, read="duckdb", write=self.dialect)
        return f"WITH {ROWS} AS (\n{self.sql(rows.to_native())}\n)\n{text}"


def _ibis_type(kind: pa.DataType) -> str:
    """Return Ibis' name of a type; whatever is no time, number or flag is read as text."""
    types = pa.types
    if types.is_timestamp(kind):
        return "timestamp" if kind.tz is None else "timestamp('UTC')"
    if types.is_decimal(kind):
        # Only a name: nothing is cast to it, and values may have more digits.
        is_known = kind.precision <= _MOST_DIGITS
        return f"decimal({kind.precision}, {kind.scale})" if is_known else "decimal(38, 9)"
    plain = {
        "date": types.is_date,
        "boolean": types.is_boolean,
        "int64": types.is_integer,
        "float64": types.is_floating,
    }
    return next((name for name, is_of in plain.items() if is_of(kind)), "string")


@dataclass(frozen=True)
class RemoteRows:
    """The rows of one table in a warehouse, with canonical names and types.

    It runs the queries of checks as a connection does.
    """

    warehouse: Warehouse
    frame: nw.LazyFrame[Any]

    def execute(self, query: str) -> RemoteResult:
        """Run a query in DuckDB's SQL that refers to the rows as `ROWS`."""
        return RemoteResult(self.warehouse.run(query, self.frame))


@dataclass(frozen=True)
class RemoteResult:
    """The result of a query."""

    rows: list[tuple[Any, ...]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return self.rows
