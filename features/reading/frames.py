"""Frames of a notebook as input tables, read by the same rules as files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa

from features.checks.findings import ALLOWABLE, OpenTable
from features.checks.lost_digits import LOST_DIGITS_FIX
from features.checks.rules import check_currencies
from features.checks.unmatched import exclude_unmatched
from features.errors import Finding, HealthError, InputError
from features.reading.products import with_one_spelling
from features.reading.table_reader import read_rows
from features.reading.table_source import TableSource
from features.tables.casting import quoted
from features.tables.connection import first_line, in_memory, internal_name
from features.tables.copies import (
    count_copies,
    count_versions,
    has_repeats,
    latest_versions,
    period_id,
    row_id,
)
from features.tables.currencies import Currencies
from features.tables.decimals import plain_numbers
from features.tables.identifiers import exact_below
from features.tables.opened import Tables, with_account, with_canonical_types
from features.tables.product_names import other_spellings, with_usual_spelling
from features.tables.relations import Relation
from features.tables.schema import TABLES, Table

Frame = nw.LazyFrame[Any]

_ONE_CURRENCY = Currencies()
#: Warnings about rows that are left out or read differently from what is written.
_REPORTED = {
    *("copied_rows", "duplicate_id", "unknown_account", "number_format", "null_word"),
    *("product_spelling", "zone_name", "misspelt_column", "no_currency"),
}
#: A frame without rows is a table without rows, and some rows harm none but themselves.
_ACCEPTED = {"empty_table"} | ALLOWABLE - {"unknown_account", "lost_digits"}


class TableWarning(UserWarning):
    """Rows of a frame were left out, or values were read differently from how they are written."""


def tables_from_frames(
    frames: Mapping[str, Any],
    *,
    observed_until: datetime,
    currencies: Currencies = _ONE_CURRENCY,
) -> Tables:
    """Open frames with canonical columns as input tables, by the same rules as files.

    Identifiers, words for null, number formats, copies, rows without an account, currencies and
    names of products are read as `health check` reads them from files.

    Parameters
    ----------
    frames : mapping of str to frame
        By canonical table name. Whatever Narwhals reads: pandas, Polars, Arrow, DuckDB
        relations, Spark, Ibis. Frames of Spark and Ibis stay where they are, all of them on one
        session or connection; the others are read by an in-process DuckDB. Columns that the
        schema does not know are left out.
    observed_until : datetime
        The data ends here (exclusive).
    currencies : Currencies
        The company's currency, and the rates at which amounts in others are converted.

    Raises
    ------
    InputError
        Every violation of every table: values that are not of their column's kind, dates and
        numbers that are ambiguous, amounts in another currency, ids without a latest version.
    HealthError
        A table is unknown or lacks a required column, or frames of Spark or Ibis are mixed with
        others.

    Warns
    -----
    TableWarning
        Rows were left out (copies, rows without an account), or values were read differently from
        how they are written.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({"account_id": ["a"], "created_at": ["2026-01-05"]})
    >>> tables = tables_from_frames({"accounts": accounts}, observed_until=datetime(2026, 6, 1))
    >>> tables
    Tables(accounts (2 columns); data until 2026-06-01)
    """
    opened = {name: _opened(name, frame) for name, frame in frames.items()}
    for name, frame in opened.items():
        _require(name, frame)
    lazy = {name: _engine_of_its_own(frame) for name, frame in opened.items()}
    if len(set(lazy.values())) > 1:
        engine = next(filter(None, lazy.values()))
        named = ", ".join(name for name, own in lazy.items() if own == engine)
        raise HealthError(
            f"{named} are on {engine}, the others are not",
            where="tables",
            fix="move all tables to one engine",
        )
    if any(lazy.values()):
        return Tables(_where_they_are(opened, currencies), observed_until, tuple(frames.values()))
    connection = in_memory()
    return Tables(_on_duckdb(connection, opened, currencies), observed_until, connection)


def _opened(name: str, frame: Any) -> Any:
    try:
        return nw.from_native(frame)
    except nw.exceptions.DuplicateError as error:
        raise HealthError(
            f"has columns with the same name: {' '.join(str(error).split())[:200]}",
            where=name,
            fix="keep one of them, and rename or remove the others",
        ) from None


def _engine_of_its_own(frame: Any) -> str:
    """Return the engine that frames stay on: Spark or Ibis; empty where DuckDB reads them."""
    engine = frame.implementation
    return "Ibis" if engine.is_ibis() else "Spark" if engine.is_spark_like() else ""


def _require(name: str, frame: Any) -> None:
    if name not in TABLES:
        raise HealthError(
            "there is no such input table", where=name, fix=f"known are {', '.join(TABLES)}"
        )
    present = set(frame.collect_schema().names())
    missing = [c.name for c in TABLES[name].columns if c.required and c.name not in present]
    if missing:
        raise HealthError(
            f"the frame lacks {', '.join(missing)}",
            where=name,
            fix="rename its columns to the canonical names",
        )


def _on_duckdb(
    connection: duckdb.DuckDBPyConnection, frames: Mapping[str, Any], currencies: Currencies
) -> dict[str, Frame]:
    tables: dict[str, OpenTable] = {}
    found: list[Finding] = []
    for name, frame in frames.items():
        rows = _registered(connection, name, frame)
        read = read_rows(connection, TABLES[name], TableSource(table=name), rows, currencies)
        found += read.findings
        if read.table is not None:
            tables[name] = read.table
    _raise(found)
    matched = exclude_unmatched(connection, tables)
    tables, spelt = with_one_spelling(connection, matched.tables)
    found += [*matched.findings, *spelt, *check_currencies(connection, tables, currencies)]
    _raise(found)
    for noted in found:
        if noted.code in _REPORTED:
            warnings.warn(str(noted), TableWarning, stacklevel=4)
    return {name: nw.from_native(connection.table(table.view)) for name, table in tables.items()}


def _registered(connection: duckdb.DuckDBPyConnection, name: str, frame: Any) -> Relation:
    """Return the rows of a frame, which the engine reads once."""
    label = f"frame of {name}"
    if frame.implementation.is_pandas():
        rows = frame.to_native()
    else:
        eager = frame.collect("pyarrow") if isinstance(frame, nw.LazyFrame) else frame
        rows = _with_known_decimals(eager.to_arrow())
    copied = internal_name(label)
    try:
        connection.register("input", rows)
        connection.execute(f"CREATE TABLE {copied} AS SELECT * FROM input")
        described = connection.execute(f"DESCRIBE {copied}").fetchall()
        texts = [quoted(row[0]) for row in described if str(row[1]).startswith("ENUM")]
        if texts:
            as_texts = ", ".join(f"CAST({text} AS VARCHAR) AS {text}" for text in texts)
            replaced = f"SELECT * REPLACE ({as_texts}) FROM input"
            connection.execute(f"CREATE OR REPLACE TABLE {copied} AS {replaced}")
        connection.unregister("input")
    except duckdb.Error as error:
        raise HealthError(
            f"the frame cannot be read: {first_line(error)}",
            where=name,
            fix="give each column values of one type",
        ) from None
    return Relation(copied, label, is_lazy=False)


def _with_known_decimals(rows: pa.Table) -> pa.Table:
    """Return rows without decimals of more digits than the engine knows."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_decimal256(field.type):
            rows = rows.set_column(place, field.name, plain_numbers(rows.column(place)))
    return rows


