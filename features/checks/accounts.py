"""Rows of accounts that accounts does not know, or from before the account was created."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.checks.findings import Connection, OpenTable, Rule, evaluate, finding, one_row
from features.errors import Finding, quantity

_AFTER_SIGNUP = {
    "usage": ("usage_before_signup", "occurred_at"),
    "tickets": ("tickets_before_signup", "opened_at"),
    "subscriptions": ("subscriptions_before_signup", "started_at"),
}
_NO_ROWS = pa.table({"key": pa.array([], pa.string()), "n": pa.array([], pa.int64())})


def check_accounts(
    connection: Connection, table: OpenTable, tables: Mapping[str, OpenTable]
) -> Iterator[Finding]:
    """Report rows of unknown accounts, and rows from before their account was created.

    Both are reported of usage by `times.check_use`.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are open; nobody else uses it.
    table : OpenTable
        The table.
    tables : mapping of str to OpenTable
        Without accounts nothing is reported.
    """
    accounts = tables.get("accounts")
    if accounts is None or table.schema.name in {"accounts", "usage"}:
        return
    doubtful = doubtful_accounts(connection, table, accounts)
    yield from unknown_values(connection, table, accounts, doubtful)
    # Rows of these tables are not counted by day: each that was found is from before that day.
    early = doubtful.filter(pc.is_valid(doubtful["past"])).select(["key", "n"])
    yield from before_signup(connection, table, early)


def check_parents(connection: Connection, tables: Mapping[str, OpenTable]) -> list[Finding]:
    """Report parents that are not accounts, and accounts that are parents of themselves.

    Portfolios by parent lack their head, or have no account at the top.
    """
    accounts = tables.get("accounts")
    if accounts is None or not accounts.has("account_id", "parent_id"):
        return []
    unknown = (
        "parent_id IS NOT NULL AND parent_id NOT IN "
        f"(SELECT account_id FROM {accounts.view} WHERE account_id IS NOT NULL)"
    )
    what = "is not the account_id of any account"
    fix = "add the parents to accounts, or convert both columns to one format with sql"
    rule = Rule("unknown_parent", "parent_id", unknown, "parent_id", what, fix, "warning")
    return [*evaluate(connection, accounts, [rule]), *_circular_parents(connection, accounts)]


def _circular_parents(connection: Connection, accounts: OpenTable) -> Iterator[Finding]:
    both = connection.sql(
        f"SELECT account_id, parent_id FROM {accounts.view} WHERE account_id IS NOT NULL"
    ).to_arrow_table()
    ids = both["account_id"].to_pylist()
    circular = np.flatnonzero(in_circles(ids, both["parent_id"].to_pylist()))
    if not len(circular):
        return
    what = "is the account itself, or leads back to it through other parents"
    fix = "correct the parents: the topmost account of a group has none"
    counted = (len(circular), len(ids), min(ids[place] for place in circular))
    yield finding("circular_parent", accounts, "parent_id", what, counted, fix, level="warning")


def in_circles(ids: Sequence[str], parents: Sequence[str | None]) -> npt.NDArray[np.bool_]:
    """Mark the accounts that are reached again from their own parent, however many lie between.

    Examples
    --------
    >>> in_circles(["a", "b", "c", "d"], ["b", "a", "a", "d"])
    array([ True,  True, False,  True])
    """
    top = len(ids)
    place = {account: n for n, account in enumerate(ids)}
    above = np.array([*(place.get(parent or "", top) for parent in parents), top], dtype=np.intp)
    # After as many steps as there are accounts, whoever is not at a top is going round in a circle.
    for _ in range(top.bit_length()):
        above = above[above]
    circular = np.zeros(top + 1, dtype=bool)
    circular[above] = True
    return circular[:top]


def doubtful_accounts(connection: Connection, table: OpenTable, accounts: OpenTable) -> pa.Table:
    """Return the accounts of a table that accounts does not know, or knows from a later day only.

    Returns
    -------
    pa.Table
        key (the account); n, the rows of an unknown one; since, the day of the first row; past,
        the day on which it was created, null of an unknown one. No row of most accounts.
    """
    if table.doubtful is not None:
        return table.doubtful
    if table.schema.name not in _AFTER_SIGNUP:
        # To look for unknown accounts alone takes two thirds of the time.
        return connection.sql(
            "SELECT s.account_id AS key, CAST(sum(s.n) AS BIGINT) AS n, "
            "date_trunc('day', min(s.first)) AS since, CAST(NULL AS TIMESTAMP) AS past "
            f"FROM {table.by_account} s ANTI JOIN {accounts.view} a USING (account_id) "
            "WHERE s.account_id IS NOT NULL GROUP BY 1"
        ).to_arrow_table()
    return connection.sql(
        "SELECT s.account_id AS key, CAST(sum(s.n) AS BIGINT) AS n, "
        "date_trunc('day', min(s.first)) AS since, min(a.day) AS past "
        f"FROM {table.by_account} s LEFT JOIN (SELECT account_id, "
        f"date_trunc('day', created_at) AS day FROM {accounts.view}) a "
        "ON a.account_id = s.account_id "
        "WHERE s.account_id IS NOT NULL AND (a.account_id IS NULL OR s.first < a.day) GROUP BY 1"
    ).to_arrow_table()


@dataclass(frozen=True)
class UnknownIds:
    """Ids of accounts that accounts does not know: how many, in how many rows, and the remedy."""

    ids: int
    rows: int
    example: str
    fix: str


def unknown_ids(
    connection: Connection, accounts: OpenTable, doubtful: pa.Table
) -> UnknownIds | None:
    """Return the unknown ids among doubtful accounts; None where there are none."""
    unknown = doubtful.filter(pc.is_null(doubtful["past"]))
    known = f"(SELECT account_id AS key FROM {accounts.view} WHERE account_id IS NOT NULL)"
    first_known = one_row(connection, f"SELECT min(key) FROM {known}")[0] if len(unknown) else None
    if first_known is None:
        return None
    # Cases, signs and leading zeros are how two systems write one key differently.
    bare = "regexp_replace(regexp_replace(lower({0}), '[^a-z0-9]', '', 'g'), '0*([0-9]+)', '\\1')"
    connection.register("unknown_keys", unknown)
    (alike,) = one_row(
        connection,
        f"SELECT count(*) FROM unknown_keys WHERE {bare.format('key')} IN "
        f"(SELECT {bare.format('key')} FROM {known})",
    )
    connection.unregister("unknown_keys")
    fix = f"accounts has ids like {first_known!r}: "
    if alike:
        fix += (
            f"{alike:,} of the {len(unknown):,} match but for case, signs or leading zeros, so "
            "convert both to one format with sql"
        )
    else:
        fix += "add them there, leave them out with sql, or correct the format of the key"
    rows, example = pc.sum(unknown["n"]).as_py(), pc.min(unknown["key"]).as_py()
    return UnknownIds(len(unknown), rows, example, fix)


def unknown_values(
    connection: Connection, table: OpenTable, accounts: OpenTable, doubtful: pa.Table
) -> Iterator[Finding]:
    """Report rows of accounts that accounts does not know: a join would silently drop them."""
    unknown = unknown_ids(connection, accounts, doubtful)
    if unknown is None:
        return
    what = f"{quantity(unknown.ids, 'id')} that accounts does not know"
    counted = (unknown.rows, _rows(connection, table), unknown.example)
    fix = f'{unknown.fix}; unmatched = "count" in tables.{table.schema.name} excludes these rows'
    yield finding("unknown_account", table, "account_id", what, counted, fix)


def days_before_signup(doubtful: pa.Table) -> pa.Table:
    """Return the days that an account has rows of from before the day it was created.

    Returns
    -------
    pa.Table
        key (the account), since and past: days, the last one excluded. No row of most accounts.
    """
    return doubtful.filter(pc.is_valid(doubtful["past"])).select(["key", "since", "past"])


def rows_within(connection: Connection, rows: str, *days: pa.Table) -> list[pa.Table]:
    """Count rows that lie on some days of a key, with one scan for several lists of days.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where they are.
    rows : str
        SQL of the rows as key, moment and n.
    *days : pa.Table
        Each key, since and past, as `days_before_signup` returns them.

    Returns
    -------
    list of pa.Table
        For each list of days: key and n, of keys with a row there.
    """
    listed = [
        table.select(["key", "since", "past"]).append_column("list", pa.array([n] * len(table)))
        for n, table in enumerate(days)
        if len(table)
    ]
    if not listed:
        return [_NO_ROWS] * len(days)
    connection.register("days", pa.concat_tables(listed, promote_options="permissive"))
    try:
        found = connection.sql(
            f"SELECT d.list, d.key, CAST(sum(r.n) AS BIGINT) AS n FROM {rows} r JOIN days d "
            "ON d.key = r.key AND r.moment >= d.since AND r.moment < d.past GROUP BY 1, 2"
        ).to_arrow_table()
    finally:
        connection.unregister("days")
    return [found.filter(pc.equal(found["list"], n)).drop("list") for n in range(len(days))]


def before_signup(connection: Connection, table: OpenTable, early: pa.Table) -> Iterator[Finding]:
    """Report rows dated before the day on which their account was created: key and n."""
    if not len(early):
        return
    code, column = _AFTER_SIGNUP[table.schema.name]
    what = f"is before the account was created, for {quantity(len(early), 'account')}"
    fix = "check accounts.created_at; the rows count as they are dated"
    if table.schema.name == "subscriptions":
        what += "; an account exists from the start of its first paid contract"
    rows, example = pc.sum(early["n"]).as_py(), pc.min(early["key"]).as_py()
    counted = (rows, _rows(connection, table), example)
    yield finding(code, table, column, what, counted, fix, level="warning")


def _rows(connection: Connection, table: OpenTable) -> int:
    return int(one_row(connection, f"SELECT sum(n) FROM {table.by_account}")[0])
