"""Roll-ups of usage that a warehouse computes, each fetched once and kept for the run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock

import duckdb
import narwhals as nw
import pyarrow as pa

from features.rollups.usage_rollup import (
    FIRST_DAY,
    ROLLUPS,
    Frame,
    Name,
    collected,
    last_days,
    prepared,
)
from features.tables.connection import internal_name
from features.tables.opened import with_account
from features.windows.day_rows import day_number, day_of


@dataclass(frozen=True)
class FetchedRollups:
    """The roll-ups of a usage table that stays in a warehouse.

    Attributes
    ----------
    rows : narwhals.LazyFrame
        The usage table in the warehouse, under canonical names and types.
    connection : duckdb.DuckDBPyConnection
        Where fetched roll-ups are kept; used by one thread at a time.
    accounts : str, optional
        SQL name of the accounts; usage of others is excluded. Without it, all usage counts.
    until : datetime
        Later usage is not summed: the end of the data.
    """

    rows: Frame
    connection: duckdb.DuckDBPyConnection
    accounts: str | None
    until: datetime
    _fetched: set[Name] = field(default_factory=set, compare=False, repr=False)
    _lock: RLock = field(default_factory=RLock, compare=False, repr=False)

    def whole_until(self, observed_until: datetime) -> int:
        """Return the day before which roll-ups are complete, for tables that end at a time."""
        last_day = day_number(self.until) + 1
        return last_day if observed_until >= self.until else day_number(observed_until)

    def between(self, name: Name, start: int, end: int) -> Frame:
        """Return the roll-up of the days of [start, end)."""
        day, (first, past) = nw.col("day"), (day_of(n).date() for n in (start, end))
        return self._whole(name).filter(day >= first, day < past)

    def tables(
        self, name: Name, start: int, end: int, *, columns: Collection[str] = ()
    ) -> Iterator[pa.Table]:
        """Yield the roll-up of the days of [start, end) as `collected` returns it.

        Where columns are given, others may be left out.
        """
        rows = self.between(name, start, end)
        present = rows.collect_schema().names()
        yield collected(rows.select([c for c in present if c in (columns or present)]))

    def first_day(self, name: Name, past: int) -> int | None:
        """Return the first day of usage before a day, None without any."""
        day = self.between(name, FIRST_DAY, past).select(nw.col("day").min())
        first = day.collect("pyarrow").to_native()["day"][0].as_py()
        return None if first is None else day_number(first)

    def last_days(self, past: int) -> list[pa.Table]:
        """Return the last day of each user before a day, as `usage_rollup.last_days` does."""
        return [collected(last_days(self.between("users", FIRST_DAY, past), past))]

    def _whole(self, name: Name) -> Frame:
        if name == "days":
            return ROLLUPS["days"].of(self._whole("users"))
        table = internal_name(f"usage by {name} and day")
        with self._lock:
            if name not in self._fetched:
                rows = prepared(self.rows).filter(nw.col("occurred_at") < self.until)
                keep_rows(self.connection, table, ROLLUPS[name].of(rows), self._as_of_files)
                self._fetched.add(name)
        return nw.from_native(self.connection.table(table))

    def _as_of_files(self, rows: Frame) -> Frame:
        # A database adds whole numbers to a decimal, and whole decimals arrive as whole numbers.
        sums = {"quantity", "errors"} & set(rows.collect_schema().names())
        rows = rows.with_columns(nw.col(*sums).cast(nw.Float64()))
        if self.accounts is None:
            return rows
        return with_account(rows, nw.from_native(self.connection.table(self.accounts)))


def keep_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: Frame,
    changed: Callable[[Frame], Frame] = lambda rows: rows,
) -> None:
    """Fetch rows and keep them as a table of the engine, changed there."""
    fetched = rows.collect("pyarrow").to_native()
    connection.register("arrived", fetched)
    try:
        query = changed(nw.from_native(connection.table("arrived"))).to_native().sql_query()
        connection.execute(f"CREATE TABLE {table} AS {query}")
    finally:
        connection.unregister("arrived")
