"""Use rolled up by day on the engine, each raw row read once for all dates and windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.tables.opened import Tables
from features.windows.day_rows import BEFORE_ALL_DAYS, Codes, day_number, day_of

#: So many days are rolled up at a time: memory stays small, and no row is read twice.
PART_DAYS = 56
#: Pieces that are put in order rather than their rows sorted.
_MOST_PIECES = 5_000
Frame = nw.LazyFrame[Any]
Roll = Callable[[Frame], Frame]


def kept_rollups(
    tables: Tables,
    name: str,
    roll: Roll,
    start: int,
    end: int,
    *,
    columns: Sequence[str] | None = None,
) -> list[pa.Table]:
    """Return what was kept of the days of [start, end) from earlier runs, or is kept from now on.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    name : str
        What the roll-up is called where it is kept.
    roll : callable
        Makes it from prepared rows, by day.
    start, end : int
        Days from 1970.
    columns : sequence of str, optional
        Which of its columns are read, where they are there; by default all.

    Returns
    -------
    list of pa.Table
        Names as codes, days as numbers; a file's rows stand together. Empty where nothing is
        kept of these tables.
    """
    past = _kept_until(tables, start, end)
    if tables.parts is None or past <= start:
        return []
    kept = tables.parts.tables(name, roll, since=start, until=past, columns=columns)
    return [within_days(table, start, past) for table in kept]


def within_days(table: pa.Table, start: int, past: int) -> pa.Table:
    """Return the rows of a roll-up of the days of [start, past)."""
    ends = pc.min_max(table["day"]).as_py()
    if ends["min"] is None or (ends["min"] >= start and ends["max"] < past):
        return table
    day = table["day"].to_numpy()
    # By a mask: by an expression the rows come back in pieces, each with all of the names.
    return table.filter((day >= start) & (day < past))


def unkept_rows(
    tables: Tables, start: int, end: int, days: int = PART_DAYS
) -> Iterator[tuple[int, Frame]]:
    """Yield the prepared rows of [start, end) that nothing is kept of.

    They come in parts of so many days, each with its first day.
    """
    since = max(start, _kept_until(tables, start, end))
    yield from parts_of_days(rows_before(tables, end), since, end, days)


def _kept_until(tables: Tables, start: int, end: int) -> int:
    """Return the day before which kept roll-ups tell all that is to be seen of [start, end).

    Of the day on which the data ends only a part may be seen: it is read from the rows.
    """
    return start if tables.parts is None else min(end, day_number(tables.observed_until))


def rows_before(tables: Tables, end: int) -> Frame:
    """Return the prepared rows before a day that are seen."""
    past = min(day_of(end).to_pydatetime(), tables.observed_until)
    return prepared(tables["usage"]).filter(nw.col("occurred_at") < past)


def _of_days(rows: Frame, first: int, past: int) -> Frame:
    at = nw.col("occurred_at")
    return rows.filter(at >= day_of(first).to_pydatetime(), at < day_of(past).to_pydatetime())


def prepared(rows: Frame) -> Frame:
    """Return raw rows with the columns that are needed, and their day.

    Absent ones are null; without ``errors`` or ``active_users`` there is nothing to sum up of
    them. Where rows tell when they reached us there is ``known``: the day, null if it was their
    own.
    """
    kinds: dict[str, Any] = {"user_id": nw.String, "quantity": nw.Float64}
    present = rows.collect_schema().names()
    columns = [
        nw.col(name) if name in present else nw.lit(None, dtype=kind).alias(name)
        for name, kind in kinds.items()
    ]
    known = ["known_at"] if "known_at" in present else []
    others = [name for name in ("errors", "active_users") if name in present]
    rows = rows.filter(~nw.col("account_id").is_null())
    rows = rows.select("account_id", "event", "occurred_at", *columns, *others, *known)
    rows = rows.with_columns(nw.col("quantity").fill_null(1.0), day=nw.col("occurred_at").dt.date())
    if known:
        late = nw.col("known_at").dt.date()
        rows = rows.with_columns(known=nw.when(late > nw.col("day")).then(late))
    return rows


def keys_with_known(rows: Frame, *names: str) -> list[str]:
    """Return the names, and ``known`` where rows tell it."""
    return [*names, "known"] if "known" in rows.collect_schema().names() else [*names]


def by_user(rows: Frame) -> Frame:
    """Sum up prepared rows per account, user and day."""
    sums = [nw.col("quantity").sum(), nw.len().cast(nw.Float64).alias("records")]
    present = rows.collect_schema().names()
    if "errors" in present:
        sums += [nw.col("errors").sum(), counted("errors").alias("errors_known")]
    if "active_users" in present:
        sums += [nw.col("active_users").max(), counted("active_users").alias("users_counted")]
    return rows.group_by(*keys_with_known(rows, "account_id", "user_id", "day")).agg(*sums)


def counted(column: str) -> nw.Expr:
    """Return in how many rows a column has a value."""
    return nw.col(column).count().cast(nw.Float64)


def by_event(rows: Frame) -> Frame:
    """Sum up prepared rows per account, event and day."""
    keys = keys_with_known(rows, "account_id", "event", "day")
    return rows.group_by(*keys).agg(nw.col("quantity").sum())


def by_account_day(rows: Frame) -> Frame:
    """Count and sum up prepared rows per account and day, with the first and the last time."""
    at = nw.col("occurred_at")
    sums = (nw.len().alias("n"), at.min().alias("first"), at.max().alias("last"))
    return rows.group_by(*keys_with_known(rows, "account_id", "day")).agg(
        nw.col("quantity").sum(), *sums
    )


def parts_of_days(
    rows: Frame, start: int, end: int, days: int = PART_DAYS
) -> Iterator[tuple[int, Frame]]:
    """Cut the rows from one day to another into parts, each with its first day."""
    for first in range(start, end, days):
        yield first, _of_days(rows, first, min(first + days, end))


def collected(frame: Frame) -> pa.Table:
    """Run a roll-up; names become codes at once, which is a tenth of the memory."""
    table: pa.Table = frame.collect("pyarrow").to_native()
    columns = {}
    for name in sorted(table.column_names):
        column = table[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.string()).dictionary_encode().combine_chunks()
        elif pa.types.is_date(column.type):
            column = column.cast(pa.date32()).cast(pa.int32())
        elif name in {"day", "known"}:
            column = column.cast(pa.int32())
        elif not pa.types.is_timestamp(column.type):
            column = column.cast(pa.float64())
        columns[name] = column
    return pa.table(columns)


def known_days(table: pa.Table) -> Codes | None:
    """Return the day on which each row of a roll-up was known; None where no row was late."""
    if "known" not in table.column_names or table["known"].null_count == len(table):
        return None
    late = pc.fill_null(table["known"], BEFORE_ALL_DAYS).to_numpy()
    known: Codes = np.maximum(late, table["day"].to_numpy()).astype(np.int64)
    return known


def in_order_of_day(tables: list[pa.Table]) -> list[pa.Table]:
    """Return the rows of roll-ups in order of day, if that is to be had by cutting.

    Each roll-up comes in order of day, and most share a day with the next one at most: they are
    cut there, and their pieces put in order, which copies no row.
    """
    rows = [table for table in tables if len(table)]
    if not rows:
        return tables
    days = [table["day"].to_numpy() for table in rows]
    first = min(int(day[0]) for day in days)
    reached = np.zeros(max(int(day[-1]) for day in days) - first + 2, dtype=np.int64)
    for day in days:
        reached[day[0] - first] += 1
        reached[day[-1] - first + 1] -= 1
    shared = np.flatnonzero(np.cumsum(reached) > 1) + first
    if len(shared) * len(rows) > _MOST_PIECES:
        return tables
    pieces = []
    for table, day in zip(rows, days, strict=True):
        inside = np.searchsorted(day, np.concatenate([shared, shared + 1]))
        ends = sorted({0, *inside.tolist(), len(day)})
        pieces += [(int(day[a]), table.slice(a, b - a)) for a, b in pairwise(ends)]
    return [piece for _, piece in sorted(pieces, key=lambda piece: piece[0])]


def named_codes(column: pa.ChunkedArray) -> tuple[pa.Array, Codes]:
    """Return the names of a column in order, and the place of each value; −1 for none.

    Each name is looked at once a part, not once a row.
    """
    first: dict[tuple[int, ...], int] = {}
    dictionaries: list[pa.StringArray] = []
    spelt_by = []
    for chunk in column.chunks:
        names = chunk.dictionary
        # Pieces of one table have their names in common.
        where = (*(b.address for b in names.buffers() if b is not None), names.offset, len(names))
        if where not in first and len(names):
            first[where] = len(dictionaries)
            dictionaries.append(names)
        # Where there is no name, what comes after those that have some.
        spelt_by.append(first.get(where, -1))
    spelt = pa.chunked_array(dictionaries, pa.string()).dictionary_encode().chunks
    # All pieces have their names in common.
    names = spelt[0].dictionary if spelt else pa.array([], pa.string())
    order = pc.sort_indices(names)
    place = np.empty(len(order), dtype=np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    # Less than nothing is the last one.
    places = [np.append(place[part.indices.to_numpy()], -1) for part in spelt] + [np.array([-1])]
    codes, past = np.empty(len(column), dtype=np.int64), 0
    for chunk, number in zip(column.chunks, spelt_by, strict=True):
        indices = pc.fill_null(chunk.indices, -1) if chunk.null_count else chunk.indices
        rows = slice(past, past + len(chunk))
        np.take(places[number], indices.to_numpy(), out=codes[rows], mode="wrap")
        past += len(chunk)
    return names.take(order), codes
