"""A table's rows counted by account and day once, for every rule that asks for them."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from features.checks.findings import Connection, OpenTable, Within
from features.tables.casting import quoted
from features.tables.connection import internal_name


def counted_by_day(connection: Connection, table: OpenTable) -> OpenTable:
    """Count a table's rows by account, and by account and day, once for all rules."""
    days, spans, at = _counts("days"), _counts("spans"), quoted(table.schema.dated_by)
    connection.execute(
        f"CREATE TABLE {days} AS SELECT account_id, date_trunc('day', {at}) AS moment, "
        f"count(*) AS n, min({at}) AS first, max({at}) AS last FROM {table.view} GROUP BY 1, 2"
    )
    connection.execute(
        f"CREATE TABLE {spans} AS SELECT account_id, sum(n) AS n, min(first) AS first, "
        f"max(last) AS last FROM {days} GROUP BY 1"
    )
    calendar = "(SELECT moment AS day, max(last) AS last, sum(n) AS n "
    calendar += f"FROM {days} WHERE moment IS NOT NULL GROUP BY 1)"
    return replace(table, days=days, spans=spans, calendar=calendar)


def counted_before(
    connection: Connection,
    table: OpenTable,
    spans: pa.Table,
    calendar: pa.Table | None,
    within: Within,
) -> OpenTable:
    """Take the counts of a table's rows as they were kept of earlier runs.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the table is open.
    table : OpenTable
        The table.
    spans : pa.Table
        By account: account_id, n, first and last.
    calendar : pa.Table, optional
        By day: day, n and last; None where nobody looks for the end of the data.
    within : callable
        As in `OpenTable`.
    """
    return replace(
        table,
        spans=_copied(connection, "spans", spans),
        calendar="" if calendar is None else _copied(connection, "calendar", calendar),
        within=within,
    )


def recounted(connection: Connection, table: OpenTable, accounts: OpenTable) -> OpenTable:
    """Leave the rows of accounts that accounts does not know out of a table's counts.

    `table.view` has none of them any more.
    """
    known = f"account_id IN (SELECT account_id FROM {accounts.view})"
    for counts in (table.days, table.spans):
        if counts:
            connection.execute(f"DELETE FROM {counts} WHERE ({known}) IS NOT TRUE")
    if not table.calendar or table.days:
        # Without kept roll-ups the calendar is made of the days.
        return table
    at = quoted(table.schema.dated_by)
    connection.execute(
        f"CREATE OR REPLACE TABLE {table.calendar} AS SELECT date_trunc('day', {at}) AS day, "
        f"max({at}) AS last, count(*) AS n FROM {table.view} WHERE {at} IS NOT NULL GROUP BY 1"
    )
    return table


def _copied(connection: Connection, name: str, counts: pa.Table) -> str:
    """Copy counts into the engine; return their SQL name."""
    connection.register("counts", counts)
    connection.execute(f"CREATE TABLE {_counts(name)} AS SELECT * FROM counts")
    connection.unregister("counts")
    return _counts(name)


def drop_counts(connection: Connection) -> None:
    """Let go of the counts: no rule is left that asks for them."""
    for name in ("days", "spans", "calendar"):
        connection.execute(f"DROP TABLE IF EXISTS {_counts(name)}")


def _counts(name: str) -> str:
    return internal_name(f"counted {name}")
