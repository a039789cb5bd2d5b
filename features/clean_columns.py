"""Which columns of a large table need no mending, so that every later query reads them as they are.

Trimming three texts of 50 M rows costs several times what the sums over them do, and a time that
is wrapped in a condition keeps the engine from skipping files. Looking once is cheap: each text
is looked at once per distinct value, and smallest and largest tell the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from features.casting import FIRST_TIME, LAST_TIME, clean, is_number, quoted, trimmed_sql
from features.schema import Column

#: Texts that differ in every row: looking at each distinct value would be looking at each row.
_ROW_IDS = frozenset({"usage_id", "ticket_id"})


def clean_types(
    connection: duckdb.DuckDBPyConnection,
    raw: str,
    columns: Mapping[Column, str],
) -> dict[str, str]:
    """Return the SQL type of each column, marked where no value of it needs mending.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the rows are.
    raw : str
        SQL name of the rows as they came.
    columns : mapping of Column to str
        SQL type of each column as it came.
    """
    ordered = {c: t for c, t in columns.items() if is_number(t) or t == "TIMESTAMP"}
    found = dict.fromkeys((c.name for c in columns), False)
    if ordered:
        probes = ", ".join(
            f"coalesce({_within_bounds(column, kind)}, true)" for column, kind in ordered.items()
        )
        row = connection.execute(f"SELECT {probes} FROM {raw}").fetchall()[0]
        found |= dict(zip((c.name for c in ordered), map(bool, row), strict=True))
    for column, kind in columns.items():
        if kind == "VARCHAR" and column.kind == "text" and column.name not in _ROW_IDS:
            found[column.name] = _is_trimmed(connection, raw, column.name)
    return {c.name: clean(kind) if found[c.name] else kind for c, kind in columns.items()}


def _within_bounds(column: Column, source_type: str) -> str:
    """Return SQL that tells from smallest and largest value whether all are sound."""
    name = quoted(column.name)
    if column.kind == "time" and source_type == "TIMESTAMP":
        return f"min({name}) >= {FIRST_TIME} AND max({name}) <= {LAST_TIME}"
    if column.kind == "number":
        # Not a number sorts last of all.
        return f"isfinite(min({name})) AND isfinite(max({name}))"
    return "false"


def _is_trimmed(connection: duckdb.DuckDBPyConnection, raw: str, name: str) -> bool:
    value = quoted(name)
    mended = f"{trimmed_sql(value)} IS DISTINCT FROM {value}"
    query = f"SELECT count(*) FROM (SELECT {value} FROM {raw} GROUP BY 1) WHERE {mended}"
    return not connection.execute(query).fetchall()[0][0]
