"""Casts of source values to the canonical kinds; no value is lost silently."""

from __future__ import annotations

from features.tables.identifiers import (
    NULL_SPELLINGS,
    NULL_WORDS,
    null_word_sql,
    text_sql,
)
from features.tables.schema import Column

_LONGEST_WORD = max(map(len, [*NULL_WORDS, *NULL_SPELLINGS]))
#: Only short texts are compared in lower case.
_SHORT = max(map(len, NULL_WORDS))
_SHORT_WORDS = sorted({w.lower() for w in (*NULL_WORDS, *NULL_SPELLINGS) if len(w) <= _SHORT})
_LONG_WORDS = [word for word in NULL_SPELLINGS if len(word) > _SHORT]

_NUMBERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE",
}  # fmt: skip
_FLOATS = {"FLOAT", "DOUBLE"}
# Python has no year beyond these; 'infinity' is no date either.
FIRST_TIME, LAST_TIME = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"


#: The type of a column of a frame without any value.
_OF_NULLS = '"NULL"'
_SQL_KINDS = {"text": "VARCHAR", "number": "DOUBLE", "time": "TIMESTAMP", "flag": "BOOLEAN"}
#: Marks the SQL type of a column whose values need no cleaning.
_CLEAN = "clean "
#: The type of a column of texts none of which has blanks around it or is a word for null.
TRIMMED = "trimmed VARCHAR"


def clean(source_type: str) -> str:
    """Mark a source column's SQL type: no value of the column needs cleaning."""
    return _CLEAN + source_type


def is_clean(source_type: str) -> bool:
    """Return whether a source column's SQL type is marked by `clean`."""
    return source_type.startswith(_CLEAN)


def quoted(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_number(source_type: str) -> bool:
    """Return whether an SQL type is numeric."""
    return source_type in _NUMBERS or source_type.startswith("DECIMAL")


def is_float(source_type: str) -> bool:
    """Return whether an SQL type can contain numbers that are not finite: NaN, infinity."""
    return source_type in _FLOATS


def is_time(source_type: str) -> bool:
    """Return whether an SQL type is a date or time."""
    return source_type.startswith(("TIMESTAMP", "DATE"))


def cast_sql(column: Column, source_type: str) -> str:
    """Return the SQL that turns a raw column into its canonical kind; NULL where it cannot.

    Times with an offset become UTC. Texts, and the texts that numbers, times and flags are
    written as, have the one form of `features.tables.identifiers`.
    """
    name = quoted(column.name)
    if source_type == _OF_NULLS:
        return f"CAST(NULL AS {_SQL_KINDS[column.kind]})"
    if is_clean(source_type):
        return f"CAST({name} AS DOUBLE)" if column.kind == "number" else name
    if column.kind == "text":
        return as_text_sql(column, source_type)
    if column.kind == "time":
        return _time_sql(name, source_type)
    if column.kind == "flag":
        return _flag_sql(name, source_type)
    return _number_sql(name, source_type)


def present_sql(column: Column, source_type: str) -> str:
    """Return the SQL that is true of a raw value: no blank, no word for null, no NaN."""
    name = quoted(column.name)
    if source_type in _FLOATS:
        return f"({name} IS NOT NULL AND NOT {_nan_sql(name)})"
    return f"({_text(name, source_type)} IS NOT NULL)"


def infinite_sql(column: Column, source_type: str) -> str:
    """Return the SQL that is true of a raw value that is an infinite number."""
    return f"isinf(TRY_CAST({_text(quoted(column.name), source_type)} AS DOUBLE))"


def is_null_word_sql(column: Column) -> str:
    """Return the SQL that is true of a raw text that is a word for null."""
    name = quoted(column.name)
    is_word = null_word_sql().replace('"value"', name)
    return f"(strlen({name}) <= {2 * _LONGEST_WORD} AND {is_word})"


def may_need_cleaning_sql(name: str, *, is_identifier: bool) -> str:
    """Return the SQL that is false of a text, or null, only if it has its one form already.

    To check the length and the ends of a text costs a fraction of cleaning it, and few texts need
    that. Whatever is below "!" is empty or starts with a blank.
    """
    first = f"{name} < '!' OR {name} >= chr(160)"
    # Every blank but those of ASCII is beyond "~", as are letters of other languages.
    last = f"{name}[-1] NOT BETWEEN '!' AND '~'"
    if is_identifier:
        # Few identifiers end in "0" or a sign, and only these are looked at again, with those that
        # start like a number and have the exponent of Java's 1.2345678E7.
        last = f"{name}[-1] NOT BETWEEN '1' AND '~' AND ({last} OR contains({name}, '.'))"
        last += f" OR {name} < ':' AND contains({name}, 'E') AND contains({name}, '.')"
    short, long = (", ".join(map(literal, words)) for words in (_SHORT_WORDS, _LONG_WORDS))
    word = f"strlen({name}) <= {_SHORT} AND lower({name}) IN ({short}) OR {name} IN ({long})"
    return f"({first} OR {last} OR ({word}))"


def as_text_sql(column: Column, source_type: str) -> str:
    """Return the SQL of a raw column as text, in the one form of texts or identifiers."""
    return _mended(quoted(column.name), source_type, is_identifier=column.is_identifier)


def _text(name: str, source_type: str) -> str:
    return _mended(name, source_type) if source_type == "VARCHAR" else name


def _mended(name: str, source_type: str, *, is_identifier: bool = False) -> str:
    result = text_sql(source_type, is_identifier=is_identifier).replace('"value"', name)
    if source_type != "VARCHAR":
        return result
    doubtful = may_need_cleaning_sql(name, is_identifier=is_identifier)
    return f"CASE WHEN {doubtful} THEN {result} ELSE {name} END"


def _nan_sql(number: str) -> str:
    # Of a Parquet file the engine believes that a column whose smallest and largest value are
    # numbers holds no NaN, and isnan is false of all its rows.
    return f"(NOT isfinite({number}) AND NOT isinf({number}))"


def _flag_sql(name: str, source_type: str) -> str:
    text = _text(name, source_type)
    if source_type in ("VARCHAR", TRIMMED):
        # Flags of which some are missing are floats in pandas: 1.0 is true.
        text = f"regexp_replace({text}, '^([01])[.]0+$', '\\1')"
    return f"TRY_CAST({text} AS BOOLEAN)"


def _number_sql(name: str, source_type: str) -> str:
    if source_type == "BOOLEAN":
        # True is no amount of 1.
        return "CAST(NULL AS DOUBLE)"
    number = f"TRY_CAST({_text(name, source_type)} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _time_sql(name: str, source_type: str) -> str:
    if source_type in ("VARCHAR", TRIMMED):
        # Through a time with zone: the connection's zone is UTC, so an offset is honoured.
        time = f"CAST(TRY_CAST({_text(name, source_type)} AS TIMESTAMPTZ) AS TIMESTAMP)"
    elif is_time(source_type):
        # A date that is infinite in a database has no time.
        time = f"TRY_CAST({name} AS TIMESTAMP)"
    else:
        # A number is no date: which unit and which epoch, only the user knows.
        return "CAST(NULL AS TIMESTAMP)"
    return f"CASE WHEN {time} BETWEEN {FIRST_TIME} AND {LAST_TIME} THEN {time} END"
