"""Opening the input tables: files, folders, database tables and queries under one roof."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb
import narwhals as nw
from pydantic import BaseModel, ConfigDict, model_validator

from features import check_rules, checks, spark
from features.casting import cast_sql, is_clean, quoted
from features.clean_columns import clean_types
from features.connection import MEMORY_LIMIT, connect, first_line
from features.csv_faults import csv_fault
from features.data_end import observed_end
from features.errors import Finding, HealthError, InputError
from features.relations import (
    EmptyFileError,
    PlainFiles,
    Relation,
    closest,
    file_relation,
    query_relation,
    table_relation,
)
from features.schema import TABLES, Column, Table
from features.tables import Tables

#: Tables whose absence is nothing to speak of.
_BY_CHOICE = ("interventions", "overrides", "actions")
#: What an account pays by: one of them must be there, and the other is not missed.
_PAID_BY = ("subscriptions", "orders")


class TableSource(BaseModel):
    """Where a table is: exactly one of `path`, `sql` and `table`.

    Attributes
    ----------
    path : str, optional
        A CSV or Parquet file, or a folder of either, beside the configuration.
    sql : str, optional
        A query; files in it are looked for beside the configuration.
    table : str, optional
        A table of the connected database, with its schema where it needs one.
    columns : dict of str to str
        Canonical column to the source's own name, where they differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None = None
    sql: str | None = None
    table: str | None = None
    columns: dict[str, str] = {}

    @model_validator(mode="after")
    def _exactly_one(self) -> TableSource:
        if sum(bool(value) for value in (self.path, self.sql, self.table)) != 1:
            raise ValueError("give exactly one of path, sql and table")
        return self

    @property
    def label(self) -> str:
        """The source as messages name it."""
        return self.path or self.table or "sql"


@dataclass(frozen=True)
class TableSummary:
    """What was read of a table: rows, first and last time, columns there and not there."""

    table: str
    source: str
    rows: int
    first: datetime | None
    last: datetime | None
    columns: tuple[str, ...]
    missing_optional: tuple[str, ...]


@dataclass(frozen=True)
class OpenedTables:
    """Tables that passed every check, the warnings, and a summary of each table.

    `plain` names the files of tables whose values need no mending, so that another engine may
    read them by itself.
    """

    tables: Tables
    findings: tuple[Finding, ...]
    summaries: tuple[TableSummary, ...]
    plain: Mapping[str, PlainFiles] = field(default_factory=dict, repr=False)


def open_tables(
    sources: Mapping[str, TableSource],
    *,
    base: Path,
    url: str = "duckdb://",
    observed_until: datetime | None = None,
    allow: Collection[str] = (),
    memory_limit: str = MEMORY_LIMIT,
) -> OpenedTables:
    """Open, cast and check the input tables.

    Parameters
    ----------
    sources : mapping of str to TableSource
        By canonical table name.
    base : Path
        Relative paths start here, in SQL too.
    url : str
        ``duckdb://`` (in memory), ``duckdb:///file.duckdb`` (opened for reading only),
        ``spark+local`` or ``spark://host:port``: checked here, and then features run on Spark.
    observed_until : datetime, optional
        The data ends here (exclusive); otherwise as `data_end.observed_end` tells.
    allow : collection of str
        Codes of errors to report as warnings (`checks.ALLOWABLE`).
    memory_limit : str
        What the engine may hold in memory; what is larger goes to the system's temporary folder.

    Raises
    ------
    InputError
        Every violation of every table.
    HealthError
        The URL or a code in `allow` is not known.
    """
    _refuse_unknown_codes(allow)
    base = base.resolve()
    spark_session = spark.session(url) if spark.is_spark(url) else None
    connection = connect("duckdb://" if spark_session else url, base, memory_limit)
    try:
        opened = _opened(connection, sources, base, observed_until, allow)
        if spark_session is None:
            return opened
        return replace(opened, tables=spark.on_spark(opened.tables, spark_session, opened.plain))
    except Exception:
        connection.close()
        raise


