"""The tables of a company divided into parts of its accounts, as Parquet files.

Each part has a folder with a file per table. It is opened by itself, in any process, so that
memory is that of one part. Usage is divided as its roll-ups, of which no raw row is needed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.rollups.daily_usage import REACH_DAYS
from features.rollups.spark_parts import divide_on_spark
from features.rollups.usage_rollup import (
    FIRST_DAY,
    Frame,
    Name,
    coded,
    first_day,
    last_days_before,
    last_days_of_rows,
    named_codes,
    rolled_up,
    whole_rollup,
)
from features.tables.casting import literal
from features.tables.connection import in_memory, internal_name
from features.tables.opened import Tables, Whole
from features.tables.schema import TABLES
from features.windows.day_rows import day_number, day_of

#: The most parts: each has a file of a table open.
MOST_PARTS = 256
#: Rows that are divided at once.
_BATCH = 500_000
#: The folder of roll-ups in that of a part.
_USAGE = "rolled up"
_LAST_DAYS = "last days"
#: Days before a date whose events features read.
_EVENT_DAYS = 56


def parts_of(tables: Tables, accounts_at_once: int) -> int:
    """Return in how many parts of about this many accounts tables can be divided; 1 for not at all.

    Only tables of DuckDB and Spark are divided.
    """
    engines = [frame.implementation for frame in tables.frames.values()]
    if not (all(e.is_duckdb() for e in engines) or all(e.is_spark_like() for e in engines)):
        return 1
    accounts = tables["accounts"].select(nw.len()).collect("pyarrow").item()
    return min(MOST_PARTS, -(-int(accounts) // accounts_at_once))


@dataclass(frozen=True)
class PartRollups:
    """The roll-ups of usage of a part of the accounts.

    Attributes
    ----------
    folder : Path
        Of the part.
    connection : duckdb.DuckDBPyConnection
        Reads them, in one thread at a time.
    """

    folder: Path
    connection: duckdb.DuckDBPyConnection

    def whole_until(self, observed_until: datetime) -> int:
        """Return the day before which roll-ups are complete: no raw row is ever read."""
        return day_number(observed_until) + 1

    def between(self, name: Name, start: int, end: int) -> Frame:
        """Return the roll-up of the days of [start, end)."""
        rows = nw.from_native(self.connection.sql(_rows_of(self._file(name))))
        first, past = (day_of(number).date() for number in (start, end))
        return rows.filter(nw.col("day") >= first, nw.col("day") < past)

    def tables(
        self, name: Name, start: int, end: int, *, columns: Collection[str] = ()
    ) -> Iterator[pa.Table]:
        """Yield the roll-up of the days of [start, end) as `collected` returns it.

        Where columns are given, others are left out.
        """
        table = coded(pq.ParquetFile(self._file(name)).read([*columns] or None))
        day = table["day"].to_numpy()
        yield table.filter(pa.array((day >= start) & (day < end)))

    def first_day(self, name: Name, past: int) -> int | None:
        """Return the first day of usage before a day, None without any."""
        day = self.between("days", FIRST_DAY, past).select(nw.col("day").min())
        first = day.collect("pyarrow").item()
        return None if first is None else day_number(first)

    def last_days(self, past: int) -> list[pa.Table]:
        """Return the last day of each user before the windows of the first date."""
        return [coded(pq.ParquetFile(self._file(_LAST_DAYS)).read())]

    def _file(self, name: str) -> Path:
        return self.folder / _USAGE / f"{name}.parquet"


def divide(
    tables: Tables,
    folder: Path,
    parts: int,
    *,
    dates: Sequence[datetime],
    all_events: bool = False,
) -> None:
    """Write tables in parts of the accounts, to folders named by their number.

    Parameters
    ----------
    tables : Tables
        The tables of the company, on DuckDB or Spark, whose executors write the files.
    folder : Path
        Where the parts go; every part gets a file of every table, if without rows. Executors must
        reach it.
    parts : int
        How many, at most `MOST_PARTS`. Each has about as many accounts, which follow one another
        in the order of their identifiers.
    dates : sequence of datetime
        The dates of the features: only the usage that these need is kept.
    all_events : bool
        Keep all usage by event, as milestones need it; by default, that of the last weeks.
    """
    folders = [folder / str(number) for number in range(parts)]
    firsts = _first_accounts(tables, parts)
    for own in folders:
        (own / _USAGE).mkdir(parents=True)
    is_spark = tables["accounts"].implementation.is_spark_like()
    for name, frame in tables.frames.items():
        # The columns of usage matter, its rows are in the roll-ups.
        rows = frame.head(0) if name == "usage" else frame
        files = [own / f"{name}.parquet" for own in folders]
        if is_spark:
            divide_on_spark(rows.to_native(), files, firsts)
        else:
            _divide(_batches(rows), files, firsts)
    if not tables.has("usage"):
        return
    days = [day_number(date) for date in dates]
    since, end = min(days) - REACH_DAYS, max(days)
    start = first_day(tables, "days", end)
    start = end - 1 if start is None else start
    begin = min(start, since) if all_events else min(days) - _EVENT_DAYS
    spans: dict[Name, int] = {"users": since, "days": start, "events": begin}
    usage = {name: [own / _USAGE / f"{name}.parquet" for own in folders] for name in spans}
    last = [own / _USAGE / f"{_LAST_DAYS}.parquet" for own in folders]
    if is_spark:
        for name, files in usage.items():
            divide_on_spark(whole_rollup(tables, name, spans[name], end).to_native(), files, firsts)
        divide_on_spark(last_days_of_rows(tables, since).to_native(), last, firsts)
        return
    for name, files in usage.items():
        _divide(map(_with_dates, rolled_up(tables, name, spans[name], end)), files, firsts)
    _divide(map(_with_dates, last_days_before(tables, since)), last, firsts)


def open_part(folder: Path, observed_until: datetime, *, whole: Whole) -> Tables:
    """Open the tables of one part that `divide` wrote.

    Parameters
    ----------
    folder : Path
        Of the part.
    observed_until : datetime
        The end of the company's data.
    whole : Whole
        What is needed of the other accounts.
    """
    connection = in_memory({"temp_directory": str(folder / "engine")})
    frames: dict[str, nw.LazyFrame[Any]] = {}
    for name in TABLES:
        file = folder / f"{name}.parquet"
        if file.exists():
            view = internal_name(name)
            connection.execute(f"CREATE VIEW {view} AS {_rows_of(file)}")
            frames[name] = nw.from_native(connection.table(view))
    rollups = PartRollups(folder, connection) if "usage" in frames else None
    return Tables(frames, observed_until, connection, rollups, whole)


def _rows_of(file: Path) -> str:
    return f"SELECT * FROM read_parquet({literal(str(file))})"


def _batches(frame: Frame) -> Iterator[pa.Table]:
    """Yield the rows of a frame of DuckDB, with accounts as codes; first a table without rows."""
    reader = frame.to_native().to_arrow_reader(_BATCH)
    yield _with_codes(reader.schema.empty_table())
    for batch in reader:
        yield _with_codes(pa.Table.from_batches([batch]))


def _with_codes(table: pa.Table) -> pa.Table:
    place = table.column_names.index("account_id")
    names = table["account_id"].cast(pa.string()).dictionary_encode()
    return table.set_column(place, "account_id", names)


def _with_dates(table: pa.Table) -> pa.Table:
    """Return a roll-up with days as dates, for engines."""
    for name in ("day", "known"):
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.date32()))
    return table


def _first_accounts(tables: Tables, parts: int) -> list[str]:
    """Return the first account of each part but the first."""
    accounts = tables["accounts"].select("account_id").unique().collect("pyarrow").to_native()
    names = accounts["account_id"].cast(pa.string()).combine_chunks()
    places = [len(names) * number // parts for number in range(1, parts)]
    chosen: list[str] = names.take(
        pc.sort_indices(names).take(pa.array(places, pa.int64()))
    ).to_pylist()
    return chosen


def _divide(tables: Iterator[pa.Table], files: Sequence[Path], firsts: Sequence[str]) -> None:
    """Write rows to the files of their accounts' parts."""
    with ExitStack() as stack:
        writers: list[pq.ParquetWriter] = []
        for table in tables:
            rows = table.combine_chunks().unify_dictionaries()
            if not writers:
                plain = pa.schema(
                    [(f.name, pa.string() if _is_coded(f.type) else f.type) for f in rows.schema]
                )
                writers = [stack.enter_context(pq.ParquetWriter(file, plain)) for file in files]
            rows = rows.select(plain.names)
            part = _part_of(rows["account_id"], firsts)
            order = np.argsort(part, kind="stable")
            ends = np.searchsorted(part[order], np.arange(len(files) + 1)).tolist()
            rows = rows.take(order)
            for writer, (start, past) in zip(writers, pairwise(ends), strict=True):
                if past > start:
                    writer.write_table(rows.slice(start, past - start).cast(plain))


def _is_coded(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind))


def _part_of(accounts: pa.ChunkedArray, firsts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return the number of each row's part."""
    names, code = named_codes(accounts)
    part = [bisect_right(firsts, name) for name in names.to_pylist()]
    return np.array(part, dtype=np.uint8)[code]
