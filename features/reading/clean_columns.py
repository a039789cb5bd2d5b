"""Which columns of a large table need no cleaning: later queries read them as they are.

Trimming three texts of 50 M rows costs several times what the sums over them do, and a time that
is wrapped in a condition keeps the engine from skipping files. Checking once is cheap: the
smallest and largest value of most pieces of a Parquet file show that none of their rows needs it,
and a text that is in many rows is checked once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb

from features.checks.passed import PassedRules
from features.tables.casting import (
    FIRST_TIME,
    LAST_TIME,
    TRIMMED,
    as_text_sql,
    clean,
    is_float,
    is_number,
    may_need_cleaning_sql,
    quoted,
)
from features.tables.schema import Column

_OF_NO_ROW = "false"


def clean_types(
    connection: duckdb.DuckDBPyConnection,
    raw: str,
    columns: Mapping[Column, str],
    passed: PassedRules | None = None,
) -> dict[str, str]:
    """Return the SQL type of each column, marked where no value of it needs cleaning.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the rows are.
    raw : str
        SQL name of the rows as they came.
    columns : mapping of Column to str
        SQL type of each column as it came.
    passed : PassedRules, optional
        What is known of the rows from earlier runs.
    """

    def is_any(condition: str) -> bool:
        """Return whether any row meets a condition."""
        if condition == _OF_NO_ROW or (passed is not None and passed.has(raw, condition)):
            return False
        # As a filter, it is first compared with the smallest and largest values of pieces of files.
        query = f"SELECT 1 FROM {raw} WHERE {condition} LIMIT 1"
        found = bool(connection.execute(query).fetchall())
        if passed is not None and not found:
            passed.note(raw, condition)
        return found

    return {
        column.name: clean(kind) if _is_sound(is_any, column, kind) else kind
        for column, kind in columns.items()
    }


def trimmed_types(
    connection: duckdb.DuckDBPyConnection, raw: str, columns: Mapping[Column, str]
) -> dict[str, str]:
    """Return each column's SQL type, marked where no value needs cleaning, or no text trimming.

    One pass over a small table spares most of its columns long conditions in later queries, which
    take more time to plan than to evaluate. The parameters are those of `clean_types`.
    """
    types = {column.name: kind for column, kind in columns.items()}
    doubts = {column: doubt for column, kind in columns.items() if (doubt := _doubt(column, kind))}
    if doubts:
        conditions = ", ".join(f"bool_or({doubt})" for doubt in doubts.values())
        found = connection.execute(f"SELECT {conditions} FROM {raw}").fetchall()[0]
        for column in (c for c, doubtful in zip(doubts, found, strict=True) if not doubtful):
            is_text = columns[column] == "VARCHAR" and column.kind != "text"
            types[column.name] = TRIMMED if is_text else clean(columns[column])
    return types


def _doubt(column: Column, source_type: str) -> str:
    """Return a condition that is true of no value if none needs cleaning; empty if that is open."""
    name = quoted(column.name)
    if source_type == "VARCHAR":
        return may_need_cleaning_sql(name, is_identifier=column.is_identifier)
    if column.kind == "time" and source_type == "TIMESTAMP":
        return f"{name} NOT BETWEEN {FIRST_TIME} AND {LAST_TIME}"
    if column.kind == "number" and is_number(source_type):
        return f"NOT isfinite({name})" if is_float(source_type) else _OF_NO_ROW
    return ""


def _is_sound(is_any: Callable[[str], bool], column: Column, source_type: str) -> bool:
    doubt = _doubt(column, source_type)
    if column.kind != "text":
        return bool(doubt) and source_type != "VARCHAR" and not is_any(doubt)
    if not doubt or not is_any(doubt):
        return bool(doubt)
    # Few texts are doubtful, so only these are brought into their form.
    name = quoted(column.name)
    return not is_any(f"{doubt} AND {as_text_sql(column, source_type)} IS DISTINCT FROM {name}")
