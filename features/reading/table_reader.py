"""Reading one input table: its columns matched, its values cast and checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import narwhals as nw

from features.checks import findings as checks
from features.checks.lost_digits import check_identifiers
from features.checks.passed import PassedRules
from features.checks.row_counts import counted_by_day
from features.checks.unmatched import COUNT, policy
from features.errors import Finding, HealthError
from features.reading import copies, files
from features.reading.clean_columns import clean_types, trimmed_types
from features.reading.number_formats import NumberFormats, number_formats, with_plain_numbers
from features.reading.other_files import other_relation
from features.reading.partitions import contradicted_folders
from features.reading.table_source import TableSource
from features.reading.text_faults import TextFault, csv_fault, parquet_fault
from features.reading.unread_columns import misspelt_columns, undone_rows
from features.rollups.kept_files import KeptRollups, UsageFiles, usage_files
from features.tables.casting import cast_sql, clean, is_clean, quoted
from features.tables.connection import (
    TIME_LIMIT,
    database_of,
    first_line,
    internal_name,
    limited,
    position_in_query,
    scratch_folder,
)
from features.tables.currencies import Currencies
from features.tables.folders import TableFormatError, closest, partition_of
from features.tables.relations import (
    EmptyFileError,
    PlainFiles,
    Relation,
    as_utf8,
    file_relation,
    parquet_sql,
    partitioned_files,
    query_relation,
    table_relation,
)
from features.tables.schema import Column, Table

_ONE_CURRENCY = Currencies()


@dataclass(frozen=True)
class Kept:
    """Where roll-ups of earlier runs are, and the end of the data as the configuration has it."""

    folder: Path
    observed_until: datetime | None


@dataclass(frozen=True)
class TableRead:
    """One table that was read.

    Attributes
    ----------
    table : OpenTable, optional
        None where it could not be opened.
    findings : tuple of Finding
        What is wrong with its columns and values.
    rollups : KeptRollups, optional
        Of the files of a large usage table, where they are kept.
    """

    table: checks.OpenTable | None
    findings: tuple[Finding, ...]
    rollups: KeptRollups | None = None


@dataclass(frozen=True)
class _RowRules:
    """How amounts are converted, and what happens to rows without an account."""

    currencies: Currencies
    unmatched: str


def read_table(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    source: TableSource,
    base: Path,
    kept: Kept | None,
    currencies: Currencies = _ONE_CURRENCY,
    *,
    time_limit: float = TIME_LIMIT,
) -> TableRead:
    """Open one table: the raw rows under canonical names, and the cast ones.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Reads the table.
    table, source : Table, TableSource
        The table, and where it is.
    base : Path
        Relative paths start here.
    kept : Kept, optional
        Where roll-ups of large usage are kept from run to run.
    currencies : Currencies
        Converts amounts.
    time_limit : float
        What its own SQL may take, in seconds.
    """
    with _scratch() as scratch:
        try:
            relation = as_utf8(_relation(connection, table, source, base), scratch / "utf8")
        except HealthError as error:
            code = "empty_table" if isinstance(error, EmptyFileError) else "file_missing"
            code = "not_one_select" if source.sql else code
            code = "table_format" if isinstance(error, TableFormatError) else code
            place = (source.label, table.name, "")
            return TableRead(None, (Finding("error", code, *place, error.what, fix=error.fix),))
        try:
            with limited(connection, time_limit) if source.sql else nullcontext():
                return read_rows(connection, table, source, relation, currencies, kept)
        except HealthError as error:
            if not source.sql:
                raise
            place = (source.label, table.name, "")
            return TableRead(
                None, (Finding("error", "unreadable", *place, error.what, fix=error.fix),)
            )
        except duckdb.Error as error:
            fault = csv_fault(relation.csv, relation.delimiter)
            if relation.is_columnar:
                fault = parquet_fault(relation.found.files)
            if relation.csv and fault is None:
                # Its lines end in several ways, which the engine does not accept.
                with suppress(duckdb.Error):
                    plain = as_utf8(relation, scratch / "lines", every=True)
                    return read_rows(connection, table, source, plain, currencies, kept)
            return TableRead(
                None, (_unreadable(connection, table, source, relation, error, fault),)
            )


@contextmanager
def _scratch() -> Iterator[Path]:
    """Yield the path of a folder, which is created only if needed and removed afterwards."""
    folder = scratch_folder() / uuid4().hex
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_rows(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    source: TableSource,
    relation: Relation,
    currencies: Currencies = _ONE_CURRENCY,
    kept: Kept | None = None,
) -> TableRead:
    """Match the columns of a source's rows, cast and check their values, remove copies.

    Parameters
    ----------
    connection, table, source, currencies, kept
        As in `read_table`.
    relation : Relation
        The rows.

    Raises
    ------
    duckdb.Error
        The rows cannot be read.
    """
    as_given, relation = relation, _dated(table, source, relation, connection)
    # A query is described as it is: within another one, a name given twice is made unique.
    rows = relation.sql if source.sql else f"(SELECT * FROM {relation.sql})"
    described = connection.execute(f"DESCRIBE {rows}").fetchall()
    names = [str(row[0]) for row in described]
    present = {str(row[0]): str(row[1]) for row in described}
    mapped, found = map_columns(table, source, relation.label, present)
    found += files.repeated_columns(table, relation, mapped, names)
    if found:
        return TableRead(None, tuple(found))
    rules = _RowRules(currencies, policy(table.name, source.unmatched))
    counts_unmatched = rules.unmatched == COUNT
    noted = files.notes_on_files(table, relation, mapped, counts_unmatched=counts_unmatched)
    noted += contradicted_folders(connection, table, relation)
    noted += undone_rows(connection, table, relation, mapped, present)
    own = currencies.own
    noted += misspelt_columns(connection, table, relation, mapped, present, own)
    opened, found, usage = _read(connection, table, relation, mapped, present, kept, rules)
    noted += found
    if copies.row_id(opened):
        latest, found = copies.latest_versions(connection, opened)
        usage = usage if latest is opened else None
        return _counted(connection, latest, [*noted, *found], usage)
    # Large usage is counted first: the counts show on which days rows may be copies.
    read = TableRead(opened, tuple(noted))
    if not opened.is_copy:
        read = _counted(connection, opened, noted, usage)
    assert read.table is not None
    twice = copies.copied_rows(connection, read.table, relation.sql, read.rollups)
    if twice.rows:
        columns = mapped.values() if relation is as_given else ()
        repeats = copies.repeated_files(connection, relation, columns)
        if repeats:
            _drop(connection, opened)
            once = relation.without(repeats)
            return read_rows(connection, table, source, once, currencies, kept)
        are_removed = twice.are_loaded_twice or bool(copies.period_id(opened))
        noted.append(copies.note_on_copies(opened, twice, are_removed=are_removed))
        read = replace(read, findings=tuple(noted))
        if are_removed:
            _drop(connection, opened)
            sql = f"(SELECT DISTINCT * FROM {relation.sql})"
            once = replace(relation, sql=sql, is_lazy=False, is_columnar=False, parquet=())
            opened, _, _ = _read(connection, table, once, mapped, present, None, rules)
            return _counted(connection, opened, noted, None)
    return _counted(connection, opened, noted, None) if opened.is_copy else read


def _drop(connection: duckdb.DuckDBPyConnection, table: checks.OpenTable) -> None:
    kind = "TABLE" if table.is_copy else "VIEW"
    connection.execute(f"DROP {kind} {table.view}")
    connection.execute(f"DROP {kind} IF EXISTS {table.raw}")


def _counted(
    connection: duckdb.DuckDBPyConnection,
    table: checks.OpenTable,
    noted: Sequence[Finding],
    usage: UsageFiles | None,
) -> TableRead:
    """Return a table that was read; usage is rolled up and counted by day."""
    if table.schema.name != "usage":
        return TableRead(table, tuple(noted))
    rollups = None if usage is None else KeptRollups.of(usage, connection, table.types)
    kept = (rollups.by_account_and_day(), rollups.by_account()) if rollups else ()
    return TableRead(counted_by_day(connection, table, *kept), tuple(noted), rollups)


def _dated(
    table: Table, source: TableSource, relation: Relation, connection: duckdb.DuckDBPyConnection
) -> Relation:
    """Add the time that dates rows, empty, to a table that may be without it."""
    if not table.may_be_undated or table.dated_by in source.columns:
        return relation
    rows = f"(SELECT * FROM {relation.sql})"
    present = [str(row[0]) for row in connection.execute(f"DESCRIBE {rows}").fetchall()]
    if table.dated_by in present:
        return relation
    sql = f"(SELECT *, CAST(NULL AS TIMESTAMP) AS {quoted(table.dated_by)} FROM {relation.sql})"
    return replace(relation, sql=sql, is_lazy=False, is_columnar=False, parquet=())


def _relation(
    connection: duckdb.DuckDBPyConnection, table: Table, source: TableSource, base: Path
) -> Relation:
    if source.path is not None:
        names = {source.columns.get(column.name, column.name) for column in table.columns}
        other = other_relation(connection, table.name, source.path, base, names)
        return other or file_relation(source.path, base)
    if source.sql is not None:
        relation = query_relation(source.sql, base)
        files = {file for sql in source.queries for file in partitioned_files(sql, base)}
        relation = replace(relation, of_query=tuple(sorted(files)))
        # SQL that replaces a source has the source's name.
        return relation if source.label == "sql" else replace(relation, label=source.label)
    return table_relation(str(source.table), database_of(connection))


def _read(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    mapped: Mapping[Column, str],
    present: Mapping[str, str],
    kept: Kept | None,
    rules: _RowRules,
) -> tuple[checks.OpenTable, list[Finding], UsageFiles | None]:
    types = {column.name: present[name] for column, name in mapped.items()}
    names = {column.name: name for column, name in mapped.items()}
    raw = _renamed(connection, table, relation, mapped)
    written = number_formats(connection, table, relation.label, raw, types)
    if written.formats:
        plain = with_plain_numbers(relation.sql, written.formats, names)
        relation = replace(relation, sql=plain, parquet=())
        raw = _renamed(connection, table, relation, mapped)
    if not relation.is_lazy:
        kinds = {column: types[column.name] for column in mapped}
        look = clean_types if relation.is_columnar else trimmed_types
        types = look(connection, raw, kinds)
        opened = _as_cast(connection, table, relation, mapped, types, rules, raw=raw)
        found = _with_formats(written, _checked(connection, opened))
        # The cast rows are all that is needed from here on.
        connection.execute(f"DROP {_raw_kind(relation)} {opened.raw}")
        return opened, found, None
    files = passed = None
    unchecked = list(relation.parquet)
    if kept is not None and table.name == "usage":
        files = usage_files(relation, names, types, kept.folder)
        if files is not None:
            unchecked = files.unchecked(kept.observed_until)
    elif kept is not None and relation.parquet:
        passed = PassedRules.of(relation, names, kept.folder)
    if relation.parquet and not unchecked:
        sound = {name: clean(kind) for name, kind in types.items()}
        opened = _as_cast(connection, table, relation, mapped, sound, rules)
        return replace(opened, fresh=""), [], files
    fresh = relation
    if len(unchecked) < len(relation.parquet):
        fresh = replace(relation, sql=parquet_sql(unchecked, uniform=relation.is_uniform))
    raw = _renamed(connection, table, fresh, mapped, "fresh")
    if passed is not None:
        passed.views[raw] = raw
    types = clean_types(connection, raw, {c: types[c.name] for c in mapped}, passed)
    new = _as_cast(connection, table, fresh, mapped, types, rules, "fresh", passed=passed)
    opened = _as_cast(connection, table, relation, mapped, types, rules, passed=passed)
    found = _checked(connection, replace(new, whole=opened.view))
    return replace(opened, fresh=new.view), _with_formats(written, found), files


def _checked(connection: duckdb.DuckDBPyConnection, table: checks.OpenTable) -> list[Finding]:
    return [*checks.check_values(connection, table), *check_identifiers(connection, table)]


def _with_formats(written: NumberFormats, found: list[Finding]) -> list[Finding]:
    """Return all findings; what is refused for its format need not be reported twice."""
    is_twice = {("wrong_type", column) for column in written.undecided}
    return [*written.findings, *(f for f in found if (f.code, f.column) not in is_twice)]


def _renamed(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    mapped: Mapping[Column, str],
    prefix: str = "raw",
) -> str:
    """Make the rows as they came, under canonical names; return their SQL name."""
    raw = internal_name(f"{prefix} {table.name}")
    renamed = ", ".join(f"{quoted(name)} AS {quoted(c.name)}" for c, name in mapped.items())
    made = f"CREATE OR REPLACE {_raw_kind(relation)} {raw}"
    connection.execute(f"{made} AS SELECT {renamed} FROM {relation.sql}")
    return raw


def _raw_kind(relation: Relation) -> str:
    """Return whether the rows as they came are looked at where they lie, or read once."""
    return "VIEW" if relation.is_lazy or relation.is_columnar else "TABLE"


def _as_cast(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    mapped: Mapping[Column, str],
    types: Mapping[str, str],
    rules: _RowRules,
    prefix: str = "raw",
    *,
    raw: str = "",
    passed: PassedRules | None = None,
) -> checks.OpenTable:
    """Make the cast rows, and the rows as they came where `raw` does not name them already."""
    raw = raw or _renamed(connection, table, relation, mapped, prefix)
    view = internal_name(f"{prefix} input {table.name}")
    casts = ", ".join(f"{cast_sql(c, types[c.name])} AS {quoted(c.name)}" for c in mapped)
    sql, plain = f"SELECT {casts} FROM {raw}", _plain(relation, mapped, types)
    if rules.currencies.converts(table, types):
        rows = nw.from_native(connection.sql(sql))
        sql, plain = rules.currencies.converted(rows, table).to_native().sql_query(), None
    kind = "VIEW" if relation.is_lazy else "TABLE"
    connection.execute(f"CREATE OR REPLACE {kind} {view} AS {sql}")
    if passed is not None:
        passed.views[view] = sql
    return checks.OpenTable(
        table,
        relation.label,
        raw,
        view,
        not relation.is_lazy,
        dict(types),
        plain,
        unmatched=rules.unmatched,
        passed=passed,
    )


def _plain(
    relation: Relation, mapped: Mapping[Column, str], types: Mapping[str, str]
) -> PlainFiles | None:
    """Return the files where no value needs cleaning, so that any engine may read them."""
    sound = all(is_clean(kind) or kind == "BOOLEAN" for kind in types.values())
    names = {column.name: name for column, name in mapped.items()}
    if not (relation.parquet and sound):
        return None
    # Another engine would not look for a column in the names of folders.
    in_folders = set().union(*(partition_of(file) for file in relation.parquet))
    return None if in_folders & set(names.values()) else PlainFiles(relation.parquet, names)


def map_columns(
    table: Table, source: TableSource, label: str, present: Mapping[str, str]
) -> tuple[dict[Column, str], list[Finding]]:
    """Match canonical columns with the source's, and report each that is missing or unknown."""
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
        if name in present:
            mapped[column] = name
        elif column.required or column.name in source.columns:
            what = f"the source has no column {name!r}"
            fix = f"map it in tables.{table.name}.columns; {closest(name, present)}"
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
    fault: TextFault | None,
) -> Finding:
    """Return the finding on a table that the engine cannot read."""

    def found(what: str, fix: str, code: str = "unreadable") -> Finding:
        return Finding("error", code, relation.label, table.name, "", what, fix=fix)

    if fault is not None:
        return found(fault.what, fault.fix)
    if source.table is not None and isinstance(error, duckdb.CatalogException):
        names = [str(row[0]) for row in connection.execute("SHOW TABLES").fetchall()]
        fix = closest(source.table, names, noun="the database of data.url holds")
        return found("there is no such table in the database", fix, "file_missing")
    what = f"cannot be read: {first_line(error)}"
    if source.sql:
        # The query follows the bracket it is put in.
        return found(what + position_in_query(error, lines_before=1), "correct the query")
    return found(what, "check that the file is complete; copy or export it again")
