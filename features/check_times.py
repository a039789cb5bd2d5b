"""Rows outside the time in which their account, or their subscription, was there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from features.checks import Connection, OpenTable, copied, finding, one_row
from features.connection import own_name
from features.errors import Finding

_AFTER_SIGNUP = {
    "usage": ("usage_before_signup", "occurred_at"),
    "tickets": ("tickets_before_signup", "opened_at"),
    "subscriptions": ("subscriptions_before_signup", "started_at"),
}

_PAID = "mrr > 0"
#: When each key was held, what was used by key, and the keys that are looked at closely.
_HELD, _USED, _DOUBTFUL = map(own_name, ("held times", "used keys", "doubtful keys"))


def check_times(connection: Connection, tables: Mapping[str, OpenTable]) -> list[Finding]:
    """Tell rows from before their account was created, and use that nothing was paid for.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are open.
    tables : mapping of str to OpenTable
        The tables that could be opened; a rule whose tables are not among them is left out.
    """
    if "usage" in tables and "subscriptions" in tables:
        _find_doubtful(connection, tables["usage"], tables["subscriptions"])
    tables = _with_days(connection, tables)
    found = [f for name in _AFTER_SIGNUP for f in _before_signup(connection, name, tables)]
    found += _usage_outside(connection, tables)
    for name in (_HELD, _USED, _DOUBTFUL):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    return found


def _with_days(connection: Connection, tables: Mapping[str, OpenTable]) -> Mapping[str, OpenTable]:
    """Look up the days of those accounts alone that the rules may concern."""
    usage = tables.get("usage")
    if usage is None or usage.days_of is None:
        return tables
    queries = ["SELECT NULL AS account_id"]
    if "accounts" in tables:
        early = _early(usage, tables["accounts"])
        queries.append(f"(WITH {early} SELECT account_id FROM early)")
    if "subscriptions" in tables and _key(usage, tables["subscriptions"]) == "account_id":
        queries.append(f"SELECT key FROM {_DOUBTFUL}")
    rows = connection.execute(" UNION ".join(queries)).fetchall()
    accounts = [account for (account,) in rows if account is not None]
    days = copied(connection, "days", usage.days_of(accounts))
    return {**tables, "usage": replace(usage, days=days)}


def _before_signup(
    connection: Connection, name: str, tables: Mapping[str, OpenTable]
) -> Iterator[Finding]:
    """Tell rows dated before the day on which their account was created."""
    table, accounts = tables.get(name), tables.get("accounts")
    if table is None or accounts is None:
        return
    code, column = _AFTER_SIGNUP[name]
    early = _early(table, accounts)
    # Of most accounts there is none: no row is looked at then.
    if not one_row(connection, f"WITH {early} SELECT count(*) FROM early")[0]:
        return
    row = one_row(
        connection,
        f"WITH {early} SELECT sum(CASE WHEN t.moment < e.day THEN n END), "
        f"(SELECT sum(n) FROM {table.by_account}), min(t.account_id), "
        f"count(DISTINCT t.account_id) FROM {table.dated} t "
        "JOIN early e ON e.account_id = t.account_id",
    )
    if row[0]:
        what = f"lies before the account was created, for {row[3]:,} accounts"
        fix = "check accounts.created_at; the rows count as they are dated"
        counted = (int(row[0]), int(row[1]), row[2])
        yield finding(code, table, column, what, counted, fix, level="warning")


def _usage_outside(connection: Connection, tables: Mapping[str, OpenTable]) -> Iterator[Finding]:
    """Tell use outside its subscription's dates, or outside every paid date of the account."""
    usage, held = tables.get("usage"), tables.get("subscriptions")
    if usage is None or held is None:
        return
    key, rows = _key(usage, held), usage.dated
    what = "lies outside every paid date of its account"
    if key == "subscription_id":
        what = "lies outside the dates of its subscription"
        rows = f"(SELECT subscription_id, occurred_at AS moment, 1 AS n FROM {usage.view})"
    if not one_row(connection, f"SELECT count(*) FROM {_DOUBTFUL}")[0]:
        return
    # Held times do not overlap: an event lies in one of them at most, so that events need no
    # more than counting.
    row = one_row(
        connection,
        "WITH inside AS (SELECT u.key, sum(u.n) AS n FROM "
        f"(SELECT {key} AS key, moment, n FROM {rows} WHERE moment IS NOT NULL) u "
        f"SEMI JOIN {_DOUBTFUL} USING (key) JOIN {_HELD} h ON h.key = u.key "
        "AND u.moment >= h.first AND u.moment < h.past GROUP BY 1) "
        f"SELECT sum(e.n - coalesce(i.n, 0)), (SELECT sum(n) FROM {_USED}), "
        "min(CASE WHEN e.n > coalesce(i.n, 0) THEN e.key END) "
        f"FROM {_DOUBTFUL} e LEFT JOIN inside i ON i.key = e.key",
    )
    if row[0]:
        counted = (int(row[0]), int(row[1]), f"{key} {row[2]}")
        fix = "check the dates; the rows count as use of the account"
        code = "usage_outside_subscription"
        yield finding(code, usage, "occurred_at", what, counted, fix, level="warning")


