"""Rows of accounts that accounts does not know, or from before the account was created."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from features.casting import quoted
from features.checks import Connection, OpenTable, finding, one_row
from features.errors import Finding

_AFTER_SIGNUP = {
    "usage": ("usage_before_signup", "occurred_at"),
    "tickets": ("tickets_before_signup", "opened_at"),
    "subscriptions": ("subscriptions_before_signup", "started_at"),
}


def check_accounts(
    connection: Connection, table: OpenTable, tables: Mapping[str, OpenTable]
) -> Iterator[Finding]:
    """Tell rows of unknown accounts, and rows from before their account was created.

    When use began is told with when it was paid for (`check_times.check_use`).

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are open; nobody else uses it.
    table : OpenTable
        The table.
    tables : mapping of str to OpenTable
        Without accounts there is nothing to tell.
    """
    accounts = tables.get("accounts")
    if accounts is None or table is accounts:
        return
    table = _by_account(connection, table)
    yield from _unknown(connection, table, accounts)
    if table.schema.name in _AFTER_SIGNUP and table.schema.name != "usage":
        early = days_before_signup(connection, table, accounts)
        yield from told_before_signup(
            connection, table, rows_within(connection, table.dated, early)
        )


def _by_account(connection: Connection, table: OpenTable) -> OpenTable:
    """Count a table's rows by account, once for all rules."""
    if table.spans:
        return table
    at = quoted(table.schema.dated_by)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE spans AS SELECT account_id, count(*) AS n, "
        f"min({at}) AS first, max({at}) AS last FROM {table.view} GROUP BY 1"
    )
    return replace(table, spans="temp.spans")


def _unknown(connection: Connection, table: OpenTable, accounts: OpenTable) -> Iterator[Finding]:
    """Tell rows of accounts that accounts does not know: a join would silently drop them."""
    held = f"(SELECT account_id AS key, n FROM {table.by_account} WHERE account_id IS NOT NULL)"
    known = f"(SELECT account_id AS key FROM {accounts.view} WHERE account_id IS NOT NULL)"
    rows, ids, example = one_row(
        connection,
        f"SELECT coalesce(sum(n), 0), count(DISTINCT key), min(key) FROM {held} ANTI JOIN {known} "
        "USING (key)",
    )
    first_known = one_row(connection, f"SELECT min(key) FROM {known}")[0] if rows else None
    if first_known is None:
        return
    # Cases, signs and leading zeros are how two systems write one key differently.
    bare = "regexp_replace(regexp_replace(lower({0}), '[^a-z0-9]', '', 'g'), '0*([0-9]+)', '\\1')"
    alike, total = one_row(
        connection,
        f"SELECT (SELECT count(DISTINCT u.key) FROM {held} u ANTI JOIN {known} USING (key) "
        f"WHERE {bare.format('u.key')} IN (SELECT {bare.format('key')} FROM {known})), "
        f"(SELECT sum(n) FROM {table.by_account})",
    )
    what = f"{ids:,} ids that accounts does not know"
    fix = f"accounts has ids like {first_known!r}: "
    if alike:
        fix += (
            f"{alike:,} of the {ids:,} match but for case, signs or leading zeros, so bring "
            "both to one format with sql"
        )
    else:
        fix += "add them there, leave them out with sql, or mend the format of the key"
    counted = (int(rows), int(total), example)
    yield finding("unknown_account", table, "account_id", what, counted, fix)


def days_before_signup(connection: Connection, table: OpenTable, accounts: OpenTable) -> pa.Table:
    """Return the days that an account has rows of from before the day it was created.

    Returns
    -------
    pa.Table
        key (the account), since and past: days, the last one excluded. No row of most accounts.
    """
    created = "SELECT account_id, min(date_trunc('day', created_at)) AS day "
    created += f"FROM {accounts.view} GROUP BY 1"
    return connection.sql(
        "SELECT a.account_id AS key, date_trunc('day', min(s.first)) AS since, "
        f"min(a.day) AS past FROM {table.by_account} s JOIN ({created}) a "
        "ON a.account_id = s.account_id AND s.first < a.day GROUP BY 1"
    ).to_arrow_table()


def rows_within(connection: Connection, rows: str, days: pa.Table) -> pa.Table:
    """Count rows that lie on some days of a key.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where they are.
    rows : str
        SQL of the rows as key or account_id, moment and n.
    days : pa.Table
        key, since and past, as `days_before_signup` tells them.

    Returns
    -------
    pa.Table
        key and n, of keys with a row there.
    """
    if not len(days):
        return pa.table({"key": pa.array([], pa.string()), "n": pa.array([], pa.int64())})
    connection.register("days", days)
    try:
        return connection.sql(
            f"SELECT d.key, CAST(sum(r.n) AS BIGINT) AS n FROM {rows} r JOIN days d "
            "ON d.key = r.key AND r.moment >= d.since AND r.moment < d.past GROUP BY 1"
        ).to_arrow_table()
    finally:
        connection.unregister("days")


def told_before_signup(
    connection: Connection, table: OpenTable, early: pa.Table
) -> Iterator[Finding]:
    """Tell rows dated before the day on which their account was created: key and n."""
    if not len(early):
        return
    code, column = _AFTER_SIGNUP[table.schema.name]
    what = f"lies before the account was created, for {len(early):,} accounts"
    fix = "check accounts.created_at; the rows count as they are dated"
    total = one_row(connection, f"SELECT sum(n) FROM {table.by_account}")[0]
    counted = (pc.sum(early["n"]).as_py(), int(total), pc.min(early["key"]).as_py())
    yield finding(code, table, column, what, counted, fix, level="warning")