def _opened(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, TableSource],
    base: Path,
    observed_until: datetime | None,
    allow: Collection[str],
) -> OpenedTables:
    findings = _missing_tables(sources)
    opened: dict[str, checks.OpenTable] = {}
    for name, source in sources.items():
        if name not in TABLES:
            findings.append(_unknown_table(name, source))
            continue
        table, found = _open(connection, TABLES[name], source, base)
        findings += found
        if table is not None:
            opened[name] = table
    if "usage" in opened:
        opened["usage"] = checks.counted_by_day(connection, opened["usage"])
    filled = {name: table for name, table in opened.items() if _has_rows(connection, table)}
    end = observed_until
    if end is None:
        end, doubt = observed_end(connection, filled)
        findings += doubt
    findings += check_rules.check_content(connection, filled, end)
    findings = [_allowed(finding, allow) for finding in findings]
    errors = [finding for finding in findings if finding.level == "error"]
    if errors or end is None:
        raise InputError(errors)
    frames = {name: nw.from_native(connection.table(table.view)) for name, table in opened.items()}
    summaries = tuple(_summary(connection, table) for table in opened.values())
    if "usage" in opened:
        connection.execute(f"DROP TABLE {opened['usage'].days}")
    plain = {name: table.plain for name, table in opened.items() if table.plain is not None}
    return OpenedTables(Tables(frames, end, connection), tuple(findings), summaries, plain)


def _open(
    connection: duckdb.DuckDBPyConnection, table: Table, source: TableSource, base: Path
) -> tuple[checks.OpenTable | None, list[Finding]]:
    """Open one table: the raw rows under canonical names, and the cast ones."""
    try:
        relation = _relation(source, base)
    except HealthError as error:
        code = "empty_table" if isinstance(error, EmptyFileError) else "file_missing"
        return None, [
            Finding("error", code, source.label, table.name, "", error.what, fix=error.fix)
        ]
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation.sql}").fetchall()
        there = {str(row[0]): str(row[1]) for row in described}
        mapped, found = _map_columns(table, source, relation.label, there)
        if found:
            return None, found
        return _read(connection, table, relation, mapped, there)
    except duckdb.Error as error:
        return None, [_unreadable(connection, table, source, relation, error)]


def _relation(source: TableSource, base: Path) -> Relation:
    if source.path is not None:
        return file_relation(source.path, base)
    if source.sql is not None:
        return query_relation(source.sql, base)
    return table_relation(str(source.table))


def _read(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    mapped: Mapping[Column, str],
    there: Mapping[str, str],
) -> tuple[checks.OpenTable, list[Finding]]:
    kind = "VIEW" if relation.is_lazy else "TABLE"
    # Not under the table's own name: it would hide the database's table from later queries.
    raw, view = f"temp.{quoted('raw_' + table.name)}", f"temp.{quoted('input_' + table.name)}"
    renamed = ", ".join(f"{quoted(name)} AS {quoted(c.name)}" for c, name in mapped.items())
    connection.execute(f"CREATE TEMP {kind} {raw} AS SELECT {renamed} FROM {relation.sql}")
    types = {column.name: there[name] for column, name in mapped.items()}
    if relation.is_lazy:
        types = clean_types(connection, raw, {c: there[name] for c, name in mapped.items()})
    casts = ", ".join(f"{cast_sql(c, types[c.name])} AS {quoted(c.name)}" for c in mapped)
    connection.execute(f"CREATE TEMP {kind} {view} AS SELECT {casts} FROM {raw}")
    plain = _plain(relation, mapped, types)
    opened = checks.OpenTable(table, relation.label, raw, view, not relation.is_lazy, types, plain)
    found = checks.check_values(connection, opened)
    if opened.is_copy:
        # The cast rows are all that is needed from here on.
        connection.execute(f"DROP TABLE {raw}")
    return opened, found


def _plain(
    relation: Relation, mapped: Mapping[Column, str], types: Mapping[str, str]
) -> PlainFiles | None:
    """Return the files where no value needs mending, so that any engine may read them."""
    sound = all(is_clean(kind) or kind == "BOOLEAN" for kind in types.values())
    names = {column.name: name for column, name in mapped.items()}
    return PlainFiles(relation.parquet, names) if relation.parquet and sound else None


