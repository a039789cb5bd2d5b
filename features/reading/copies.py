"""Rows of a source that are in it more than once: what counts, and what is reported."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import narwhals as nw

from features.checks.findings import OpenTable, finding, may_repeat, one_row
from features.checks.row_counts import of_days
from features.errors import Finding
from features.rollups.kept_files import KeptRollups
from features.tables import copies as rules
from features.tables.casting import quoted
from features.tables.connection import internal_name
from features.tables.copies import Copies
from features.tables.folders import partition_of
from features.tables.relations import Relation
from features.windows.day_rows import day_number

#: Where rows are too many to be grouped: this many days are looked at, a fiftieth of all at most,
#: and all rows are grouped where this share of the rows of these days are copies.
_DAYS, _PART, _DOUBTFUL = 4, 50, 0.01
_MANY, _MANY_COUNTED = 10_000_000, 1_000_000


def row_id(table: OpenTable) -> str:
    """Return the column whose values should each be in one row; empty where there is none."""
    return rules.row_id(table.schema, table.types)


def period_id(table: OpenTable) -> str:
    """Return the id that several rows of a table may share, as those of one contract do."""
    return rules.period_id(table.schema, table.types)


def copied_rows(
    connection: duckdb.DuckDBPyConnection,
    table: OpenTable,
    source: str,
    rollups: KeptRollups | None = None,
) -> Copies:
    """Return the copies among the rows of a table that has no id.

    Of many rows, only those of some days are grouped, unless these days have copies.

    Parameters
    ----------
    connection, table : duckdb.DuckDBPyConnection, OpenTable
        A table, and where it is open.
    source : str
        SQL of its rows with every column of the source: rows that differ in one that is not read
        are no copies.
    rollups : KeptRollups, optional
        Of its files: of the files that have no row on the days that are looked at, none is read.
    """
    if not table.has("account_id") or not _is_doubtful(connection, table, rollups):
        return Copies()
    found = rules.count_copies(nw.from_native(connection.table(table.view)), table.schema)
    if not found.rows:
        return Copies()
    query = f"SELECT count(*) FROM (SELECT DISTINCT * FROM {source})"
    equal = found.total - int(one_row(connection, query)[0])
    if equal >= found.rows:
        return found
    return replace(found, rows=equal, timed=min(equal, found.timed), amount=None)


def _is_doubtful(
    connection: duckdb.DuckDBPyConnection, table: OpenTable, rollups: KeptRollups | None
) -> bool:
    """Return whether rows may be copies of others."""
    if table.fresh == "":
        return False
    columns = ", ".join(quoted(column.name) for column in table.columns)
    rows = int(one_row(connection, f"SELECT count(*) FROM {table.view}")[0])
    if rows <= (_MANY_COUNTED if table.days else _MANY):
        return may_repeat(connection, table.view, columns, table.passed)
    at = quoted(table.schema.dated_by)
    fresh = table.fresh or table.view
    query = f"SELECT min({at}), max({at}) FROM {fresh}"
    if table.spans and one_row(connection, f"SELECT count(*) FROM {fresh}")[0] == rows:
        query = f"SELECT min(first), max(last) FROM {table.spans}"
    first, last = one_row(connection, query)
    if first is None:
        return False
    # A query for each day: what files and pieces of them note of their times need not be scanned.
    days = " UNION ALL ".join(
        f"(SELECT count(*) AS n, count(DISTINCT hash({columns})) AS different "
        f"FROM {_rows_of(day, table, rollups)} "
        f"WHERE {at} >= TIMESTAMP '{day}' AND {at} < TIMESTAMP '{day + timedelta(days=1)}')"
        for day in {
            *_days_between(first, last),
            *_even_days(connection, table, (first, last), rollups),
        }
    )
    count, different = one_row(connection, f"SELECT sum(n), sum(different) FROM ({days})")
    return bool(count - different > _DOUBTFUL * count)


def _rows_of(day: datetime, table: OpenTable, rollups: KeptRollups | None) -> str:
    """Return the SQL of rows among which are all of a day."""
    number = day_number(day)
    return f"({rollups.rows_between(number, number + 1)})" if rollups else table.view


def _days_between(first: datetime, last: datetime) -> list[datetime]:
    """Return some days from the first to the last, evenly spread."""
    start = datetime(first.year, first.month, first.day)
    span = (last - start).days + 1
    count = min(_DAYS // 2, max(1, span // _PART))
    return [start + timedelta(days=int((place + 0.5) * span / count)) for place in range(count)]


def _even_days(
    connection: duckdb.DuckDBPyConnection,
    table: OpenTable,
    span: tuple[datetime, datetime],
    rollups: KeptRollups | None,
) -> list[datetime]:
    """Return the days on which most accounts have an even number of rows.

    Every account has one on a day that was loaded twice, and about half of them on another.
    """
    if not table.days:
        return []
    days = table.days
    if rollups is not None:
        first, last = map(day_number, span)
        days = of_days(rollups.by_account_and_day(first, last + 1))
    rows = connection.execute(
        f"SELECT moment FROM {days} WHERE moment BETWEEN date_trunc('day', ?) AND ? "
        "GROUP BY 1 ORDER BY (avg(CAST(n % 2 = 0 AS INTEGER)) - 0.5) * sqrt(count(*)) DESC, 1 "
        f"LIMIT {_DAYS // 2}",
        [*span],
    ).fetchall()
    return [moment for (moment,) in rows]


def repeated_files(
    connection: duckdb.DuckDBPyConnection, relation: Relation, columns: Collection[str]
) -> dict[Path, Path]:
    """Return the files that have the rows of another one, in whatever order and form.

    The bytes of files need not be equal for that: a month may have been exported again with other
    line ends, sorted differently or compressed differently. As between files of equal bytes, the
    same rows in another partition are other rows.

    Parameters
    ----------
    connection, relation : duckdb.DuckDBPyConnection, Relation
        Rows among which there are copies.
    columns : collection of str
        The columns to compare; without any, no file is found.
    """
    rows = relation.by_file()
    if not (rows and columns):
        return {}
    # A sum of hashes is the same in every order, and counts a row as often as it is there.
    values = f"hash({', '.join(map(quoted, columns))})"
    found = connection.execute(
        f"SELECT filename, count(*), sum(CAST({values} AS HUGEINT)) FROM {rows} GROUP BY 1"
    ).fetchall()
    contents = {Path(name): (n, total) for name, n, total in found}
    first: dict[tuple[object, ...], Path] = {}
    repeats = {}
    for file in sorted(relation.found.files, key=lambda f: (len(f.parts), len(f.name), f.name)):
        if file in contents:
            key = (*contents[file], *partition_of(file).items())
            if first.setdefault(key, file) != file:
                repeats[file] = first[key]
    return repeats


def note_on_copies(table: OpenTable, found: Copies, *, are_removed: bool) -> Finding:
    """Return the warning that names the copies, their count and their amount."""
    amounts = [column.name for column in table.schema.amounts if table.has(column.name)]
    money = f" ({amounts[0]} {found.amount:,.2f} in all)" if found.amount is not None else ""
    what = f"are copies of other rows, the same in every column{money}; "
    what += "one of each counts" if are_removed else "each of them counts"
    fix = "load each row once; a column with an id distinguishes real rows from copies"
    counted = (found.rows, found.total, found.example)
    return finding("copied_rows", table, "", what, counted, fix, level="warning")


def latest_versions(
    connection: duckdb.DuckDBPyConnection, table: OpenTable
) -> tuple[OpenTable, list[Finding]]:
    """Return a table with the latest version of each row, and the number of earlier ones.

    Where nothing decides between rows that differ, that is an error.

    Parameters
    ----------
    connection, table : duckdb.DuckDBPyConnection, OpenTable
        A table with a `row_id`, and where it is open.
    """
    key = row_id(table)
    if table.fresh == "" or not may_repeat(connection, table.view, quoted(key), table.passed):
        return table, []
    rows = nw.from_native(connection.table(table.view))
    found = rules.count_versions(rows, table.schema, key)
    if not found.rows:
        return table, []
    total = int(one_row(connection, f"SELECT count(*) FROM {table.view}")[0])
    noted = note_on_versions(table, found, total)
    if noted.level == "error":
        return table, [noted]
    name = internal_name(f"latest {table.schema.name}")
    latest = rules.latest_versions(rows, table.schema, key).to_native().sql_query()
    connection.execute(f"CREATE TABLE {name} AS {latest}")
    if table.is_copy:
        connection.execute(f"DROP TABLE {table.view}")
    return replace(table, view=name, is_copy=True, plain=None, fresh=None, whole=""), [noted]


def note_on_versions(table: OpenTable, found: rules.Versions, total: int) -> Finding:
    """Return the finding on ids in several rows: an error where nothing shows the latest."""
    column = row_id(table)
    if found.undecided and table.schema.key:
        what = "is in several rows that differ, and nothing shows which of them is the latest"
        fix = (
            "map known_at to the time at which a row was written, or keep one row of each with "
            f"sql: select distinct on ({column}) *"
        )
        counted = (found.undecided, total, found.undecided_example)
        return finding("duplicate_key", table, column, what, counted, fix)
    what = f"is in several rows for {found.ids:,} of its values; the latest row of each counts"
    fix = f"load each row once, or use sql: select distinct on ({column}) *"
    counted = (found.rows, total, found.example)
    return finding("duplicate_id", table, column, what, counted, fix, level="warning")