def _key(usage: OpenTable, held: OpenTable) -> str:
    """Return what use is held against its subscription by."""
    both = usage.has("subscription_id") and held.has("subscription_id")
    return "subscription_id" if both else "account_id"


def _find_doubtful(connection: Connection, usage: OpenTable, held: OpenTable) -> None:
    """Find the keys that are not used within one held time alone.

    Most are, and none of their events is looked at.
    """
    key, paid, spans = _key(usage, held), _PAID, usage.by_account
    if key == "subscription_id":
        paid, at = "true", "occurred_at"
        spans = f"(SELECT subscription_id, 1 AS n, {at} AS first, {at} AS last FROM {usage.view})"
    made = "CREATE OR REPLACE TABLE"
    connection.execute(f"{made} {_HELD} AS {_disjoint(held, key, paid)}")
    connection.execute(
        f"{made} {_USED} AS SELECT {key} AS key, sum(n) AS n, min(first) AS first, "
        f"max(last) AS last FROM {spans} WHERE {key} IS NOT NULL AND first IS NOT NULL GROUP BY 1"
    )
    connection.execute(
        f"{made} {_DOUBTFUL} AS SELECT key, n FROM {_USED} ANTI JOIN (SELECT u.key FROM {_USED} u "
        f"JOIN {_HELD} h ON h.key = u.key AND u.first >= h.first AND u.last < h.past) USING (key)"
    )


def _early(table: OpenTable, accounts: OpenTable) -> str:
    """Return SQL of the accounts that have rows from before they were created: early."""
    return (
        "first AS (SELECT account_id, min(date_trunc('day', created_at)) AS day FROM "
        f"{accounts.view} GROUP BY 1), "
        f"early AS (SELECT DISTINCT s.account_id, f.day FROM {table.by_account} s "
        "JOIN first f ON f.account_id = s.account_id WHERE s.first < f.day)"
    )


def _disjoint(held: OpenTable, key: str, paid: str) -> str:
    """Return SQL of the days on which each key was held, overlapping rows made one.

    From the day of the start to the day of the end, both included: columns key, first, past.
    """
    return (
        f"WITH days AS (SELECT {key} AS key, date_trunc('day', started_at) AS first, "
        "coalesce(date_trunc('day', ended_at) + INTERVAL 1 DAY, TIMESTAMP '9999-12-31') AS past "
        f"FROM {held.view} WHERE {key} IS NOT NULL AND started_at IS NOT NULL AND {paid}), "
        "reached AS (SELECT key, first, past, max(past) OVER (PARTITION BY key ORDER BY first, "
        "past ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM days), "
        "numbered AS (SELECT key, first, past, sum(CASE WHEN before >= first THEN 0 ELSE 1 END) "
        "OVER (PARTITION BY key ORDER BY first, past ROWS UNBOUNDED PRECEDING) AS spell "
        "FROM reached) "
        "SELECT key, min(first) AS first, max(past) AS past FROM numbered GROUP BY key, spell"
    )
