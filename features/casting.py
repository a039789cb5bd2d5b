"""Casting what the sources hold to the canonical kinds, without losing a value unseen."""

from __future__ import annotations

from features.schema import Column

_NUMBERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE",
}  # fmt: skip
_FLOATS = {"FLOAT", "DOUBLE"}


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_number(source_type: str) -> bool:
    """Tell whether a source column's SQL type holds numbers."""
    return source_type in _NUMBERS or source_type.startswith("DECIMAL")


def cast_sql(column: Column, source_type: str) -> str:
    """Return the SQL that turns a raw column into its canonical kind; NULL where it cannot.

    Times with an offset become UTC, texts lose surrounding blanks, empty texts are NULL, an
    identifier stored as a float keeps no ``.0``.
    """
    name = quoted(column.name)
    if column.kind == "text":
        return _text_sql(name, source_type)
    if column.kind == "time":
        return _time_sql(name, source_type)
    if column.kind == "flag":
        return f"TRY_CAST({_trimmed(name, source_type)} AS BOOLEAN)"
    number = f"TRY_CAST({_trimmed(name, source_type)} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def present_sql(column: Column, source_type: str) -> str:
    """Return the SQL that tells whether a raw value is there at all: no blank, no NaN."""
    name = quoted(column.name)
    if source_type in _FLOATS:
        return f"({name} IS NOT NULL AND NOT isnan({name}))"
    return f"({_trimmed(name, source_type)} IS NOT NULL)"


def _trimmed(name: str, source_type: str) -> str:
    return f"NULLIF(TRIM({name}), '')" if source_type == "VARCHAR" else name


def _text_sql(name: str, source_type: str) -> str:
    if source_type in _FLOATS:
        whole = f"CAST(CAST({name} AS BIGINT) AS VARCHAR)"
        small = f"abs({name}) < 9e15 AND {name} = floor({name})"
        text = f"CAST({name} AS VARCHAR)"
        return f"CASE WHEN isnan({name}) THEN NULL WHEN {small} THEN {whole} ELSE {text} END"
    return f"NULLIF(TRIM(CAST({name} AS VARCHAR)), '')"


def _time_sql(name: str, source_type: str) -> str:
    if source_type == "VARCHAR":
        # Through a time with zone: the connection's zone is UTC, so an offset is honoured.
        return f"CAST(TRY_CAST({_trimmed(name, source_type)} AS TIMESTAMPTZ) AS TIMESTAMP)"
    if source_type.startswith(("TIMESTAMP", "DATE")):
        return f"CAST({name} AS TIMESTAMP)"
    # A number is no date: which unit and which epoch, only the user knows.
    return "CAST(NULL AS TIMESTAMP)"