def _raise(found: Iterable[Finding]) -> None:
    errors = [f for f in found if f.level == "error" and f.code not in _ACCEPTED]
    if errors:
        raise InputError(errors)


def _where_they_are(frames: Mapping[str, Any], currencies: Currencies) -> dict[str, Frame]:
    cast = {}
    for name, frame in frames.items():
        table = TABLES[name]
        _require_numbers(table, frame)
        _require_digits(table, frame)
        rows = currencies.converted(with_canonical_types(name, frame), table)
        _require_currency(table, rows, currencies)
        cast[name] = _once(table, rows)
    accounts = cast.get("accounts")
    if accounts is not None:
        cast = {
            name: with_account(rows, accounts) if TABLES[name].counts_unmatched else rows
            for name, rows in cast.items()
        }
    spellings = other_spellings(cast.values())
    return {name: with_usual_spelling(rows, spellings) for name, rows in cast.items()}


def _require_numbers(table: Table, frame: Any) -> None:
    """Refuse numbers as text: in which format they are is decided from all values, on DuckDB."""
    schema = frame.collect_schema()
    for column in table.columns:
        if column.kind == "number" and schema.get(column.name) == nw.String():
            raise HealthError(
                "is text where numbers are due, which may be written in several ways",
                where=f"{table.name}.{column.name}",
                fix="convert the column to numbers before the frame is passed",
            )


