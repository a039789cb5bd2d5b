"""Usage that stays in a warehouse: its columns matched, its rows checked and counted there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa

from features.checks import findings as checks
from features.checks.lost_digits import check_identifiers
from features.checks.row_counts import counted_by_day
from features.checks.unmatched import policy
from features.errors import Finding
from features.reading import copies
from features.reading.table_reader import map_columns
from features.reading.table_source import WarehouseSource
from features.rollups.fetched import keep_rows
from features.rollups.usage_rollup import ROLLUPS, prepared
from features.tables.casting import FIRST_TIME, LAST_TIME, clean, quoted
from features.tables.connection import internal_name
from features.tables.copies import Versions, count_copies
from features.tables.identifiers import text_expression
from features.tables.opened import SQL_TYPES, with_canonical_types
from features.tables.schema import Column, Kind, Table
from features.tables.warehouse import ROWS, RemoteRows

Frame = nw.LazyFrame[Any]


def read_in_warehouse(
    connection: duckdb.DuckDBPyConnection, table: Table, source: WarehouseSource
) -> tuple[checks.OpenTable | None, list[Finding]]:
    """Open usage where it is stored, and fetch nothing but its counts by account and day.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the counts are kept.
    table : Table
        Usage.
    source : WarehouseSource
        Its rows.

    Returns
    -------
    OpenTable or None
        None where its columns are not as the table needs them.
    list of Finding
        What is wrong with its columns and values.
    """
    present = {field.name: str(field.type) for field in source.columns_of_query}
    mapped, found = map_columns(table, source, source.label, present)
    found += _wrong_types(table, source, mapped)
    if found:
        return None, found
    raw = source.warehouse.rows(str(source.sql), source.columns_of_query)
    opened = _opened(table, source, mapped, raw)
    found += checks.check_values(_remote(opened), opened.in_warehouse)
    found += checks.evaluate(_remote(opened), opened.in_warehouse, [*_infinite(opened)])
    found += _lost_digits(opened, raw, mapped, source.columns_of_query)
    beyond = checks.evaluate(_remote(opened), opened.in_warehouse, [*_beyond_calendar(opened)])
    if beyond:
        # Days that no calendar has cannot be counted.
        return None, found + beyond
    if copies.row_id(opened):
        opened, noted = _latest_versions(opened)
        found += noted
    else:
        opened, noted = _without_copies(opened, raw, mapped)
        found += noted
    days = ROLLUPS["days"].of(prepared(_remote(opened).frame))
    keep_rows(connection, opened.view, days)
    return counted_by_day(connection, opened, f"SELECT * FROM {opened.view}"), found


def _remote(table: checks.OpenTable) -> RemoteRows:
    assert table.remote is not None
    return table.remote


def _opened(
    table: Table, source: WarehouseSource, mapped: Mapping[Column, str], raw: Frame
) -> checks.OpenTable:
    frame = _canonical(table, raw, mapped)
    view = internal_name(f"counts of {table.name} by day")
    # Whether use fits its contract is compared by account: rows by contract stay there.
    present = [column for column in mapped if column.name != "subscription_id"]
    types = {column.name: clean(SQL_TYPES[column.kind]) for column in present}
    remote = RemoteRows(source.warehouse, frame)
    unmatched = policy(table.name, source.unmatched)
    return checks.OpenTable(
        table, source.label, view, view, False, types, fresh="", unmatched=unmatched, remote=remote
    )


def _canonical(table: Table, raw: Frame, mapped: Mapping[Column, str]) -> Frame:
    renamed = raw.select(*(nw.col(name).alias(column.name) for column, name in mapped.items()))
    kinds = renamed.collect_schema()
    numbers = [
        _unless_nan(column, kinds[column.name])
        for column in mapped
        if column.kind == "number" and not kinds[column.name].is_integer()
    ]
    rows = renamed.with_columns(*numbers) if numbers else renamed
    return with_canonical_types(table.name, rows, plain=_plain_texts(renamed, mapped))


def _unless_nan(column: Column, dtype: Any) -> nw.Expr:
    """Return a number, null where it is NaN, as in tables of files; decimals have NaN, too."""
    value = nw.col(column.name)
    value = value if dtype.is_float() else value.cast(nw.Float64())
    return nw.when(~value.is_nan()).then(value).alias(column.name)


def _lost_digits(
    table: checks.OpenTable, raw: Frame, mapped: Mapping[Column, str], columns: pa.Schema
) -> list[Finding]:
    """Report identifiers in floats that are too large for a float to hold all their digits."""
    renamed = raw.select(*(nw.col(name).alias(column.name) for column, name in mapped.items()))
    # Ibis is given floats of 32 bits as such of 64.
    floats = {pa.float32(): "FLOAT", pa.float64(): "DOUBLE"}
    types = {
        column.name: floats.get(columns.field(name).type, "") for column, name in mapped.items()
    }
    as_came = replace(table.in_warehouse, remote=replace(_remote(table), frame=renamed))
    return check_identifiers(_remote(as_came), as_came, types)


def _plain_texts(rows: Frame, columns: Iterable[Column]) -> set[str]:
    """Return the text columns that have their one form already in every row.

    One query finds out, and spares all others the regular expressions.
    """
    kinds = rows.collect_schema()
    texts = [c for c in columns if c.kind == "text" and kinds[c.name] == nw.String()]
    if not texts:
        return set()
    changed = []
    for column in texts:
        own = nw.col(column.name)
        form = text_expression(column.name, nw.String(), is_identifier=column.is_identifier)
        differs = (form != own) | (form.is_null() & ~own.is_null())
        one = nw.when(differs).then(nw.lit(1)).otherwise(nw.lit(0))
        changed.append(one.max().alias(column.name))
    (found,) = rows.select(*changed).collect("pyarrow").to_native().to_pylist()
    return {name for name, any_changed in found.items() if not any_changed}


def _is_of(kind: Kind, dtype: Any) -> bool:
    types = pa.types
    if kind == "time":
        return bool(types.is_timestamp(dtype) or types.is_date(dtype))
    if kind == "number":
        return bool(types.is_integer(dtype) or types.is_floating(dtype) or types.is_decimal(dtype))
    return kind == "text" or bool(types.is_boolean(dtype))


_CASTS: dict[Kind, str] = {
    "time": "cast({0} as timestamp)",
    "number": "cast({0} as double precision)",
    "flag": "cast({0} as boolean)",
}
_NAMES: dict[Kind, str] = {"time": "times", "number": "numbers", "flag": "true or false"}


def _wrong_types(
    table: Table, source: WarehouseSource, mapped: Mapping[Column, str]
) -> Iterator[Finding]:
    """Refuse columns that the warehouse would have to parse: how is for the user to decide."""
    for column, name in mapped.items():
        dtype = source.columns_of_query.field(name).type
        if not _is_of(column.kind, dtype):
            cast = _CASTS[column.kind].format(name)
            yield Finding(
                "error", "wrong_type", source.label, table.name, column.name,
                f"the column {name} has the type {dtype}, and must contain {_NAMES[column.kind]}",
                fix=f"convert it with sql, e.g. {cast} as {column.name}",
            )  # fmt: skip


def _infinite(table: checks.OpenTable) -> Iterator[checks.Rule]:
    fix = "correct the division by zero it comes from, or leave the field empty"
    for column in table.columns:
        if column.kind == "number":
            name = quoted(column.name)
            where = f"({name} > {checks.LARGEST} OR {name} < -{checks.LARGEST})"
            yield checks.Rule("infinite_value", column.name, where, name, "is infinite", fix)


def _beyond_calendar(table: checks.OpenTable) -> Iterator[checks.Rule]:
    for column in table.columns:
        if column.kind == "time":
            name = quoted(column.name)
            where = f"({name} < {FIRST_TIME} OR {name} > {LAST_TIME})"
            what, fix = checks.beyond_calendar(column)
            yield checks.Rule(checks.CALENDAR, column.name, where, name, what, fix)


def _without_copies(
    table: checks.OpenTable, raw: Frame, mapped: Mapping[Column, str]
) -> tuple[checks.OpenTable, list[Finding]]:
    """Return a table without rows that were loaded twice, and a warning where rows are copies."""
    remote = _remote(table)
    twice = count_copies(remote.frame, table.schema)
    if not twice.rows:
        return table, []
    query = f"SELECT (SELECT count(*) FROM {ROWS}), count(*) FROM (SELECT DISTINCT * FROM {ROWS})"
    total, different = remote.warehouse.run(f"{query} AS q", raw)[0]
    if total == different:
        return table, []
    equal = min(twice.rows, int(total - different))
    twice = replace(twice, rows=equal, timed=min(equal, twice.timed))
    noted = copies.note_on_copies(table, twice, are_removed=twice.are_loaded_twice)
    if not twice.are_loaded_twice:
        return table, [noted]
    once = _canonical(table.schema, raw.unique(), mapped)
    return replace(table, remote=replace(remote, frame=once)), [noted]


def _latest_versions(table: checks.OpenTable) -> tuple[checks.OpenTable, list[Finding]]:
    """Return a table with the latest version of each row, and a warning where there are several.

    As in `copies.latest_versions`, the row that stays is known from when its first version was.
    """
    remote, key = _remote(table), copies.row_id(table)
    counted = f"SELECT {quoted(key)} AS k, count(*) AS n FROM {ROWS} GROUP BY 1"
    rows, keys, example = checks.one_row(
        remote,
        "SELECT coalesce(sum(n - 1), 0), count(*), min(k) FROM "
        f"({counted}) AS q WHERE k IS NOT NULL AND n > 1",
    )
    if not rows:
        return table, []
    total = checks.one_row(remote, f"SELECT count(*) FROM {ROWS}")[0]
    noted = copies.note_on_versions(table, Versions(int(rows), int(keys), example), int(total))
    without_id = nw.col(key).is_null()
    versions, others = remote.frame.filter(~without_id), remote.frame.filter(without_id)
    if table.has("known_at"):
        first = nw.col("known_at").min().over(key).alias("_first")
        latest = versions.with_columns(first).unique(
            subset=[key], keep="last", order_by=["known_at"]
        )
        latest = latest.with_columns(known_at=nw.col("_first")).drop("_first")
    else:
        latest = versions.unique(subset=[key], keep="any")
    both = nw.concat([others, latest], how="vertical")
    return replace(table, remote=replace(remote, frame=both)), [noted]
