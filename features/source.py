"""Opening the input tables: files, folders, database tables and queries under one roof."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import narwhals as nw
from pydantic import BaseModel, ConfigDict, model_validator

from features import checks
from features.casting import cast_sql, literal, quoted
from features.errors import Finding, HealthError, InputError
from features.schema import TABLES, Column, Table
from features.tables import Tables

#: Times by which the end of the data is told where the configuration does not.
_LAST_SEEN = {
    "usage": ("occurred_at",),
    "tickets": ("opened_at",),
    "surveys": ("sent_at", "answered_at"),
}


#: Tables that are opened and checked, though nothing is made from them so far.
_UNUSED = ("orders", "interventions", "overrides")


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
        if sum(v is not None for v in (self.path, self.sql, self.table)) != 1:
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
    """Tables that passed every check, the warnings, and a summary of each table."""

    tables: Tables
    findings: tuple[Finding, ...]
    summaries: tuple[TableSummary, ...]


def open_tables(
    sources: Mapping[str, TableSource],
    *,
    base: Path,
    url: str = "duckdb://",
    observed_until: datetime | None = None,
    allow: Collection[str] = (),
) -> OpenedTables:
    """Open, cast and check the input tables.

    Parameters
    ----------
    sources : mapping of str to TableSource
        By canonical table name.
    base : Path
        Relative paths start here, in SQL too.
    url : str
        ``duckdb://`` (in memory) or ``duckdb:///file.duckdb`` (opened for reading only).
    observed_until : datetime, optional
        The data ends here (exclusive). Else at the last time seen in usage, tickets and
        surveys (without these: the last start of a subscription): the moment after it, or the
        day after where it is a plain date.
    allow : collection of str
        Codes of errors to report as warnings (`checks.ALLOWABLE`).

    Raises
    ------
    InputError
        Every violation of every table.
    HealthError
        The URL or a code in `allow` is not known.
    """
    _refuse_unknown_codes(allow)
    connection = _connect(url, base)
    findings = [
        _missing_table(name) for name in TABLES if name not in sources and name not in _UNUSED
    ]
    findings += [_unused_table(name, sources[name]) for name in _UNUSED if name in sources]
    opened: dict[str, checks.OpenTable] = {}
    for name, source in sources.items():
        table, found = _open(connection, TABLES[name], source, base)
        findings += found
        if table is not None:
            opened[name] = table
    end = observed_until or _last_seen(connection, opened)
    if not any(finding.level == "error" for finding in findings):
        findings += checks.check_content(connection, opened, end)
    findings = [_allowed(finding, allow) for finding in findings]
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        raise InputError(errors)
    for name, table in opened.items():
        if table.is_copy:
            connection.execute(f"DROP VIEW {table.raw}")
            connection.execute(f"DROP TABLE {_everything(name)}")
    frames = {name: nw.from_native(connection.table(table.view)) for name, table in opened.items()}
    summaries = tuple(_summary(connection, table) for table in opened.values())
    return OpenedTables(Tables(frames, end, connection), tuple(findings), summaries)


def _connect(url: str, base: Path) -> duckdb.DuckDBPyConnection:
    scheme, _, rest = url.partition("://")
    if scheme != "duckdb":
        raise HealthError(
            f"cannot connect to {url!r}",
            where="data.url",
            fix="use duckdb:// (in memory) or duckdb:///file.duckdb",
        )
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET file_search_path = {literal(str(base))}")
    if rest.strip("/"):
        file = base / rest.removeprefix("/")
        file = file if file.exists() else Path(rest)
        if not file.is_file():
            raise HealthError(
                "there is no such database file",
                where=f"data.url {url}",
                fix=f"give a path from {base}, or an absolute one after duckdb://",
            )
        try:
            connection.execute(f"ATTACH {literal(str(file))} AS company (READ_ONLY)")
            connection.execute("USE company")
        except duckdb.Error as error:
            raise HealthError(
                f"not a readable DuckDB file: {_first_line(error)}",
                where=str(file),
                fix="check the file, and that no other process writes to it",
            ) from None
    return connection


def _open(
    connection: duckdb.DuckDBPyConnection, table: Table, source: TableSource, base: Path
) -> tuple[checks.OpenTable | None, list[Finding]]:
    """Open one table: the raw rows under canonical names, and the cast ones."""

    def failed(code: str, what: str, fix: str, column: str = "") -> Finding:
        return Finding("error", code, source.label, table.name, column, what, fix=fix)

    try:
        relation = _relation_sql(source, base)
    except HealthError as error:
        return None, [failed("file_missing", error.what, error.fix)]
    kind = "VIEW" if _is_lazy(source, relation) else "TABLE"
    everything = _everything(table.name)
    try:
        connection.execute(f"CREATE TEMP {kind} {everything} AS SELECT * FROM {relation}")
        there = {
            str(row[0]): str(row[1])
            for row in connection.execute(f"DESCRIBE {everything}").fetchall()
        }
    except duckdb.Error as error:
        fix = (
            "check the query"
            if source.sql
            else "check that the file is a whole UTF-8 CSV or Parquet"
        )
        return None, [failed("unreadable", f"cannot be read: {_first_line(error)}", fix)]
    mapped, found = _map_columns(table, source, there)
    if found:
        return None, found
    raw, view = f"temp.{quoted('raw_' + table.name)}", f"temp.{quoted('input_' + table.name)}"
    renames = ", ".join(f"{quoted(there_)} AS {quoted(c.name)}" for c, there_ in mapped.items())
    connection.execute(f"CREATE TEMP VIEW {raw} AS SELECT {renames} FROM {everything}")
    types = {column.name: there[name] for column, name in mapped.items()}
    casts = ", ".join(f"{cast_sql(c, types[c.name])} AS {quoted(c.name)}" for c in mapped)
    connection.execute(f"CREATE TEMP {kind} {view} AS SELECT {casts} FROM {raw}")
    opened = checks.OpenTable(table, source.label, raw, view, kind == "TABLE", tuple(mapped), types)
    return opened, checks.check_values(connection, opened)


def _everything(name: str) -> str:
    """Name the rows of a table with all the columns they came with."""
    return f"temp.{quoted('all_' + name)}"


def _relation_sql(source: TableSource, base: Path) -> str:
    if source.sql is not None:
        return f"({source.sql.strip().rstrip(';')})"
    if source.table is not None:
        return ".".join(quoted(part) for part in source.table.split("."))
    files = _files(base / str(source.path))
    endings = {file.suffix.lower() for file in files}
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    if endings == {".parquet"}:
        return f"read_parquet({listed}, union_by_name = true)"
    if endings <= {".csv", ".txt", ".tsv"}:
        # As text, so that every bad value can be counted; and nothing guessed, so that a row
        # with too many or too few values is told instead of bent into shape.
        options = "all_varchar = true, header = true, skip = 0, quote = '\"', union_by_name = true"
        return f"read_csv({listed}, delim = {literal(_delimiter(files[0]))}, {options})"
    raise HealthError(
        f"holds {', '.join(sorted(endings))}", fix="give CSV or Parquet, not a mixture of endings"
    )


def _delimiter(file: Path) -> str:
    """Return what separates the names in a CSV file's first line; a comma where nothing does."""
    with file.open("rb") as stream:
        header = stream.readline(100_000)
    return max(",;\t|", key=lambda sign: header.count(sign.encode()))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise HealthError(
            "there is no such file or folder",
            fix=f"give the path from {path.parent}, or remove the table from the configuration",
        )
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in {".csv", ".parquet"})
    if not files:
        raise HealthError("the folder holds no CSV and no Parquet file", fix="name another folder")
    return files


