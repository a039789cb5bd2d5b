"""Usage outside the time in which its account or its subscription existed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from features.checks.accounts import (
    before_signup,
    days_before_signup,
    doubtful_accounts,
    rows_within,
    unknown_values,
)
from features.checks.findings import Connection, OpenTable, finding, one_row
from features.errors import Finding

_PAID = "mrr > 0"
_NO_DAYS = pa.table(
    {
        "key": pa.array([], pa.string()),
        "since": pa.array([], pa.timestamp("us")),
        "past": pa.array([], pa.timestamp("us")),
    }
)


def check_use(connection: Connection, tables: Mapping[str, OpenTable]) -> Iterator[Finding]:
    """Report usage by unknown accounts, before their creation, and outside paid dates.

    Parameters
    ----------
    connection, tables : duckdb.DuckDBPyConnection, mapping of str to OpenTable
        The tables that could be opened, by name, and where. A rule whose tables are absent is left
        out.
    """
    usage, accounts, paid_rows = (
        tables.get(name) for name in ("usage", "accounts", "subscriptions")
    )
    if usage is None:
        return
    early = unpaid = _NO_DAYS
    if accounts is not None:
        doubtful = doubtful_accounts(connection, usage, accounts)
        yield from unknown_values(connection, usage, accounts, doubtful)
        early = days_before_signup(doubtful)
    key = _key(usage, paid_rows) if paid_rows else "account_id"
    if paid_rows is not None:
        unpaid = _days_outside(connection, usage, paid_rows, key)
    if key == "subscription_id":
        rows = f"(SELECT subscription_id AS key, occurred_at AS moment, 1 AS n FROM {usage.view})"
        (outside,) = rows_within(connection, rows, unpaid)
        (early_rows,) = rows_within(connection, usage.dated, early)
    else:
        outside, early_rows = rows_within(connection, usage.dated, unpaid, early)
    yield from before_signup(connection, usage, early_rows)
    if len(outside):
        yield _outside_periods(connection, usage, key, outside)


def _outside_periods(
    connection: Connection, usage: OpenTable, key: str, outside: pa.Table
) -> Finding:
    """Return the warning on usage outside its subscription's dates, or outside all paid dates."""
    what = "is outside every paid date of its account"
    if key == "subscription_id":
        what = "is outside the dates of its subscription"
    total = one_row(connection, f"SELECT sum(n) FROM {_used(usage, key)}")[0]
    counted = (pc.sum(outside["n"]).as_py(), int(total), f"{key} {pc.min(outside['key'])}")
    fix = "check the dates; the rows count as use of the account"
    code = "usage_outside_subscription"
    return finding(code, usage, "occurred_at", what, counted, fix, level="warning")


def _key(usage: OpenTable, subscriptions: OpenTable) -> str:
    """Return the column by which usage is compared with subscriptions."""
    both = usage.has("subscription_id") and subscriptions.has("subscription_id")
    return "subscription_id" if both else "account_id"


def _days_outside(
    connection: Connection, usage: OpenTable, subscriptions: OpenTable, key: str
) -> pa.Table:
    """Return the days between the first and the last use of a key without a paid row.

    Most keys are used within one row's dates alone, and none of their events is looked at.
    """
    paid_days = _paid(subscriptions, key)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE doubtful AS SELECT u.* FROM {_used(usage, key)} u "
        f"ANTI JOIN {paid_days} h ON h.key = u.key AND u.first >= h.first AND u.past <= h.past"
    )
    days = connection.sql(_GAPS.format(paid=paid_days)).to_arrow_table()
    connection.execute("DROP TABLE temp.doubtful")
    return days


def _used(usage: OpenTable, key: str) -> str:
    """Return SQL of each key's rows: key, n, the first day and the day after the last one."""
    spans = usage.spans if key == "account_id" else ""
    if not spans:
        spans = (
            f"(SELECT {key}, count(*) AS n, min(occurred_at) AS first, max(occurred_at) AS last "
        )
        spans += f"FROM {usage.view} GROUP BY 1)"
    return (
        f"(SELECT {key} AS key, n, date_trunc('day', first) AS first, "
        "date_trunc('day', last) + INTERVAL 1 DAY AS past "
        f"FROM {spans} WHERE {key} IS NOT NULL AND first IS NOT NULL)"
    )


def _paid(subscriptions: OpenTable, key: str) -> str:
    """Return SQL of the days of each paid row of a key: key, first and past."""
    paid = "true" if key == "subscription_id" else _PAID
    return (
        f"(SELECT {key} AS key, date_trunc('day', started_at) AS first, "
        "coalesce(date_trunc('day', ended_at) + INTERVAL 1 DAY, TIMESTAMP '9999-12-31') AS past "
        f"FROM {subscriptions.view} WHERE {key} IS NOT NULL AND started_at IS NOT NULL AND {paid} "
        "AND (ended_at IS NULL OR ended_at >= date_trunc('day', started_at)))"
    )


#: Days of doubtful keys before, between and after their paid days: rows that
#: overlap or touch are made one first. A row of no day, at the end of each key, is followed by
#: the last gap; one that starts where none was paid goes before the first.
_GAPS = """
WITH known AS (SELECT h.key, h.first, h.past FROM {paid} h SEMI JOIN temp.doubtful USING (key)),
edges AS (
    SELECT key, first, past FROM known
    UNION ALL SELECT key, past AS first, past FROM temp.doubtful
),
reached AS (
    SELECT key, first, max(past) OVER (
        PARTITION BY key ORDER BY first, past ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS before FROM edges
)
SELECT * FROM (
    SELECT r.key, greatest(u.first, coalesce(r.before, u.first)) AS since,
        least(u.past, r.first) AS past FROM reached r JOIN temp.doubtful u USING (key)
) WHERE since < past
"""
