"""Rows of subscriptions that are versions of one row, that overlap, or that last no time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd

from features.checks.findings import Connection, OpenTable, finding, one_row
from features.errors import Finding, quantity
from features.tables.opened import Tables
from features.windows.contracts import ContractRows, Rows, as_times, load_contracts
from features.windows.table_columns import NEVER

_KEY = ["account", "subscription_id", "product", "plan", "started_at"]


def check_contracts(connection: Connection, tables: Mapping[str, OpenTable]) -> Iterator[Finding]:
    """Report versions, overlaps and rows without a duration, with their count and MRR.

    Parameters
    ----------
    connection, tables : duckdb.DuckDBPyConnection, mapping of str to OpenTable
        The tables by name, and where they are open. Nothing is checked without subscriptions.
    """
    table = tables.get("subscriptions")
    if table is None or not table.has("account_id", "product", "started_at", "ended_at", "mrr"):
        return
    frame = nw.from_native(connection.table(table.view))
    contracts = load_contracts(Tables({"subscriptions": frame}, datetime.max))
    rows = contracts.rows
    total = contracts.total
    if contracts.merged:
        what = (
            "is an earlier version or a copy of another row with the same subscription_id, product "
            "and start; the latest version counts, once"
        )
        fix = "keep the latest version of each subscription to leave the others out of the count"
        (example,) = one_row(
            connection,
            f"SELECT min(subscription_id) FROM (SELECT subscription_id FROM {table.view} "
            "GROUP BY account_id, subscription_id, product, started_at HAVING count(*) > 1)",
        )
        counted = (contracts.merged, total, example)
        yield finding("duplicate_id", table, "subscription_id", what, counted, fix, level="warning")
    unclear = _unclear_versions(contracts)
    if len(unclear):
        what = (
            "is one of several versions of a subscription (same subscription_id, product and "
            "start), and nothing shows which is the latest"
        )
        fix = (
            "map known_at (when each version was written), keep the latest version with sql, or "
            'set checks.allow = ["subscription_versions"] if each row is a contract of its own'
        )
        counted = (len(unclear), total, _example(contracts, unclear))
        yield finding("subscription_versions", table, "subscription_id", what, counted, fix)
    both, later = _overlapping(contracts)
    if len(both):
        of = quantity(len(np.unique(rows.account[both])), "account")
        what = (
            f"runs at the same time as another row of the same account and product (overlap): "
            f"{len(both):,} rows of {of}, and both count; the rows that started "
            f"later add {rows['mrr'][later].sum():,.2f} a month"
        )
        fix = (
            "nothing, if these are contracts of several departments; otherwise end the earlier row "
            "where the later one starts"
        )
        counted = (len(both), total, _example(contracts, later))
        yield finding(
            "overlapping_contracts", table, "started_at", what, counted, fix, level="warning"
        )
    empty = np.flatnonzero(contracts.is_paid & (rows["ended_at"] == rows["started_at"]))
    if len(empty):
        what = (
            f"ends at the moment it starts, so it pays for no time (MRR "
            f"{rows['mrr'][empty].sum():,.2f}), unless another row of its product follows within "
            "the grace period"
        )
        fix = "check the dates; where ended_at is the last paid day, add a day to it with sql"
        counted = (len(empty), total, _example(contracts, empty))
        yield finding("ended_when_started", table, "ended_at", what, counted, fix, level="warning")


def _unclear_versions(contracts: ContractRows) -> Rows:
    """Return the rows with an id of which another row differs, both known at the same time."""
    rows = contracts.rows
    own = np.flatnonzero((rows["subscription_id"] >= 0) & contracts.is_latest)
    keys = pd.DataFrame({name: rows[name][own] for name in _KEY[1:]})
    keys.insert(0, "account", rows.account[own])
    unclear: Rows = own[keys.duplicated(keep=False).to_numpy()]
    return unclear


def _overlapping(contracts: ContractRows) -> tuple[Rows, Rows]:
    """Return the paid rows that overlap with another of their product, and the later of these."""
    rows, group = contracts.rows, contracts.group
    started, ended = rows["started_at"], rows["ended_at"]
    own = np.flatnonzero(
        contracts.is_paid & contracts.is_latest & (ended > started) & (started != NEVER)
    )
    own = own[np.lexsort((ended[own], started[own], group[own]))]
    until = pd.Series(ended[own]).groupby(group[own], sort=False).cummax().to_numpy()
    same = group[own[1:]] == group[own[:-1]]
    is_later = np.append(False, same & (until[:-1] > started[own[1:]]))[: len(own)]
    is_before = np.append(same & (started[own[1:]] < ended[own[:-1]]), False)[: len(own)]
    return own[is_later | is_before], own[is_later]


def _example(contracts: ContractRows, places: Rows) -> str:
    """Return the earliest of some rows: which row is read first differs from run to run."""
    started = contracts.rows["started_at"][places]
    return min(_name(contracts, row) for row in places[started == started.min()])


def _name(contracts: ContractRows, row: int) -> str:
    rows = contracts.rows
    account = rows.texts["account_id"][int(rows.account[row])].as_py()
    product = rows.texts["product"][int(rows["product"][row])].as_py()
    start = pd.Timestamp(as_times(rows["started_at"][[row]])[0])
    return f"account_id {account}, {product} from {start:%Y-%m-%d}"