def _is_lazy(source: TableSource, relation: str) -> bool:
    """Parquet and database tables are scanned where they are; text would be parsed each time."""
    return source.sql is None and not relation.startswith("read_csv")


def _map_columns(
    table: Table, source: TableSource, there: Mapping[str, str]
) -> tuple[dict[Column, str], list[Finding]]:
    """Match canonical columns with the source's; tell every one that is missing or unknown."""
    known = [column.name for column in table.columns]
    found = [
        Finding(
            "error", "unknown_column", source.label, table.name, name,
            "the table has no such column", fix=_closest(name, known),
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
            what = f"there is no column {name!r}"
            fix = f"map it in tables.{table.name}.columns; {_closest(name, there)}"
            found.append(
                Finding(
                    "error", "column_missing", source.label, table.name, column.name, what, fix=fix
                )
            )
    return mapped, found


def _closest(name: str, options: Iterable[str]) -> str:
    listed = list(options)
    close = difflib.get_close_matches(name, listed, n=1)
    there = f"there are {', '.join(listed)}"
    return f"did you mean {close[0]!r}? {there}" if close else there


def _last_seen(
    connection: duckdb.DuckDBPyConnection, opened: Mapping[str, checks.OpenTable]
) -> datetime:
    columns = [
        (opened[name], column)
        for name, candidates in _LAST_SEEN.items()
        if name in opened
        for column in candidates
        if column in opened[name].types
    ]
    if not columns and "subscriptions" in opened:
        columns = [(opened["subscriptions"], "started_at")]
    times = [t for table, column in columns if (t := _max(connection, table, column)) is not None]
    if not times:
        return datetime(1970, 1, 1)
    last = max(times)
    plain_date = last.hour == last.minute == last.second == last.microsecond == 0
    return last + (timedelta(days=1) if plain_date else timedelta(microseconds=1))


def _max(
    connection: duckdb.DuckDBPyConnection, table: checks.OpenTable, column: str
) -> datetime | None:
    rows = connection.execute(f"SELECT max({quoted(column)}) FROM {table.view}").fetchall()
    last: datetime | None = rows[0][0]
    return last


def _summary(connection: duckdb.DuckDBPyConnection, table: checks.OpenTable) -> TableSummary:
    dated_by = quoted(table.schema.dated_by)
    count, first, last = connection.execute(
        f"SELECT count(*), min({dated_by}), max({dated_by}) FROM {table.view}"
    ).fetchall()[0]
    there = tuple(column.name for column in table.columns)
    absent = tuple(c.name for c in table.schema.columns if c.name not in there)
    return TableSummary(table.schema.name, table.source, int(count), first, last, there, absent)


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


def _unused_table(name: str, source: TableSource) -> Finding:
    return Finding(
        "warning", "unused_table", source.label, name, "",
        "is checked, but nothing is made from it in this version",
    )  # fmt: skip


def _refuse_unknown_codes(allow: Collection[str]) -> None:
    unknown = sorted(set(allow) - checks.ALLOWABLE)
    if unknown:
        raise HealthError(
            f"cannot allow {', '.join(unknown)}",
            where="checks.allow",
            fix=f"allowable are {', '.join(sorted(checks.ALLOWABLE))}",
        )


def _allowed(finding: Finding, allow: Collection[str]) -> Finding:
    if finding.level != "error" or finding.code not in allow:
        return finding
    return Finding(**{**finding.__dict__, "level": "warning"})


def _first_line(error: duckdb.Error) -> str:
    return " ".join(line.strip() for line in str(error).splitlines()[:2])[:300]
