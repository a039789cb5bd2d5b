"""Usage summed by day on the engine: each raw row is read once for all dates and windows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.tables.opened import Tables
from features.tables.point_in_time import known_from
from features.windows.day_rows import BEFORE_ALL_DAYS, Codes, day_number, day_of
from features.windows.table_columns import Mask, TableColumns, columns_of

#: So many days are read at a time, so that memory stays small.
PART_DAYS = 56
#: Columns of texts that roll-ups have as codes. There are too many users: each is in only a few
#: rows of a file.
CODED = ("account_id", "event")
_DAYS = ("day", "known")
_TIMES = ("first", "last")
#: The column with the bucket of an account, in roll-ups that are kept.
BUCKET = "bucket"
#: Before every time that can be read: the year 1.
FIRST_DAY = -719_162
Frame = nw.LazyFrame[Any]
Name = Literal["users", "events", "days"]


@dataclass(frozen=True)
class Rollup:
    """Sums of usage by day.

    The columns of a roll-up are those of prepared rows, so the same sums turn rows into a roll-up
    and roll-ups of several files into one.

    Attributes
    ----------
    keys : tuple of str
        The columns that rows are grouped by; ``known`` is added where rows record it.
    sums, largest, smallest : tuple of str
        The columns that are aggregated; one that the rows do not have is left out.
    """

    keys: tuple[str, ...]
    sums: tuple[str, ...]
    largest: tuple[str, ...] = ()
    smallest: tuple[str, ...] = ()

    def of(self, rows: Frame) -> Frame:
        """Return the sums of prepared rows, or of rows of this roll-up."""
        present = rows.collect_schema().names()
        aggregated = [nw.col(name).sum() for name in self.sums if name in present]
        aggregated += [nw.col(name).max() for name in self.largest if name in present]
        aggregated += [nw.col(name).min() for name in self.smallest if name in present]
        return rows.group_by(*keys_with_known(rows, *self.keys)).agg(*aggregated)


#: Every roll-up, by the name under which its files are kept.
ROLLUPS: dict[Name, Rollup] = {
    "users": Rollup(
        ("account_id", "user_id", "day"),
        sums=("quantity", "records", "errors", "errors_known", "users_counted"),
        largest=("active_users",),
    ),
    "events": Rollup(("account_id", "event", "day"), sums=("quantity",)),
    "days": Rollup(
        ("account_id", "day"), sums=("quantity", "records"), smallest=("first",), largest=("last",)
    ),
}

#: The usage of an account, from its roll-up by day.
SPANS = Rollup(("account_id",), sums=("records",), smallest=("first",), largest=("last",))


def kept_until(tables: Tables, start: int, end: int) -> int:
    """Return the day of [start, end] before which roll-ups contain all usage.

    What is from that day on has to come from the rows.
    """
    if tables.rollups is None:
        return start
    whole_until: int = tables.rollups.whole_until(tables.observed_until)
    return max(start, min(end, whole_until))


def parts_of_rows(tables: Tables, start: int, end: int, days: int) -> Iterator[Frame]:
    """Yield the prepared rows of the usage of [start, end), in parts of consecutive days."""
    if start >= end:
        return
    rows, at = _rows_before(tables, end), nw.col("occurred_at")
    for first, past in cut(start, end, days):
        ends = (day_of(first).to_pydatetime(), day_of(past).to_pydatetime())
        yield rows.filter(at >= ends[0], at < ends[1])


def cut(start: int, end: int, days: int) -> Iterator[tuple[int, int]]:
    """Yield the days of [start, end) in pieces: the first day of each, and that after its last."""
    for first in range(start, end, days):
        yield first, min(first + days, end)


def known_parts(
    tables: Tables, name: Name, start: int, as_of: int, *, days: int = PART_DAYS
) -> Iterator[Frame]:
    """Yield the usage of [start, as_of) that was known before `as_of`, in parts of some days.

    Days whose sums are kept come from the roll-ups of the files, the others from the rows.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    name : str
        Which roll-up.
    start, as_of : int
        Days from 1970, the last one excluded.
    days : int
        The length of a part.
    """
    since = kept_until(tables, start, as_of)
    for first, past in cut(start, since, days):
        yield _known(tables.rollups.between(name, first, past), as_of)
    for rows in parts_of_rows(tables, since, as_of, days):
        yield _known(rows, as_of)


def known_tables(
    tables: Tables, name: Name, start: int, as_of: int, *, columns: Collection[str]
) -> Iterator[pa.Table]:
    """Yield the same usage as `known_parts`, with some of its columns coded as by `coded`.

    Kept roll-ups are read as codes, which an engine would turn into texts. Rows that are alike in
    these columns may be given once.
    """
    since = kept_until(tables, start, as_of)
    if since > start:
        read = {*columns, *_DAYS}
        for table in tables.rollups.tables(name, start, since, columns=read):
            known = known_days(table)
            yield table if known is None else table.filter(pa.array(known < as_of))
    for rows in parts_of_rows(tables, since, as_of, PART_DAYS):
        yield collected(_known(rows, as_of).select(*columns).unique())


def known_rows_before(tables: Tables, as_of: int) -> Frame:
    """Return the prepared rows of usage before a day that were known before it."""
    return _known(_rows_before(tables, as_of), as_of)


def _known(rows: Frame, as_of: int) -> Frame:
    if "known" not in rows.collect_schema().names():
        return rows
    known = nw.col("known")
    return rows.filter(known.is_null() | (known < day_of(as_of).date()))


def rolled_up(
    tables: Tables,
    name: Name,
    start: int,
    end: int,
    *,
    events: Collection[str] = (),
    columns: Collection[str] = (),
) -> Iterator[pa.Table]:
    """Yield the usage of [start, end) summed by day, in parts as `collected` returns them.

    Where events or columns are given, others may be left out.
    """
    since = kept_until(tables, start, end)
    if since > start:
        for table in tables.rollups.tables(name, start, since, columns=columns):
            yield table.filter(pa.array(is_named(table["event"], events))) if events else table
    for part in parts_of_rows(tables, since, end, PART_DAYS):
        rows = part.filter(nw.col("event").is_in([*events])) if events else part
        yield collected(ROLLUPS[name].of(rows))


def whole_rollup(tables: Tables, name: Name, start: int, end: int) -> Frame:
    """Return the usage of the days of [start, end), summed by day from its rows."""
    (rows,) = parts_of_rows(tables, start, end, end - start)
    return ROLLUPS[name].of(rows)


def last_days_before(tables: Tables, past: int) -> list[pa.Table]:
    """Return the last day of each user before a day, as rows of `last_days`.

    A user may have several rows, as that of a month and those of the days after it.
    """
    if _is_kept(tables, past):
        rows: list[pa.Table] = tables.rollups.last_days(past)
        return rows
    return [collected(last_days_of_rows(tables, past))]


def last_days_of_rows(tables: Tables, past: int) -> Frame:
    """Return what `last_days` does, from the rows of usage."""
    return last_days(_rows_before(tables, past), past)


def last_days(rows: Frame, past: int) -> Frame:
    """Return one row per user for the time before a day: its last day, without sums.

    A row that was known on that day or later is counted by itself.
    """
    aggregated = [nw.col("day").max()]
    present = rows.collect_schema().names()
    if "users_counted" in present:
        aggregated.append(nw.col("users_counted").sum())
    if "known" in present:
        late = nw.col("known") >= day_of(past).date()
        rows = rows.with_columns(known=nw.when(late).then(nw.col("known")))
    return rows.group_by(*keys_with_known(rows, "account_id", "user_id")).agg(*aggregated)


def first_day(tables: Tables, name: Name, past: int) -> int | None:
    """Return the first day of usage before a day, None without any."""
    if _is_kept(tables, past):
        day: int | None = tables.rollups.first_day(name, past)
        return day
    rows = _rows_before(tables, past)
    # Sorted for the first one: an engine then reads only the smallest value of most files.
    first = rows.select("occurred_at").sort("occurred_at").head(1).collect("pyarrow").to_native()
    return day_number(first["occurred_at"][0].as_py()) if len(first) else None


def _is_kept(tables: Tables, past: int) -> bool:
    """Return whether roll-ups contain all usage before a day."""
    return tables.rollups is not None and past <= tables.rollups.whole_until(tables.observed_until)


def _rows_before(tables: Tables, end: int) -> Frame:
    past = min(day_of(end).to_pydatetime(), tables.observed_until)
    return prepared(tables["usage"]).filter(nw.col("occurred_at") < past)


def prepared(rows: Frame) -> Frame:
    """Return raw rows with the columns that roll-ups are made of.

    These are account_id, event, user_id (null where absent), occurred_at, day, first and last
    (both the time of the row), quantity (1 where it is null) and records (1); errors and
    errors_known, active_users and users_counted where the table has errors or active_users; and
    known where it has known_at: the day on which the row was known, null if that was its own.
    """
    present = rows.collect_schema().names()
    kinds: dict[str, Any] = {"user_id": nw.String, "quantity": nw.Float64}
    columns = [
        nw.col(name) if name in present else nw.lit(None, dtype=kind).alias(name)
        for name, kind in kinds.items()
    ]
    counted = {"errors": "errors_known", "active_users": "users_counted"}
    counted = {name: count for name, count in counted.items() if name in present}
    known = [known_from(rows, "occurred_at")] if "known_at" in present else []
    rows = rows.filter(~nw.col("account_id").is_null())
    rows = rows.select("account_id", "event", "occurred_at", *columns, *counted, *known)
    at = nw.col("occurred_at")
    rows = rows.with_columns(
        nw.col("quantity").fill_null(1.0),
        *(
            nw.when(nw.col(name).is_null()).then(nw.lit(0.0)).otherwise(nw.lit(1.0)).alias(count)
            for name, count in counted.items()
        ),
        day=at.dt.date(),
        first=at,
        last=at,
        records=nw.lit(1.0),
    )
    if known:
        late = nw.col("known_from").dt.date()
        rows = rows.with_columns(known=nw.when(late > nw.col("day")).then(late))
    return rows


def keys_with_known(rows: Frame, *names: str) -> list[str]:
    """Return the names, and ``known`` where rows have it."""
    return [*names, "known"] if "known" in rows.collect_schema().names() else [*names]


def collected(frame: Frame) -> pa.Table:
    """Run a roll-up and return it as `coded` does, in no particular order."""
    return coded(frame.collect("pyarrow").to_native())


def coded(table: pa.Table) -> pa.Table:
    """Return a roll-up with accounts and events as codes, users as texts, and days as numbers."""
    columns = {}
    for name in sorted(table.column_names):
        column = table[name]
        if name in CODED:
            if not pa.types.is_dictionary(column.type):
                column = column.cast(pa.string()).dictionary_encode().combine_chunks()
        elif name == "user_id":
            # The texts of many rows may be longer than the 2 GB that other texts can address.
            column = column.cast(pa.large_string())
        elif name in _DAYS:
            column = column.cast(pa.date32()).cast(pa.int32())
        elif name not in _TIMES and name != BUCKET:
            column = column.cast(pa.float64())
        columns[name] = column
    return pa.table(columns)


def rollup_columns(table: pa.Table, accounts: pd.Index[str] | None = None) -> TableColumns:
    """Return the rows of some accounts (by default all) of a roll-up that `collected` returned."""
    for name in set(_DAYS) & set(table.column_names):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(pa.date32()))
    return columns_of(table, accounts)


def known_days(table: pa.Table) -> Codes | None:
    """Return the day on which each row of a roll-up was known; None where no row was late."""
    if "known" not in table.column_names or table["known"].null_count == len(table):
        return None
    late = pc.fill_null(table["known"], BEFORE_ALL_DAYS).to_numpy()
    known: Codes = np.maximum(late, table["day"].to_numpy()).astype(np.int64)
    return known


def is_named(column: pa.ChunkedArray, among: pa.Array | pa.ChunkedArray | Collection[str]) -> Mask:
    """Mark the values of a dictionary column that are among some names."""
    names, code = named_codes(column)
    wanted = (
        among if isinstance(among, pa.Array | pa.ChunkedArray) else pa.array(among, pa.string())
    )
    mask: Mask = np.append(pc.is_in(names, value_set=wanted), [False])[code].astype(bool)
    return mask


def named_codes(column: pa.ChunkedArray) -> tuple[pa.Array, Codes]:
    """Return the names of a column in order, and the place of each value.

    The place is −1 where there is no name.
    """
    is_coded = pa.types.is_dictionary(column.type)
    chunks = (column.unify_dictionaries() if is_coded else column.dictionary_encode()).chunks
    names = chunks[0].dictionary if chunks else pa.array([], pa.string())
    order = pc.sort_indices(names).to_numpy()
    place = np.full(len(names) + 1, -1, dtype=np.int64)
    place[order] = np.arange(len(names))
    codes, done = np.empty(len(column), dtype=np.int64), 0
    for chunk in chunks:
        place.take(
            pc.fill_null(chunk.indices, -1), out=codes[done : done + len(chunk)], mode="wrap"
        )
        done += len(chunk)
    return names.take(pa.array(order)), codes
