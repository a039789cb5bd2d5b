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
        if passed is not None and passed.has(raw, condition):
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
    """Return the SQL type of each column, marked where no text of it needs trimming.

    One pass over a small table spares most of its columns long conditions in later queries, which
    take more time to plan than to evaluate. The parameters are those of `clean_types`.
    """
    texts = [column for column, kind in columns.items() if kind == "VARCHAR"]
    types = {column.name: kind for column, kind in columns.items()}
    if texts:
        conditions = ", ".join(
            f"bool_or({may_need_cleaning_sql(quoted(c.name), is_identifier=c.is_identifier)})"
            for c in texts
        )
        found = connection.execute(f"SELECT {conditions} FROM {raw}").fetchall()[0]
        for column, doubtful in zip(texts, found, strict=True):
            if not doubtful:
                types[column.name] = clean("VARCHAR") if column.kind == "text" else TRIMMED
    return types


def _is_sound(is_any: Callable[[str], bool], column: Column, source_type: str) -> bool:
    name = quoted(column.name)
    if column.kind == "time" and source_type == "TIMESTAMP":
        return not is_any(f"{name} NOT BETWEEN {FIRST_TIME} AND {LAST_TIME}")
    if column.kind == "number" and is_number(source_type):
        return not (is_float(source_type) and is_any(f"NOT isfinite({name})"))
    if column.kind == "text" and source_type == "VARCHAR":
        doubtful = may_need_cleaning_sql(name, is_identifier=column.is_identifier)
        if not is_any(doubtful):
            return True
        mended = f"{doubtful} AND {as_text_sql(column, source_type)} IS DISTINCT FROM {name}"
        return not is_any(mended)
    return False
