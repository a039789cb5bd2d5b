"""Rows that belong to no account: counted and excluded, or rejected by `check_accounts`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from features.checks.accounts import UnknownIds, doubtful_accounts, unknown_ids
from features.checks.findings import Connection, OpenTable, finding, one_row
from features.checks.row_counts import recounted
from features.errors import Finding, quantity
from features.tables.connection import internal_name, with_own_connection
from features.tables.opened import with_account
from features.tables.schema import TABLES
from features.tables.warehouse import ROWS
from features.windows.parallel import run_parallel

COUNT, REFUSE = "count", "refuse"
#: From this share on the key itself is wrong, not a few rows.
_MOST = 0.5


@dataclass(frozen=True)
class Matched:
    """Tables without the rows that belong to no account.

    Attributes
    ----------
    tables : dict of str to OpenTable
        All tables that were given.
    rows : dict of str to int
        By table in which such rows are counted, how many there were.
    unknown : frozenset of str
        The tables in which some of them have an id, one that accounts does not know.
    findings : tuple of Finding
        A warning for each table that had some; an error above half of a table.
    """

    tables: dict[str, OpenTable]
    rows: dict[str, int]
    unknown: frozenset[str]
    findings: tuple[Finding, ...]


def policy(table: str, configured: str | None = None) -> str:
    """Return what happens to rows without an account: ``"count"`` or ``"refuse"``."""
    return configured or (COUNT if TABLES[table].counts_unmatched else REFUSE)


def exclude_unmatched(connection: Connection, tables: Mapping[str, OpenTable]) -> Matched:
    """Count the rows that belong to no account, and leave them out where the table says so.

    Parameters
    ----------
    connection, tables : duckdb.DuckDBPyConnection, mapping of str to OpenTable
        The tables by name, and where they are open; without accounts nothing is left out.
    """
    kept, counts = dict(tables), dict[str, int]()
    found: list[Finding] = []
    unknown = set()
    accounts = tables.get("accounts")
    if accounts is None:
        return Matched(kept, counts, frozenset(), ())
    counted = {n: t for n, t in tables.items() if n != "accounts" and t.unmatched == COUNT}
    looks = (partial(_doubtful, connection, table, accounts) for table in counted.values())
    for (name, table), doubtful in zip(counted.items(), run_parallel(looks), strict=True):
        ids = unknown_ids(connection, accounts, doubtful)
        counts[name], problems = _count(connection, table, ids)
        found += problems
        if ids is not None:
            unknown.add(name)
        if counts[name]:
            kept[name] = _without(connection, table, accounts)
        # Later rules need not look for them again.
        kept[name] = replace(kept[name], doubtful=doubtful.filter(pc.is_valid(doubtful["past"])))
    return Matched(kept, counts, frozenset(unknown), tuple(found))


def _doubtful(connection: Connection, table: OpenTable, accounts: OpenTable) -> pa.Table:
    with with_own_connection(connection) as own:
        return doubtful_accounts(own, table, accounts)


def _count(
    connection: Connection, table: OpenTable, unknown: UnknownIds | None
) -> tuple[int, list[Finding]]:
    engine, all_rows = (table.remote, ROWS) if table.remote else (connection, table.view)
    (empty,) = one_row(engine, f"SELECT count(*) FROM {all_rows} WHERE account_id IS NULL")
    rows = empty + (unknown.rows if unknown else 0)
    if not rows:
        return rows, []
    (total,) = one_row(engine, f"SELECT count(*) FROM {all_rows}")
    parts = [f"{quantity(unknown.ids, 'id')} that accounts does not know"] if unknown else []
    parts += [f"{quantity(empty, 'row')} without an id"] if empty else []
    what = f"belongs to no account and is excluded ({' and '.join(parts)})"
    example = unknown.example if unknown else "an empty account_id"
    fix = unknown.fix if unknown else "fill account_id, or leave these rows out with sql"
    level = "warning"
    if rows > _MOST * total:
        level = "error"
        what = (
            f"belongs to no account ({' and '.join(parts)}), which is more than half of the table"
        )
    counted = (rows, total, example)
    return rows, [finding("unknown_account", table, "account_id", what, counted, fix, level=level)]


def _without(connection: Connection, table: OpenTable, accounts: OpenTable) -> OpenTable:
    """Leave out the rows without an account, in the table and in its counts."""
    if table.remote is not None:
        return recounted(connection, table, accounts)
    matched = internal_name(f"matched {table.schema.name}")
    rows, known = (nw.from_native(connection.table(t.view)) for t in (table, accounts))
    query = with_account(rows, known).to_native().sql_query()
    connection.execute(f"CREATE {'TABLE' if table.is_copy else 'VIEW'} {matched} AS {query}")
    if table.is_copy:
        connection.execute(f"DROP TABLE {table.view}")
    return recounted(connection, replace(table, view=matched), accounts)
