"""What changes within a table at once: columns that are empty from a day on, amounts in a new unit.

And times without a history of their own: that no row has, or that are the day of an import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise

from features.checks.findings import Connection, OpenTable, finding, one_row
from features.errors import Finding
from features.tables.casting import literal, quoted

#: Columns that are known as soon as their row is. A time at which a ticket is solved comes later,
#: so that the newest rows are without it.
_AT_ONCE = {
    "usage": ("user_id", "quantity", "duration_s"),
    "tickets": ("requester_id", "priority", "channel"),
    "surveys": ("score", "respondent_id", "role"),
    "orders": ("product",),
    "interactions": ("direction", "contact_id"),
}
#: In the last days before the end of the data, so many rows are without a value by chance only
#: if few rows before them had one.
_DAYS, _LEAST_ROWS, _USUAL = (7, 28), 20, 0.5
#: Times that an import into another system writes into all of its rows: with the time before which
#: they cannot be, what follows, and the remedy.
_IMPORTED = {
    "contacts": (
        "created_at",
        "",
        "everybody counts as new on that day, and as absent before it",
        "map the time since which each person is a contact, or leave created_at empty",
    ),
    "tickets": (
        "solved_at",
        "opened_at",
        "they count as open until then, and as slowly solved",
        "map the time at which each ticket was solved, or leave these tickets out with sql",
    ),
}
#: Amounts whose median in a month is so many times that of the month before, with so many rows at
#: least, are in another unit.
_UNIT, _LEAST_OF_MONTH = 30, 10
_LOADED = "nothing of them is known on earlier dates, from which models learn"
_LOADED_FIX = "leave known_at out of the rows that were loaded at once, with sql, or of the table"
#: The times that end what a row began, the time from which it lasts, and what it is without an end.
_ENDS = {
    "tickets": (("first_solved_at", "solved_at", "closed_at"), "opened_at", "open"),
    "invoices": (("paid_at",), "due_at", "overdue"),
}
_LONG_AGO = "INTERVAL 30 DAY"


def check_histories(
    connection: Connection, tables: Mapping[str, OpenTable], end: datetime | None
) -> Iterator[Finding]:
    """Report columns that are empty from a day on, and times that are most rows' same day.

    Parameters
    ----------
    connection, tables : duckdb.DuckDBPyConnection, mapping of str to OpenTable
        The tables by name, and where they are open.
    end : datetime or None
        `observed_until`; without it only the times are looked at.
    """
    for table in tables.values():
        name, at = table.schema.name, table.schema.dated_by
        if name in _ENDS and end is not None:
            yield from _never_ended(connection, table, *_ENDS[name], end)
        if name in _IMPORTED:
            yield from _imported(connection, table, *_IMPORTED[name])
        if not table.is_copy and table.plain is None:
            # Such a large file would be read once more.
            continue
        columns = [column for column in _AT_ONCE.get(name, ()) if table.has(column, at)]
        if columns and end is not None:
            yield from _emptied(connection, table, columns, end)
        for amount in (column for column in table.schema.amounts if table.has(column.name, at)):
            yield from _jumped(connection, table, amount.name)
        yield from _imported(connection, table, "known_at", at, _LOADED, _LOADED_FIX)


def _emptied(
    connection: Connection, table: OpenTable, columns: list[str], end: datetime
) -> Iterator[Finding]:
    at, until = quoted(table.schema.dated_by), f"TIMESTAMP {literal(str(end))}"
    lately = [f"{at} >= {until} - INTERVAL {days} DAY" for days in _DAYS]
    counted = one_row(
        connection,
        "SELECT "
        + ", ".join(
            f"count({value}) FILTER ({recent})"
            for recent in lately
            for value in ("*", *map(quoted, columns))
        )
        + f" FROM {table.view} WHERE {lately[-1]} AND {at} < {until}",
    )
    width = len(columns) + 1
    by_days = [counted[place : place + width] for place in range(0, len(counted), width)]
    rows = next((found for found in by_days if found[0] >= _LEAST_ROWS), None)
    if rows is None:
        return
    for column in (name for name, filled in zip(columns, rows[1:], strict=True) if not filled):
        yield from _empty_since(connection, table, column, until)


def _empty_since(
    connection: Connection, table: OpenTable, column: str, until: str
) -> Iterator[Finding]:
    """Report a column without a recent value, if it usually had one."""
    at, value = quoted(table.schema.dated_by), quoted(column)
    known = f"{value} IS NOT NULL AND {at} < {until}"
    (last,) = one_row(connection, f"SELECT max({at}) FROM {table.view} WHERE {known}")
    if last is None:
        return
    moment = f"TIMESTAMP {literal(str(last))}"
    is_after = f"FILTER ({at} > {moment} AND {at} < {until})"
    after, example, before, filled, total = one_row(
        connection,
        f"SELECT count(*) {is_after}, min(account_id) {is_after}, "
        f"count(*) FILTER ({at} <= {moment}), count({value}) FILTER ({at} <= {moment}), count(*) "
        f"FROM {table.view}",
    )
    if filled <= _USUAL * before:
        return
    what = (
        f"is empty in every row after {last:%Y-%m-%d}, and was filled in {filled / before:.0%} of "
        "those before: rows still arrive, but without this value"
    )
    fix = "look whether the export renamed or dropped the column, and load these rows again"
    counted = (int(after), int(total), f"account_id {example}")
    yield finding("emptied_column", table, column, what, counted, fix, level="warning")


def _jumped(connection: Connection, table: OpenTable, column: str) -> Iterator[Finding]:
    """Report amounts that are many times larger or smaller from one month to the next."""
    size = f"abs({quoted(column)})"
    months = connection.execute(
        f"SELECT date_trunc('month', {quoted(table.schema.dated_by)}) AS month, median({size}), "
        f"count(*) FROM {table.view} WHERE {size} > 0 GROUP BY 1 "
        f"HAVING count(*) >= {_LEAST_OF_MONTH} ORDER BY 1"
    ).fetchall()
    for (_, before, _), (month, after, rows) in pairwise(months):
        if month is None or max(after / before, before / after) < _UNIT:
            continue
        (total,) = one_row(connection, f"SELECT count(*) FROM {table.view}")
        what = (
            f"has a median of {after:,.2f} in {month:%Y-%m} and of {before:,.2f} in the month "
            "before: the amounts look as if they were in another unit, such "
            "as cents"
        )
        fix = f"convert them to one unit with sql, e.g. {column} / 100.0 as {column}"
        counted = (int(rows), int(total), f"{after:,.2f}")
        yield finding("amounts_jump", table, column, what, counted, fix, level="warning")
        return


def _never_ended(
    connection: Connection,
    table: OpenTable,
    ends: tuple[str, ...],
    start: str,
    state: str,
    end: datetime,
) -> Iterator[Finding]:
    """Report a table in which nothing that began long ago ever ended."""
    ends = tuple(name for name in ends if table.has(name))
    if not ends or not table.has(start):
        return
    limit = f"TIMESTAMP {literal(str(end))} - {_LONG_AGO}"
    ended, rows, total, example = one_row(
        connection,
        f"SELECT count(coalesce({', '.join(map(quoted, ends))})), "
        f"count(*) FILTER ({quoted(start)} < {limit}), count(*), min(account_id) "
        f"FROM {table.view}",
    )
    if ended or rows < _LEAST_ROWS:
        return
    what = f"is empty in every row, so that each of them counts as {state}"
    fix = f"load the times, or leave the column out where they are not recorded: {', '.join(ends)}"
    counted = (int(total), int(total), f"account_id {example}")
    yield finding("never_ended", table, ends[-1], what, counted, fix, level="warning")


def _imported(
    connection: Connection, table: OpenTable, column: str, start: str, effect: str, fix: str
) -> Iterator[Finding]:
    if not table.has(column, *filter(None, [start])):
        return
    day = f"date_trunc('day', {quoted(column)})"
    began = f" AND {quoted(start)} < {day}" if start else ""
    found = connection.execute(
        f"SELECT {day} AS day, count(*) AS n, (SELECT count({quoted(column)}) FROM {table.view}) "
        f"FROM {table.view} WHERE {quoted(column)} IS NOT NULL{began} "
        "GROUP BY 1 ORDER BY n DESC, day LIMIT 1"
    ).fetchall()
    if not found:
        return
    same, rows, total = found[0]
    if rows < _LEAST_ROWS or rows <= _USUAL * total:
        return
    what = f"is on {same:%Y-%m-%d} in most rows, as if they were imported then: {effect}"
    yield finding("import_day", table, column, what, (rows, total, same), fix, level="warning")
