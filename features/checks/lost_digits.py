"""Identifiers that are damaged: numbers that lost their last digits, and bytes that are no text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from features.checks.findings import (
    LARGEST,
    Engine,
    OpenTable,
    Rule,
    evaluate,
    finding,
    one_row,
)
from features.errors import Finding
from features.tables.casting import clean, literal, quoted
from features.tables.identifiers import EXACT_BELOW, EXACT_BELOW_32
from features.tables.schema import Column

CODE = "lost_digits"
#: By SQL type: from here on, one floating-point number stands for several whole numbers.
_EXACT_BELOW = {"FLOAT": EXACT_BELOW_32, "DOUBLE": EXACT_BELOW}
#: How programs write such a number as text: 1.2345678901234567e+19, 1,23457E+11 (no program writes
#: an exponent of one digit), 9007199254740992.0, and 1.2345678901234567E19 in Java.
_SCIENTIFIC = r"^\s*[+-]?\d([.,]\d+)?[eE][+]\d{2,}\s*$"
_OF_A_FLOAT, _OF_JAVA = r"^\s*[+-]?\d{16,}[.]0\s*$", r"^\s*[+-]?\d[.]\d+E\d{2}\s*$"
#: Spreadsheets keep 15 digits, and write zeros for the others; they do not keep leading zeros.
_KEPT, _LONG, _ROUNDED = 15, r"\d{16,}", r"[1-9]\d{14}0+"
#: So many identifiers do not end in so many zeros, in all of them together, by chance.
_LEAST_ROUNDED, _LEAST_ZEROS = 3, 4
LOST_DIGITS_FIX = (
    "write the identifiers as text where they come from (in pandas astype('Int64') before missing "
    "values turn them into floats, in a spreadsheet the format Text before they are pasted, in SQL "
    "a cast to varchar, in JSON quotes), and export again"
)
_UNLESS_RIGHT = '; set checks.allow = ["lost_digits"] if they are right as they are'


def check_identifiers(
    connection: Engine, table: OpenTable, types: Mapping[str, str] | None = None
) -> list[Finding]:
    """Report identifiers whose last digits were lost before they arrived, and NUL bytes in others.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection or RemoteRows
        Runs the queries.
    table : OpenTable
        The table; its raw rows still exist.
    types : mapping of str to str, optional
        SQL types of the raw columns where they are not the table's own.
    """
    kinds = table.types if types is None else types
    columns = [column for column in table.columns if column.is_identifier]
    floats = [rule for c in columns for rule in _float_rules(c, kinds[c.name])]
    found = evaluate(connection, table, floats, raw=True)
    if table.remote is not None or (table.whole and table.schema.counts_unmatched):
        # Too many rows for a look at each text; the accounts they belong to are checked.
        return found
    texts = [column for column in columns if kinds[column.name] in ("VARCHAR", clean("VARCHAR"))]
    rules = [rule(column) for column in texts for rule in (_text_rule, _nul_rule)]
    found += evaluate(connection, table, rules, raw=True)
    others = [column for column in columns if kinds[column.name] not in _EXACT_BELOW]
    return [*found, *_rounded(connection, table, others)]


def _float_rules(column: Column, source_type: str) -> Iterator[Rule]:
    limit = _EXACT_BELOW.get(source_type)
    if limit is None:
        return
    name = quoted(column.name)
    what = (
        f"contains floating-point numbers of {limit:,} and more: different identifiers have become "
        "the same number"
    )
    # Two comparisons, so that the smallest and largest values of pieces of a file decide.
    high = f"{name} >= {limit} AND {name} <= {LARGEST}"
    low = f"{name} <= -{limit} AND {name} >= -{LARGEST}"
    yield Rule(CODE, column.name, f"(({high}) OR ({low}))", name, what, LOST_DIGITS_FIX)


def _text_rule(column: Column) -> Rule:
    name = quoted(column.name)
    # A look for single characters is cheap, and spares most values the regular expressions.
    scientific = f"contains({name}, '+') AND regexp_matches({name}, {literal(_SCIENTIFIC)})"
    of_float = f"strlen({name}) > 17 AND regexp_matches({name}, {literal(_OF_A_FLOAT)})"
    of_java = f"contains({name}, 'E') AND regexp_matches({name}, {literal(_OF_JAVA)})"
    inexact = f"abs(TRY_CAST({name} AS DOUBLE)) >= {_EXACT_BELOW['DOUBLE']}"
    what = "contains floating-point numbers as text: different identifiers have become the same"
    where = f"({scientific} OR ({of_float} OR {of_java}) AND {inexact})"
    only_if = f"(contains({name}, '+') OR strlen({name}) > 17 OR contains({name}, 'E'))"
    fix = LOST_DIGITS_FIX + _UNLESS_RIGHT
    return Rule(CODE, column.name, where, name, what, fix, only_if=only_if)


def _nul_rule(column: Column) -> Rule:
    name = quoted(column.name)
    what = "contains a NUL byte, so that it looks like another identifier and equals none"
    fix = f"remove it where it comes from, or with sql: replace({column.name}, chr(0), '')"
    shown = f"replace({name}, chr(0), '\\0')"
    return Rule("nul_byte", column.name, f"contains({name}, chr(0))", shown, what, fix)


def _rounded(connection: Engine, table: OpenTable, columns: Sequence[Column]) -> list[Finding]:
    """Report columns in which all long numbers end in the zeros of a spreadsheet."""
    what = "has long numbers that all end in zeros after 15 digits, as spreadsheets write them"
    result: list[Finding] = []
    if not columns:
        return result
    # Most tables have no long identifier, which one query shows for all columns.
    longest = ", ".join(f"max(strlen({quoted(column.name)}))" for column in columns)
    lengths = one_row(connection, f"SELECT {longest} FROM {table.view}")
    for column, length in zip(columns, lengths, strict=True):
        if (length or 0) <= _KEPT:
            continue
        name = quoted(column.name)
        long = f"strlen({name}) > {_KEPT} AND regexp_full_match({name}, {literal(_LONG)})"
        rows, different, shortest, rounded, example, total = one_row(
            connection,
            f"SELECT count({name}), count(DISTINCT {name}), min(strlen({name})), "
            f"count(*) FILTER (regexp_full_match({name}, {literal(_ROUNDED)})), min({name}), "
            f"(SELECT count(*) FROM {table.view}) FROM {table.view} WHERE {long}",
        )
        if different < _LEAST_ROUNDED or rows != rounded:
            continue
        if different * (shortest - _KEPT) >= _LEAST_ZEROS:
            fix, counted = LOST_DIGITS_FIX + _UNLESS_RIGHT, (rounded, total, example)
            result.append(finding(CODE, table, column.name, what, counted, fix))
    return result
