"""One form for identifiers and other texts, whatever file, database or frame they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa

#: Characters removed from both ends: blanks, line ends, the no-break spaces of spreadsheets, and
#: what is not visible at all but comes along from web pages (zero-width space, byte order mark).
BLANKS = " \t\n\r\xa0\u202f\u3000\u200b\u2060\ufeff"
_BLANK_ENDS = f"^[{BLANKS}]+|[{BLANKS}]+$"
#: What programs and people write into an empty field, in lower case. "NA" is not among them: it is
#: Namibia and North America.
NULL_WORDS = ("\\n", "null", "none", "n/a", "#n/a", "<na>", "-", "--", '""', "''")
#: The same, in this case only: Nan and Nat are names of people.
NULL_SPELLINGS = ("nan", "NaN", "NAN", "NaT", "(null)", "undefined")
#: Below it, floats represent every whole number exactly.
EXACT_BELOW = 2**53
#: The same of floats of 32 bits.
EXACT_BELOW_32 = 2**24
#: A float as Java writes it, from 10,000,000 on: 1.0E7, but neither 1.50E7 nor 0.5E8, which may
#: be other identifiers.
_OF_JAVA = "^-?[1-9][.][0-9]*[1-9]E1?[0-9]$|^-?[1-9][.]0E1?[0-9]$"
_JAVA_FROM = 10**7
_ONE_AT_A_TIME = Lock()


def as_text(value: nw.Expr) -> nw.Expr:
    """Return a text without surrounding blanks; null where it is empty or a word for null."""
    return _unless_empty(value, _trimmed(value))


def as_identifier(value: nw.Expr) -> nw.Expr:
    """Return a text as `as_text` does, and a whole number such as 123.0 or 1.2345678E7 as 123.

    The latter is how Java and Spark write floats from 10,000,000 on. Case and leading zeros are
    kept: ids that differ by them are different ids.
    """
    trimmed = _trimmed(value)
    is_whole = trimmed.str.contains(r"^[+-]?[0-9]+[.]0+$")
    whole = trimmed.str.replace_all(r"[.]0+$", "")
    of_java = nw.when(trimmed.str.contains(_OF_JAVA)).then(trimmed).cast(nw.Float64())
    size = of_java.abs()
    is_exact = (size >= _JAVA_FROM) & (size < EXACT_BELOW) & (of_java == of_java.floor())
    # pandas cannot cast a missing number.
    digits = nw.when(is_exact).then(of_java).otherwise(nw.lit(0.0)).cast(nw.Int64())
    text = nw.when(is_whole).then(whole).otherwise(trimmed)
    text = nw.when(is_exact).then(digits.cast(nw.String())).otherwise(text)
    return _unless_empty(value, text)


def _trimmed(value: nw.Expr) -> nw.Expr:
    # Not strip_chars: with given characters, warehouses through Ibis do not have it.
    return value.str.replace_all(_BLANK_ENDS, "")


def _unless_empty(value: nw.Expr, text: nw.Expr) -> nw.Expr:
    return nw.when(~is_null_word(value, "")).then(text)


def is_null_word(value: nw.Expr, *others: str) -> nw.Expr:
    """Return whether a text is a word for null, or one of some others, in any case."""
    text = _trimmed(value)
    return text.str.to_lowercase().is_in([*others, *NULL_WORDS]) | text.is_in(NULL_SPELLINGS)


def exact_below(dtype: Any) -> int:
    """Return from where on a floating-point type has one number for several whole numbers."""
    return EXACT_BELOW_32 if dtype == nw.Float32() else EXACT_BELOW


def number_as_text(value: nw.Expr, dtype: Any) -> nw.Expr:
    """Return a number as text: whole numbers without a point, null where it is not finite."""
    if dtype.is_integer():
        return value.cast(nw.String())
    if not dtype.is_float():
        return as_identifier(value.cast(nw.String()))
    is_whole = (value.abs() < EXACT_BELOW) & (value == value.floor())
    whole = nw.when(is_whole).then(value).cast(nw.Int64()).cast(nw.String())
    other = nw.when(value.is_finite()).then(value.cast(nw.String()))
    return nw.when(is_whole).then(whole).otherwise(other)


def text_expression(name: str, dtype: Any, *, is_identifier: bool) -> nw.Expr:
    """Return the expression that brings a column into the form of texts or identifiers.

    Parameters
    ----------
    name : str
        The column.
    dtype : narwhals.DType
        Its type.
    is_identifier : bool
        Whether 123.0 is a way to write 123.
    """
    value = nw.col(name)
    if dtype.is_numeric():
        return number_as_text(value, dtype).alias(name)
    if dtype != nw.String():
        value = value.cast(nw.String())
    return (as_identifier(value) if is_identifier else as_text(value)).alias(name)


@cache
def text_sql(source_type: str, *, is_identifier: bool) -> str:
    """Return `text_expression` in DuckDB's SQL, of a column called "value"."""
    return _in_sql(lambda dtype: text_expression("value", dtype, is_identifier=is_identifier),
                   source_type)  # fmt: skip


@cache
def null_word_sql() -> str:
    """Return `is_null_word` in DuckDB's SQL, of a text column called "value"."""
    return _in_sql(lambda _: is_null_word(nw.col("value")).alias("value"), "VARCHAR")


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Return an empty database, in which rules are written as SQL; to open one takes long."""
    return duckdb.connect(config={"threads": 1})


def _in_sql(rule: Callable[[Any], nw.Expr], source_type: str) -> str:
    with _ONE_AT_A_TIME:
        _engine().execute(f"CREATE OR REPLACE TABLE empty (value {source_type})")
        empty = nw.from_native(_engine().table("empty"))
        query: str = empty.select(rule(empty.collect_schema()["value"])).to_native().sql_query()
    sql = query.removeprefix("SELECT ").removesuffix(' AS "value" FROM "empty"')
    # Of a Parquet column whose smallest and largest value are small, DuckDB believes that all are,
    # NaN included, and casts NaN, too.
    return sql.replace("CAST(", "TRY_CAST(")


def text_of_bytes(value: bytes) -> str:
    """Return bytes as the text that they are; those that are none, such as a UUID, as hex digits.

    Examples
    --------
    >>> text_of_bytes("ä1".encode()), text_of_bytes(bytes([255, 0]))
    ('ä1', 'ff00')
    """
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()


@cache
def normalised(value: str, *, is_identifier: bool = True) -> str | None:
    """Return one identifier, or text, as it is read from a table; None where it is empty.

    Examples
    --------
    >>> normalised(" 1000.0 "), normalised("007"), normalised("NULL")
    ('1000', '007', None)
    """
    frame = nw.from_native(pa.table({"value": [value]}), eager_only=True)
    rule = text_expression("value", nw.String(), is_identifier=is_identifier)
    result: str | None = frame.select(rule)["value"].to_list()[0]
    return result
