"""Rows that are in a table more than once: versions of one row, copies of rows without an id."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import duckdb
import narwhals as nw

from features.checks.findings import OpenTable, finding, may_repeat, one_row
from features.errors import Finding
from features.tables.casting import quoted
from features.tables.connection import internal_name

#: Copies with a time of day are removed where they are this share of the rows: a customer may well
#: buy the same thing twice on one day, but a fifth of all rows means that rows were loaded twice.
LOADED_TWICE = 0.2
#: Ids that no schema declares as a key, and that should be in one row each, or in equal rows.
_IDS = {"usage": "usage_id"}
_PERIOD_IDS = {"subscriptions": "subscription_id"}
#: Where rows are too many to be grouped: so many days are looked at, a fiftieth of all at most,
#: and all rows are grouped where this share of the rows of these days are copies.
_DAYS, _PART, _DOUBTFUL = 4, 50, 0.01
_MANY = 10_000_000


@dataclass(frozen=True)
class Copies:
    """Rows that are equal to another one in every column; the first of them is no copy."""

    rows: int = 0
    timed: int = 0
    total: int = 0
    example: str | None = None
    amount: float | None = None

    @property
    def are_loaded_twice(self) -> bool:
        """Whether so many copies carry a time of day that they were loaded twice."""
        return self.timed >= LOADED_TWICE * self.total


def copies(rows: nw.LazyFrame[Any], dated_by: str, amount: str = "") -> nw.LazyFrame[Any]:
    """Return how many rows are copies of others, in one row.

    Parameters
    ----------
    rows : narwhals.LazyFrame
        Rows of a table, on any engine.
    dated_by : str
        The column that dates a row.
    amount : str, optional
        The column of money that is summed over the copies.

    Returns
    -------
    narwhals.LazyFrame
        rows (the copies), timed (those with a time of day), total, example (an account), and
        amount where a column of money is given.
    """
    again, at = nw.col("_n") - 1, nw.col(dated_by)
    groups = rows.group_by(*rows.collect_schema().names()).agg(nw.len().alias("_n"))
    is_timed = (at != at.dt.truncate("1d")).fill_null(value=False)
    money = [(nw.col(amount) * again).sum().alias("amount")] if amount else []
    return groups.select(
        again.sum().cast(nw.Int64()).alias("rows"),
        nw.when(is_timed).then(again).sum().cast(nw.Int64()).alias("timed"),
        nw.col("_n").sum().cast(nw.Int64()).alias("total"),
        nw.when(again > 0).then(nw.col("account_id")).min().alias("example"),
        *money,
    )


def copied_rows(connection: duckdb.DuckDBPyConnection, table: OpenTable, source: str) -> Copies:
    """Return the copies among the rows of a table that has no id.

    Of many rows, only those of some days are grouped, unless these days have copies.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the table is open.
    table : OpenTable
        The table.
    source : str
        SQL of its rows with every column of the source: rows that differ in one that is not read
        are no copies.
    """
    if not table.has("account_id") or not _is_doubtful(connection, table):
        return Copies()
    amounts = [column.name for column in table.schema.amounts if table.has(column.name)]
    rows = nw.from_native(connection.table(table.view))
    counted = copies(rows, table.schema.dated_by, next(iter(amounts), ""))
    found = Copies(**counted.collect("pyarrow").to_native().to_pylist()[0])
    if not found.rows:
        return Copies()
    query = f"SELECT count(*) FROM (SELECT DISTINCT * FROM {source})"
    equal = found.total - int(one_row(connection, query)[0])
    if equal >= found.rows:
        return found
    return replace(found, rows=equal, timed=min(equal, found.timed), amount=None)


def _is_doubtful(connection: duckdb.DuckDBPyConnection, table: OpenTable) -> bool:
    """Return whether rows may be copies of others."""
    columns = ", ".join(quoted(column.name) for column in table.columns)
    if table.fresh == "":
        return False
    if table.is_copy and int(one_row(connection, f"SELECT count(*) FROM {table.view}")[0]) <= _MANY:
        return may_repeat(connection, table.view, columns)
    at = quoted(table.schema.dated_by)
    query = f"SELECT min({at}), max({at}) FROM {table.fresh or table.view}"
    first, last = one_row(connection, query)
    if first is None:
        return False
    # A query for each day: what files and pieces of them note of their times need not be scanned.
    days = " UNION ALL ".join(
        f"(SELECT count(*) AS n, count(DISTINCT hash({columns})) AS different FROM {table.view} "
        f"WHERE {at} >= TIMESTAMP '{day}' AND {at} < TIMESTAMP '{day + timedelta(days=1)}')"
        for day in _days_between(first, last)
    )
    count, different = one_row(connection, f"SELECT sum(n), sum(different) FROM ({days})")
    return bool(count - different > _DOUBTFUL * count)


def _days_between(first: datetime, last: datetime) -> list[datetime]:
    """Return some days from the first to the last, evenly spread."""
    start = datetime(first.year, first.month, first.day)
    span = (last - start).days + 1
    count = min(_DAYS, max(1, span // _PART))
    return [start + timedelta(days=int((place + 0.5) * span / count)) for place in range(count)]


def note_on_copies(table: OpenTable, found: Copies, *, are_removed: bool) -> Finding:
    """Return the warning that names the copies, their count and their amount."""
    amounts = [column.name for column in table.schema.amounts if table.has(column.name)]
    money = f" ({amounts[0]} {found.amount:,.2f} in all)" if found.amount is not None else ""
    what = f"are copies of other rows, the same in every column{money}; "
    what += "one of each counts" if are_removed else "each of them counts"
    fix = "load each row once; a column with an id tells real rows from copies"
    counted = (found.rows, found.total, found.example)
    return finding("copied_rows", table, "", what, counted, fix, level="warning")


def period_id(table: OpenTable) -> str:
    """Return the id that several rows of a table may share, as those of one contract do."""
    name = _PERIOD_IDS.get(table.schema.name, "")
    return name if name and table.has(name) else ""


def row_id(table: OpenTable) -> str:
    """Return the column whose values should each be in one row; empty where there is none."""
    declared = table.schema.key[0] if table.schema.key else _IDS.get(table.schema.name, "")
    return declared if declared and table.has(declared) else ""


def latest_versions(
    connection: duckdb.DuckDBPyConnection, table: OpenTable
) -> tuple[OpenTable, list[Finding]]:
    """Return a table with the latest version of each row, and the number of earlier ones.

    The latest is the one that reached the warehouse last (known_at), or else, among rows with the
    account and time in common, the one with the latest of the other times. Where neither decides
    between rows that differ, that is an error. The row that stays is known from when its first
    version was.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the table is open.
    table : OpenTable
        A table with a `row_id`.
    """
    key = quoted(row_id(table))
    if table.fresh == "" or not may_repeat(connection, table.view, key):
        return table, []
    _note_versions(connection, table, key)
    rows, open_rows, keys, example, open_example = one_row(connection, _VERSIONS)
    if not rows:
        return table, []
    total = int(one_row(connection, f"SELECT count(*) FROM {table.view}")[0])
    column = row_id(table)
    if open_rows and table.schema.key:
        what = "is in several rows that differ, and nothing shows which of them is the latest"
        fix = (
            "map known_at to the time at which a row was written, or keep one row of each with "
            f"sql: select distinct on ({column}) *"
        )
        counted = (int(open_rows), total, open_example)
        return table, [finding("duplicate_key", table, column, what, counted, fix)]
    noted = note_on_versions(table, (int(rows), total, example), int(keys))
    return _without_earlier(connection, table, key), [noted]


def note_on_versions(table: OpenTable, counted: tuple[int, int, Any], keys: int) -> Finding:
    """Return the warning that several rows have one id: earlier rows, total and example; ids."""
    column = row_id(table)
    what = f"is in several rows for {keys:,} of its values; the latest row of each counts"
    fix = f"load each row once, or use sql: select distinct on ({column}) *"
    return finding("duplicate_id", table, column, what, counted, fix, level="warning")


def _note_versions(connection: duckdb.DuckDBPyConnection, table: OpenTable, key: str) -> None:
    """Make the temporary table `versions`: the rows of ids that are in several rows."""
    at, names = table.schema.dated_by, [column.name for column in table.columns]
    later = [
        quoted(c.name) for c in table.columns if c.kind == "time" and c.name not in (at, "known_at")
    ]
    version = f"greatest({', '.join(later)})" if later else "NULL"
    known = "known_at" if table.has("known_at") else "NULL"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE versions AS SELECT *, {key} AS _key, "
        f"hash({', '.join(map(quoted, names))}) AS _hash, CAST({known} AS TIMESTAMP) AS _known, "
        f"{quoted(at)} AS _at, rank() OVER (PARTITION BY {key} ORDER BY {known} DESC NULLS LAST, "
        f"{version} DESC NULLS LAST) AS _place FROM {table.view} WHERE {key} IN (SELECT {key} "
        f"FROM {table.view} WHERE {key} IS NOT NULL GROUP BY 1 HAVING count(*) > 1)"
    )


_VERSIONS = """
SELECT sum(n - 1), sum(n) FILTER (is_open), count(*), min(_key), min(_key) FILTER (is_open)
FROM (
    SELECT _key, count(*) AS n,
        count(DISTINCT _hash) FILTER (_place = 1) > 1 OR (count(_known) < count(*)
        AND (count(DISTINCT account_id) > 1 OR count(DISTINCT _at) > 1)) AS is_open
    FROM temp.versions GROUP BY 1
)
"""


def _without_earlier(
    connection: duckdb.DuckDBPyConnection, table: OpenTable, key: str
) -> OpenTable:
    known = ""
    if table.has("known_at"):
        known = "REPLACE (min(known_at) OVER (PARTITION BY _key) AS known_at)"
    latest = (
        f"SELECT * EXCLUDE (_key, _hash, _known, _at, _place) {known} FROM temp.versions "
        "QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _place, _hash) = 1"
    )
    others = f"({key} IS NULL OR {key} NOT IN (SELECT _key FROM temp.versions))"
    name = internal_name(f"latest {table.schema.name}")
    connection.execute(
        f"CREATE TABLE {name} AS SELECT * FROM {table.view} WHERE {others} "
        f"UNION ALL BY NAME ({latest})"
    )
    connection.execute("DROP TABLE temp.versions")
    if table.is_copy:
        connection.execute(f"DROP TABLE {table.view}")
    return replace(table, view=name, is_copy=True, plain=None, fresh=None, whole="")
