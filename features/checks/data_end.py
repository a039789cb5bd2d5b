"""The end of the data, where the configuration does not say it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from features.checks.findings import Connection, OpenTable
from features.errors import Finding
from features.tables.casting import quoted

_EVENTS = {
    "usage": ("occurred_at",),
    "tickets": ("opened_at",),
    "surveys": ("sent_at", "answered_at"),
    "orders": ("ordered_at",),
}
#: What is left without events. An end of a subscription may lie ahead, so it tells nothing.
_STARTS = {
    "subscriptions": ("started_at",),
    "accounts": ("created_at",),
}
_STRAY = timedelta(days=5 * 365)


def observed_end(
    connection: Connection, tables: Mapping[str, OpenTable]
) -> tuple[datetime | None, tuple[Finding, ...]]:
    """Return the first moment that the data tells nothing of, and what is doubtful about it.

    It is the moment after the last time in usage, tickets, surveys and orders; the day after
    where that time is a plain date. Without these tables it is the last start of a subscription
    or account, which may be too early, so a warning says so. The last hundredth of the times is
    left out where it lies more than five years past the others: one mistyped 2062 would make
    every account look silent.

    Returns
    -------
    datetime or None
        None where no table holds a time.
    tuple of Finding
        Empty, or one warning.
    """
    last = _last(connection, tables, _EVENTS)
    doubt: tuple[Finding, ...] = ()
    if last is None:
        last = _last(connection, tables, _STARTS)
        if last is not None:
            what = f"no usage, ticket, survey or order tells the data's end; {last} is taken"
            fix = "set observed_until in the configuration"
            doubt = (Finding("warning", "end_unsure", "configuration", "data", "", what, fix=fix),)
    if last is None:
        return None, ()
    is_date = last == datetime(last.year, last.month, last.day)
    return last + (timedelta(days=1) if is_date else timedelta(microseconds=1)), doubt


def _by_day(table: OpenTable, column: str) -> str:
    """Return SQL of the rows and the last time of each day."""
    if table.calendar and column == table.schema.dated_by:
        return f"SELECT day, last, n FROM {table.calendar}"
    name = quoted(column)
    return (
        f"SELECT date_trunc('day', {name}) AS day, max({name}) AS last, count(*) AS n "
        f"FROM {table.view} WHERE {name} IS NOT NULL GROUP BY 1"
    )


def _last(
    connection: Connection,
    tables: Mapping[str, OpenTable],
    candidates: Mapping[str, tuple[str, ...]],
) -> datetime | None:
    """Return the last time that is not a stray one."""
    days = [
        _by_day(tables[name], column)
        for name, columns in candidates.items()
        if name in tables
        for column in columns
        if tables[name].has(column)
    ]
    if not days:
        return None
    rows: list[tuple[datetime, int]] = connection.execute(
        f"SELECT max(last), sum(n) FROM ({' UNION ALL '.join(days)}) GROUP BY day ORDER BY day DESC"
    ).fetchall()
    if not rows:
        return None
    left = max(1, sum(n for _, n in rows) // 100)
    usual = rows[-1][0]
    for last, n in rows:
        left -= n
        if left < 0:
            usual = last
            break
    return next(last for last, _ in rows if last - usual <= _STRAY)
