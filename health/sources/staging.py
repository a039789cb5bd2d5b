"""A source's table as a recipe reads it: canonical columns, cast, and empty where it has none."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from features.errors import HealthError
from features.tables.casting import literal, quoted
from health.sources.inventory import FoundTable
from health.sources.layouts import LayoutColumn, LayoutTable

_SQL_TYPES = {
    "id": "VARCHAR", "text": "VARCHAR", "time": "TIMESTAMP", "number": "DOUBLE", "flag": "BOOLEAN",
}  # fmt: skip
#: What exports write for a missing value.
_NOTHING = ("", "\\N", "null", "NULL", "None", "nan", "NaN", "NaT", "<NA>")
#: Open ends are written as a far day.
_FOREVER = "TIMESTAMP '2200-01-01'"
_WHAT = {"time": "a time", "number": "a number", "flag": "true or false"}


def staged(table: LayoutTable, found: FoundTable | None) -> str:
    """Return the query of a recipe's table; without rows where the source has none."""
    if found is None:
        columns = ", ".join(
            f"CAST(NULL AS {_SQL_TYPES[c.kind]}) AS {quoted(c.name)}" for c in table.columns
        )
        return f"SELECT {columns} WHERE false"
    return f"SELECT {', '.join(_staged(c, found) for c in table.columns)} FROM {found.sql}"


def refuse_bad_values(
    connection: duckdb.DuckDBPyConnection, table: LayoutTable, found: FoundTable, source: str
) -> None:
    """Refuse a table in which a value cannot be read as what its column is.

    Raises
    ------
    HealthError
        Names the source, table and column, how many values, and one of them.
    """
    for column in table.columns:
        own = column.found_in(found.columns)
        if own is None or column.kind not in _WHAT or not _is_text(found.columns[own]):
            continue
        value = present(quoted(own))
        bad = f"{value} IS NOT NULL AND {_cast(column, own, found.columns[own])} IS NULL"
        if column.kind == "time":
            bad += f" AND NOT starts_with({value}, '9999-')"
        query = (
            f"SELECT count(*) FILTER ({bad}), any_value({quoted(own)}) FILTER ({bad}), count(*) "
            f"FROM {found.sql}"
        )
        wrong, example, rows = connection.execute(query).fetchall()[0]
        if wrong:
            raise HealthError(
                f"{own} is not {_WHAT[column.kind]} in {wrong:,} of {rows:,} rows; "
                f"e.g. {str(example)[:80]!r}",
                where=f"source {source}, {found.label}",
                fix="correct the values at the source, or replace the preset by your own sql",
            )


def _staged(column: LayoutColumn, found: FoundTable) -> str:
    own = column.found_in(found.columns)
    if own is None:
        return f"CAST(NULL AS {_SQL_TYPES[column.kind]}) AS {quoted(column.name)}"
    return f"{_cast(column, own, found.columns[own])} AS {quoted(column.name)}"


def _cast(column: LayoutColumn, own: str, kind: str) -> str:
    """Return the expression of a column's values; null where a value cannot be cast."""
    value = quoted(own)
    if column.kind == "time":
        return _time(value, kind)
    if column.kind in ("id", "text"):
        text = present(value if _is_text(kind) else f"CAST({value} AS VARCHAR)")
        # A whole number that was once in a column of floats; a long one shows that it lost digits.
        is_id = column.kind == "id"
        whole = r"^(-?\d{1,15})\.0+$|^(-?\d+)\.00+$"
        return rf"regexp_replace({text}, '{whole}', '\1\2')" if is_id else text
    if not _is_text(kind):
        return f"CAST({value} AS {_SQL_TYPES[column.kind]})"
    return f"TRY_CAST({present(value)} AS {_SQL_TYPES[column.kind]})"


def _time(value: str, kind: str) -> str:
    if kind.startswith("TIMESTAMP") and ("TIME ZONE" in kind or kind.startswith("TIMESTAMPTZ")):
        moment = f"CAST({value} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    elif kind.startswith(("TIMESTAMP", "DATE")):
        moment = f"CAST({value} AS TIMESTAMP)"
    else:
        text = present(value if _is_text(kind) else f"CAST({value} AS VARCHAR)")
        moment = (
            rf"CASE WHEN regexp_full_match({text}, '\d{{9,10}}(\.\d+)?') "
            f"THEN make_timestamp((TRY_CAST({text} AS DOUBLE) * 1000000)::BIGINT) "
            rf"WHEN regexp_full_match({text}, '\d{{13}}(\.0+)?') "
            f"THEN make_timestamp((TRY_CAST({text} AS DOUBLE) * 1000)::BIGINT) "
            f"ELSE TRY_CAST({text} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' END"
        )
    return f"CASE WHEN ({moment}) < {_FOREVER} THEN ({moment}) END"


def present(text: str) -> str:
    """Return the expression of a text without the blanks around it; null where it says nothing."""
    nothing = ", ".join(map(literal, _NOTHING))
    return f"CASE WHEN trim({text}) NOT IN ({nothing}) THEN trim({text}) END"


def _is_text(kind: str) -> bool:
    return kind in ("VARCHAR", "JSON")


def options_sql(options: Mapping[str, str | tuple[str, ...]]) -> str:
    """Return the one row of a recipe's options."""
    values = []
    for name, value in options.items():
        listed = literal(value) if isinstance(value, str) else _list(value)
        values.append(f"{listed} AS {quoted(name)}")
    return "SELECT " + ", ".join(values)


def _list(values: tuple[str, ...]) -> str:
    return f"CAST([{', '.join(map(literal, values))}] AS VARCHAR[])"
