"""Orders that add up to less than nothing, and rows that look like lines of one order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from features.checks.findings import Connection, OpenTable, finding, one_row
from features.errors import Finding, quantity

#: Accounts that returned more than they bought are reported above this share of those that
#: returned something: what a few of them bought is older than the data.
_FEW_RETURNING = 0.2
#: Rows with the same account and time of day are reported above this share of such rows; where
#: orders have only a date, above the other.
_FEW_AT_ONCE, _FEW_A_DAY = 0.05, 0.5
_LEAST_LINES = 20


def check_orders(connection: Connection, tables: Mapping[str, OpenTable]) -> Iterator[Finding]:
    """Report returns of more than was bought, and several rows of one account at the same time.

    Parameters
    ----------
    connection, tables : duckdb.DuckDBPyConnection, mapping of str to OpenTable
        The tables by name, and where they are open. Nothing is checked without orders.
    """
    orders = tables.get("orders")
    if orders is None or not orders.has("account_id", "ordered_at", "amount"):
        return
    (total,) = one_row(connection, f"SELECT count(*) FROM {orders.view}")
    yield from _returns(connection, orders, total)
    yield from _lines(connection, orders, total)


def _returns(connection: Connection, orders: OpenTable, total: int) -> Iterator[Finding]:
    returned = "sum(amount) FILTER (amount < 0)"
    returning, accounts, rows, example = one_row(
        connection,
        "SELECT count(*), count(*) FILTER (is_more), sum(n) FILTER (is_more), "
        "min(account_id) FILTER (is_more) FROM (SELECT account_id, "
        # A percent is rounding, or a fee.
        f"sum(amount) < 0.01 * {returned} AS is_more, count(*) FILTER (amount < 0) AS n "
        f"FROM {orders.view} GROUP BY 1 HAVING n > 0)",
    )
    if not accounts or accounts <= _FEW_RETURNING * returning:
        return
    what = (
        f"is below 0, and {accounts:,} of {quantity(returning, 'account')} with returns returned "
        "more than they ever bought, so that their orders add up to less than nothing"
    )
    fix = (
        "write purchases as amounts above 0 and returns below 0, and load the purchases that were "
        "returned, too"
    )
    counted = (int(rows), total, example)
    yield finding("returned_more", orders, "amount", what, counted, fix, level="warning")


def _lines(connection: Connection, orders: OpenTable, total: int) -> Iterator[Finding]:
    # Copies of a row are reported as such.
    product = ", product" if orders.has("product") else ""
    different = f"SELECT DISTINCT account_id, ordered_at, amount{product} FROM {orders.view}"
    timed, at_once, times, example, at_once_a_day, days = one_row(
        connection,
        "SELECT sum(n) FILTER (is_timed), sum(n) FILTER (is_timed AND n > 1), "
        "count(*) FILTER (is_timed AND n > 1), min(account_id) FILTER (n > 1), "
        "sum(n) FILTER (n > 1), count(*) FILTER (n > 1) FROM (SELECT account_id, count(*) AS n, "
        "ordered_at <> date_trunc('day', ordered_at) AS is_timed "
        f"FROM ({different}) WHERE amount > 0 GROUP BY account_id, ordered_at)",
    )
    few = _FEW_AT_ONCE
    if not timed:
        timed, at_once, times, few = total, at_once_a_day, days, _FEW_A_DAY
    if not at_once or at_once < _LEAST_LINES or at_once <= few * timed:
        return
    what = (
        f"is the same in several rows of one account, {quantity(times, 'time')}: each row counts "
        "as an order, and these look like lines of one order"
    )
    fix = (
        "sum the lines of each order with sql, e.g. select account_id, ordered_at, sum(amount) as "
        "amount … group by all; nothing, if each row is an order"
    )
    counted = (int(at_once), total, example)
    yield finding("order_lines", orders, "ordered_at", what, counted, fix, level="warning")