def _require_digits(table: Table, frame: Any) -> None:
    """Refuse identifiers in floats that are too large for a float to hold all their digits."""
    schema = frame.collect_schema()
    columns = [
        column.name
        for column in table.columns
        if column.is_identifier and column.name in schema and schema[column.name].is_float()
    ]
    if not columns:
        return
    sizes = {name: nw.col(name).abs() for name in columns}
    limits = {name: exact_below(schema[name]) for name in columns}
    is_lost = {name: (size >= limits[name]) & (size < math.inf) for name, size in sizes.items()}
    largest = [nw.when(is_lost[name]).then(nw.col(name)).max().alias(name) for name in columns]
    (found,) = frame.lazy().select(*largest).collect("pyarrow").to_native().to_pylist()
    for name in columns:
        if found[name] is not None:
            raise HealthError(
                f"contains floating-point numbers of {limits[name]:,} and more: different "
                f"identifiers have become the same number; e.g. {found[name]}",
                where=f"{table.name}.{name}",
                fix=LOST_DIGITS_FIX,
            )


def _require_currency(table: Table, rows: Frame, currencies: Currencies) -> None:
    if "currency" not in rows.collect_schema().names() or not table.amounts:
        return
    others = currencies.others(rows)
    if others.rows:
        amounts = " and ".join(c.name for c in table.amounts)
        raise HealthError(
            others.what(amounts, is_own_known=bool(currencies.own))
            + f"; {sum(others.rows.values()):,} rows",
            where=f"{table.name}.currency",
            fix="pass rates in currencies, or convert the amounts",
        )


def _once(table: Table, rows: Frame) -> Frame:
    """Return the latest version of each row, and one of rows that were loaded twice."""
    columns = rows.collect_schema().names()
    key = row_id(table, columns)
    if key and not has_repeats(rows, key):
        return rows
    if key:
        found = count_versions(rows, table, key)
        if found.undecided and table.key:
            raise HealthError(
                f"is in {found.undecided:,} rows that differ, and nothing shows which of them is "
                f"the latest; e.g. {found.undecided_example}",
                where=f"{table.name}.{key}",
                fix="add known_at, the time at which a row was written, or keep one row of each",
            )
        what = f"{table.name}.{key}: {found.rows:,} rows are earlier versions or copies"
        warnings.warn(f"{what}; the latest row of each counts", TableWarning, stacklevel=5)
        return latest_versions(rows, table, key)
    twice = count_copies(rows, table)
    if not twice.rows:
        return rows
    are_removed = twice.are_loaded_twice or bool(period_id(table, columns))
    counts = "one of each counts" if are_removed else "each of them counts"
    what = f"{table.name}: {twice.rows:,} of {twice.total:,} rows are copies of others; {counts}"
    warnings.warn(what, TableWarning, stacklevel=5)
    return rows.unique() if are_removed else rows