def _map_columns(
    table: Table, source: TableSource, label: str, there: Mapping[str, str]
) -> tuple[dict[Column, str], list[Finding]]:
    """Match canonical columns with the source's; tell every one that is missing or unknown."""
    known = [column.name for column in table.columns]
    found = [
        Finding(
            "error", "unknown_column", label, table.name, name,
            f"the table {table.name} has no such column",
            fix=closest(name, known, noun="known are"),
        )
        for name in source.columns
        if name not in known
    ]  # fmt: skip
    mapped: dict[Column, str] = {}
    for column in table.columns:
        name = source.columns.get(column.name, column.name)
        if name in there:
            mapped[column] = name
        elif column.required or column.name in source.columns:
            what = f"the source has no column {name!r}"
            fix = f"map it in tables.{table.name}.columns; {closest(name, there)}"
            found.append(
                Finding("error", "column_missing", label, table.name, column.name, what, fix=fix)
            )
    return mapped, found


def _unreadable(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    source: TableSource,
    relation: Relation,
    error: duckdb.Error,
) -> Finding:
    """Turn the engine's own words into a finding."""

    def found(what: str, fix: str, code: str = "unreadable") -> Finding:
        return Finding("error", code, relation.label, table.name, "", what, fix=fix)

    fault = csv_fault(relation.csv, relation.delimiter)
    if "UTF-8" in fault:
        fix = "save it as UTF-8, or read it by sql with read_csv(…, encoding = 'latin-1')"
        return found(fault, fix)
    if fault:
        fix = "mend the line; a value that holds the separator stands in double quotes"
        return found(fault, fix)
    if source.table is not None and isinstance(error, duckdb.CatalogException):
        names = [str(row[0]) for row in connection.execute("SHOW TABLES").fetchall()]
        fix = closest(source.table, names, noun="the database of data.url holds")
        return found("there is no such table in the database", fix, "file_missing")
    fix = "mend the query" if source.sql else "check that the file is whole"
    return found(f"cannot be read: {first_line(error)}", fix)


def _has_rows(connection: duckdb.DuckDBPyConnection, table: checks.OpenTable) -> bool:
    rows = connection.execute(f"SELECT 1 FROM {table.view} LIMIT 1").fetchall()
    return bool(rows)


def _summary(connection: duckdb.DuckDBPyConnection, table: checks.OpenTable) -> TableSummary:
    dated_by = quoted(table.schema.dated_by)
    query = f"SELECT count(*), min({dated_by}), max({dated_by}) FROM {table.view}"
    if table.days:
        query = f"SELECT coalesce(sum(n), 0), min(first), max(last) FROM {table.days}"
    count, first, last = checks.one_row(connection, query)
    there = tuple(column.name for column in table.columns)
    absent = tuple(c.name for c in table.schema.columns if c.name not in there)
    return TableSummary(table.schema.name, table.source, int(count), first, last, there, absent)


def _missing_tables(sources: Mapping[str, TableSource]) -> list[Finding]:
    known = {*sources, *_BY_CHOICE, *_PAID_BY}
    findings = [_missing_table(name) for name in TABLES if name not in known]
    if not any(name in sources for name in _PAID_BY):
        findings.append(_nothing_paid())
    return findings


def _nothing_paid() -> Finding:
    return Finding(
        "error", "table_missing", "configuration", "subscriptions", "",
        "neither subscriptions nor orders is given, and one of them is required",
        fix="add [tables.subscriptions] or [tables.orders] with path, sql or table",
    )  # fmt: skip


def _missing_table(name: str) -> Finding:
    if TABLES[name].required:
        return Finding(
            "error", "table_missing", "configuration", name, "", "the table is required",
            fix=f"add [tables.{name}] with path, sql or table",
        )  # fmt: skip
    return Finding(
        "warning", "missing_table", "configuration", name, "",
        "not given; what is made from it stays empty",
    )  # fmt: skip


def _unknown_table(name: str, source: TableSource) -> Finding:
    fix = closest(name, TABLES, noun="known are")
    return Finding(
        "error", "unknown_table", source.label, name, "", "there is no such input table", fix=fix
    )


def _refuse_unknown_codes(allow: Collection[str]) -> None:
    unknown = sorted(set(allow) - checks.ALLOWABLE)
    if unknown:
        raise HealthError(
            f"cannot allow {', '.join(unknown)}",
            where="checks.allow",
            fix=f"allowable are {', '.join(sorted(checks.ALLOWABLE))}",
        )


def _allowed(finding: Finding, allow: Collection[str]) -> Finding:
    demoted = finding.level == "error" and finding.code in allow
    return replace(finding, level="warning") if demoted else finding
