"""Casting what the sources hold to the canonical kinds, without losing a value unseen."""

from __future__ import annotations

from features.tables.schema import Column

_NUMBERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE",
}  # fmt: skip
_FLOATS = {"FLOAT", "DOUBLE"}
# Blank, tab, line ends and the no-break space that spreadsheets leave.
_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"
# Python has no year beyond these; 'infinity' is no date either.
FIRST_TIME, LAST_TIME = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"


#: Marks the SQL type of a column whose values need no mending.
_CLEAN = "clean "


def clean(source_type: str) -> str:
    """Mark a source column's SQL type: no value of the column needs mending."""
    return _CLEAN + source_type


def is_clean(source_type: str) -> bool:
    """Tell whether a source column's SQL type is marked by `clean`."""
    return source_type.startswith(_CLEAN)


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_number(source_type: str) -> bool:
    """Tell whether a source column's SQL type holds numbers."""
    return source_type in _NUMBERS or source_type.startswith("DECIMAL")


def is_float(source_type: str) -> bool:
    """Tell whether a source column's SQL type holds numbers that may be none: NaN, infinity."""
    return source_type in _FLOATS


def is_time(source_type: str) -> bool:
    """Tell whether a source column's SQL type holds dates or times."""
    return source_type.startswith(("TIMESTAMP", "DATE"))


def cast_sql(column: Column, source_type: str) -> str:
    """Return the SQL that turns a raw column into its canonical kind; NULL where it cannot.

    Times with an offset become UTC, texts lose surrounding blanks, empty texts are NULL, a
    whole number that serves as an identifier keeps no ``.0``.
    """
    name = quoted(column.name)
    if is_clean(source_type):
        return f"CAST({name} AS DOUBLE)" if column.kind == "number" else name
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
        return f"({name} IS NOT NULL AND NOT {_nan_sql(name)})"
    return f"({_trimmed(name, source_type)} IS NOT NULL)"


def _trimmed(name: str, source_type: str) -> str:
    return trimmed_sql(name) if source_type == "VARCHAR" else name


def _nan_sql(number: str) -> str:
    # Of a Parquet file the engine believes that a column whose smallest and largest value are
    # numbers holds no NaN, and isnan is false of all its rows.
    return f"(NOT isfinite({number}) AND NOT isinf({number}))"


def trimmed_sql(text: str) -> str:
    """Return the SQL of a text without surrounding blanks; NULL where nothing is left.

    Trimming costs several times as much as a look at the first and the last character, and few
    texts need it.
    """
    trimmed = f"NULLIF(TRIM({text}, {_BLANKS}), '')"
    return f"CASE WHEN {may_need_trimming_sql(text)} THEN {trimmed} ELSE {text} END"


def may_need_trimming_sql(text: str) -> str:
    """Return the SQL that tells a text by its ends: what it is false of, or null, is trimmed.

    Whatever is below "!" is empty or begins with a blank.
    """
    first = f"{text} < '!' OR {text} >= chr(160)"
    return f"({first} OR {text}[-1] IN (' ', chr(9), chr(10), chr(13), chr(160)))"


def _text_sql(name: str, source_type: str) -> str:
    if source_type == "VARCHAR":
        return _trimmed(name, source_type)
    text = f"CAST({name} AS VARCHAR)"
    if source_type in _FLOATS or source_type.startswith("DECIMAL"):
        # Nullable integers reach Parquet as floats: account 7 is "7", not "7.0".
        nan = f"WHEN {_nan_sql(name)} THEN NULL " if source_type in _FLOATS else ""
        whole = f"abs({name}) < 9e15 AND {name} = floor({name})"
        short = f"CAST(TRY_CAST({name} AS BIGINT) AS VARCHAR)"
        return f"CASE {nan}WHEN {whole} THEN {short} ELSE {text} END"
    if is_number(source_type):
        return text
    return trimmed_sql(text)


def _time_sql(name: str, source_type: str) -> str:
    if source_type == "VARCHAR":
        # Through a time with zone: the connection's zone is UTC, so an offset is honoured.
        time = f"CAST(TRY_CAST({_trimmed(name, source_type)} AS TIMESTAMPTZ) AS TIMESTAMP)"
    elif is_time(source_type):
        time = f"CAST({name} AS TIMESTAMP)"
    else:
        # A number is no date: which unit and which epoch, only the user knows.
        return "CAST(NULL AS TIMESTAMP)"
    return f"CASE WHEN {time} BETWEEN {FIRST_TIME} AND {LAST_TIME} THEN {time} END"
