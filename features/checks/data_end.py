"""The end of the data, where the configuration does not give it, and the rows past it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise

from features.checks.findings import Connection, OpenTable, finding
from features.errors import Finding
from features.tables.casting import quoted

_EVENTS = {
    "usage": ("occurred_at",),
    "tickets": ("opened_at",),
    "surveys": ("sent_at", "answered_at"),
    "orders": ("ordered_at",),
}
#: Used where there are no events. The end of a subscription may lie in the future, so it gives no
#: end of the data.
_STARTS = {
    "subscriptions": ("started_at",),
    "accounts": ("created_at",),
}
_DAY = timedelta(days=1)
#: In a small table a few rows are more than any small share: after so long, and so many times as
#: long as ever before, these few at most are stray, if they are less than this share.
_LONG, _TIMES, _FEW, _FEW_OF_ALL = timedelta(days=120), 10, 5, 0.03
#: Rows after so long without one, and under this share of them or this many, are stray: a wrong
#: clock or a mistyped year, not the continuation of the data.
_SPARSE = (
    (timedelta(days=28), 0.001, 0),
    (timedelta(days=120), 0.005, 0),
    (timedelta(days=5 * 365), 0.01, 1),
)


@dataclass(frozen=True)
class _Day:
    """The rows of one day of one time column."""

    day: datetime
    last: datetime
    rows: int


@dataclass(frozen=True)
class _Dated:
    """The days of one time column, in order."""

    table: OpenTable
    column: str
    days: tuple[_Day, ...]

    @property
    def rows(self) -> int:
        """How many rows have a time."""
        return sum(day.rows for day in self.days)

    def until(self, end: datetime | None) -> _Dated:
        """Return the days before a moment."""
        kept = tuple(day for day in self.days if end is None or day.day < end)
        return _Dated(self.table, self.column, kept)


def observed_end(
    connection: Connection, tables: Mapping[str, OpenTable], *, now: datetime | None = None
) -> tuple[datetime | None, tuple[Finding, ...]]:
    """Return the first moment that the data does not cover, and what is doubtful about it.

    It is the moment after the last time in usage, tickets, surveys and orders; the day after,
    where that time is a plain date. Without these tables it is the last start of a subscription
    or account, which may be too early, so a warning says so. Times after today do not count, and
    neither do the last few times of a table that follow a long time without one (under 0.1 % of
    it after 28 days, under 0.5 % after 120; up to five rows of a small table after a gap that is
    ten times as long as any before): three events of phones with a wrong clock would make every
    account look silent for months.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the tables are open.
    tables : mapping of str to OpenTable
        The tables that have rows.
    now : datetime, optional
        The clock of the run, UTC; without it no time is in the future.

    Returns
    -------
    datetime or None
        None where no table has a time.
    tuple of Finding
        An error where most rows are later than the clock; warnings for stray rows that lie
        before the end, and where the end is unsure.
    """
    tomorrow = None if now is None else _midnight(now) + _DAY
    dated = _dated(connection, tables, _EVENTS)
    future = _mostly_in_future(dated, tomorrow, now)
    if future:
        return None, future
    last, stray = _last(dated, tomorrow)
    if last is not None:
        end = _after(last)
        return end, tuple(_stray_before(rows, end) for rows in stray if _has(rows, end))
    last, _ = _last(_dated(connection, tables, _STARTS), tomorrow)
    if last is None:
        return None, ()
    what = (
        "no usage, ticket, survey or order shows where the data ends; the last start of a "
        f"subscription or account is taken, {last}"
    )
    fix = "set observed_until in the configuration"
    return _after(last), (
        Finding("warning", "end_unsure", "configuration", "data", "", what, fix=fix),
    )


def _after(last: datetime) -> datetime:
    return last + (_DAY if last == _midnight(last) else timedelta(microseconds=1))


def _midnight(time: datetime) -> datetime:
    return datetime(time.year, time.month, time.day)


def _dated(
    connection: Connection,
    tables: Mapping[str, OpenTable],
    candidates: Mapping[str, tuple[str, ...]],
) -> list[_Dated]:
    return [
        _Dated(tables[name], column, _days(connection, tables[name], column))
        for name, columns in candidates.items()
        if name in tables
        for column in columns
        if tables[name].has(column)
    ]


def _days(connection: Connection, table: OpenTable, column: str) -> tuple[_Day, ...]:
    """Count the rows of each day of a time column."""
    name = quoted(column)
    query = (
        f"SELECT date_trunc('day', {name}) AS day, max({name}) AS last, count(*) AS n "
        f"FROM {table.view} WHERE {name} IS NOT NULL GROUP BY 1"
    )
    if table.calendar and column == table.schema.dated_by:
        query = f"SELECT day, last, n FROM {table.calendar}"
    rows = connection.execute(f"SELECT * FROM ({query}) ORDER BY day").fetchall()
    return tuple(_Day(_midnight(day), last, int(n)) for day, last, n in rows)


def _mostly_in_future(
    dated: Sequence[_Dated], tomorrow: datetime | None, now: datetime | None
) -> tuple[Finding, ...]:
    """Return an error for each table whose rows are mostly later than the clock."""
    found = []
    for rows in dated if tomorrow is not None else ():
        later = rows.rows - rows.until(tomorrow).rows
        if 2 * later > rows.rows:
            what = f"is in the future: the clock of this run says {now:%Y-%m-%d %H:%M} UTC"
            fix = "correct the dates or the machine's clock, or give the time of the run by --now"
            counted = (later, rows.rows, rows.days[-1].last)
            found.append(finding("in_the_future", rows.table, rows.column, what, counted, fix))
    return tuple(found)


def _last(
    dated: Sequence[_Dated], tomorrow: datetime | None
) -> tuple[datetime | None, list[_Dated]]:
    """Return the last time that is neither in the future nor stray, and the stray days."""
    past = [rows.until(tomorrow) for rows in dated]
    kept = [rows.until(_sparse_from(rows.days)) for rows in past]
    pooled = _sparse_from(_pooled(kept))
    kept = [rows.until(pooled) for rows in kept]
    stray = [
        _Dated(rows.table, rows.column, rows.days[len(usual.days) :])
        for rows, usual in zip(past, kept, strict=True)
    ]
    return max((r.days[-1].last for r in kept if r.days), default=None), stray


def _pooled(dated: Sequence[_Dated]) -> list[_Day]:
    """Return the days of several columns together."""
    pooled: dict[datetime, _Day] = {}
    for day in (day for rows in dated for day in rows.days):
        other = pooled.get(day.day, day)
        both = day.rows + (other.rows if day.day in pooled else 0)
        pooled[day.day] = _Day(day.day, max(day.last, other.last), both)
    return [pooled[day] for day in sorted(pooled)]


def _sparse_from(days: Sequence[_Day]) -> datetime | None:
    """Return the first day of the sparse period at the end, if there is one."""
    total, tail, first = sum(day.rows for day in days), 0, None
    gaps = [after.day - before.day - _DAY for before, after in pairwise(days)]
    longest = list(accumulate(gaps, max, initial=timedelta()))
    for place in range(len(days) - 1, 0, -1):
        tail += days[place].rows
        gap, usual = gaps[place - 1], longest[place - 1]
        few = [after for after, share, rows in _SPARSE if tail < share * total or tail <= rows]
        if tail <= _FEW and tail < _FEW_OF_ALL * total:
            few.append(max(_LONG, _TIMES * usual))
        if not few:
            break
        if gap >= min(few):
            first = days[place].day
    return first


def _has(rows: _Dated, end: datetime) -> bool:
    return any(day.day < end for day in rows.days)


def _stray_before(rows: _Dated, end: datetime) -> Finding:
    """Report stray rows that lie before the end of the data, which other tables reach."""
    stray = rows.until(end)
    gap = _SPARSE[0][0].days
    what = f"follows {gap} days or more without a row: stray rows, or the table stopped growing"
    fix = "correct the dates, or check that the table is delivered completely"
    counted = (stray.rows, 0, stray.days[0].last)
    return finding("stray_times", rows.table, rows.column, what, counted, fix, level="warning")
