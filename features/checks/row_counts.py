"""A table's rows counted by account and day once, for every rule that asks for them."""

from __future__ import annotations

from dataclasses import replace

from features.checks.findings import Connection, OpenTable
from features.tables.casting import quoted
from features.tables.connection import internal_name


def counted_by_day(
    connection: Connection, table: OpenTable, kept: str = "", kept_spans: str = ""
) -> OpenTable:
    """Count a table's rows by account, and by account and day, once for all rules.

    Parameters
    ----------
    connection, table : duckdb.DuckDBPyConnection, OpenTable
        A table, and where it is open.
    kept : str
        SQL of roll-ups by account and day, where they are kept of earlier runs: account_id, day,
        records, first and last.
    kept_spans : str
        SQL of the same by account, in several rows each.
    """
    days, spans, at = _counts("days"), _counts("spans"), quoted(table.schema.dated_by)
    if kept:
        # They are few enough to be read by each rule.
        days = of_days(kept)
    else:
        connection.execute(
            f"CREATE OR REPLACE TABLE {days} AS SELECT account_id, "
            f"date_trunc('day', {at}) AS moment, count(*) AS n, min({at}) AS first, "
            f"max({at}) AS last FROM {table.view} GROUP BY 1, 2"
        )
    n, source = ("records", f"({kept_spans})") if kept_spans else ("n", days)
    connection.execute(
        f"CREATE OR REPLACE TABLE {spans} AS SELECT account_id, CAST(sum({n}) AS BIGINT) AS n, "
        f"min(first) AS first, max(last) AS last FROM {source} GROUP BY 1"
    )
    return replace(table, days=days, spans=spans, calendar=_calendar(days))


def of_days(kept: str) -> str:
    """Return the SQL of kept roll-ups by account and day as `OpenTable.days` has them."""
    return (
        "(SELECT account_id, CAST(day AS TIMESTAMP) AS moment, CAST(records AS BIGINT) AS n, "
        f"first, last FROM ({kept}))"
    )


def recounted(connection: Connection, table: OpenTable, accounts: OpenTable) -> OpenTable:
    """Leave the rows of accounts that accounts does not know out of a table's counts."""
    if not table.spans:
        return table
    known = f"account_id IN (SELECT account_id FROM {accounts.view})"
    connection.execute(f"DELETE FROM {table.spans} WHERE ({known}) IS NOT TRUE")
    days = f"(SELECT * FROM {table.days} WHERE {known})"
    return replace(table, days=days, calendar=_calendar(days))


def _calendar(days: str) -> str:
    """Return the SQL of the rows of each day: day, n and the last time."""
    return (
        "(SELECT moment AS day, max(last) AS last, sum(n) AS n "
        f"FROM {days} WHERE moment IS NOT NULL GROUP BY 1)"
    )


def drop_counts(connection: Connection) -> None:
    """Drop the counts: no rule is left that reads them."""
    for name in ("days", "spans"):
        connection.execute(f"DROP TABLE IF EXISTS {_counts(name)}")


def _counts(name: str) -> str:
    return internal_name(f"counted {name}")
