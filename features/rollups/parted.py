"""The tables of a company divided into parts of its accounts, as Parquet files.

Each part has a folder with a file per table. It is opened by itself, in any process, so that
memory is that of one part. Usage is divided as its roll-ups, of which no raw row is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.rollups.fetched import FetchedRollups, kept_name
from features.rollups.usage_rollup import BUCKET, ROLLUPS, Frame, Name, first_day, usage_parts
from features.tables.casting import literal
from features.tables.connection import in_memory, internal_name
from features.tables.opened import Tables, Whole
from features.windows.day_rows import day_number

#: Rows that are divided at once.
_BATCH = 500_000
_PART = "part of the accounts"
#: The roll-ups that features are made from; that by day is made from the one by user.
_ROLLUPS: tuple[Name, ...] = ("users", "events")


def divide(tables: Tables, folder: Path, parts: int, *, until: datetime) -> None:
    """Write the tables of DuckDB in parts of the accounts, to folders named by their number.

    Parameters
    ----------
    tables : Tables
        The tables of the company, on DuckDB.
    folder : Path
        Where the parts go; every part gets a file of every table, if without rows.
    parts : int
        How many; an account's part follows from its identifier.
    until : datetime
        The last date of the features: later usage is left out.
    """
    for number in range(parts):
        (folder / str(number)).mkdir()
    for name, frame in tables.frames.items():
        if name == "usage":
            empty = frame.to_native().limit(0).to_arrow_table()
            for number in range(parts):
                pq.write_table(empty, folder / str(number) / "usage.parquet")
        else:
            _divide([frame], folder, name, parts)
    if tables.has("usage"):
        for rollup in _ROLLUPS:
            _divide(_rolled_up(tables, rollup, day_number(until)), folder, rollup, parts)


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
    for file in sorted(folder.glob("*.parquet")):
        rollup = next((name for name in _ROLLUPS if name == file.stem), None)
        view = internal_name(file.stem) if rollup is None else kept_name(rollup)
        rows = f"SELECT * FROM read_parquet({literal(str(file))})"
        connection.execute(f"CREATE VIEW {view} AS {rows}")
        if rollup is None:
            frames[file.stem] = nw.from_native(connection.table(view))
    rollups = None
    if "usage" in frames:
        made = {*_ROLLUPS}
        rollups = FetchedRollups(frames["usage"], connection, None, observed_until, made)
    return Tables(frames, observed_until, connection, rollups, whole)


def _rolled_up(tables: Tables, name: Name, end: int) -> Iterator[Frame]:
    """Yield a roll-up of all usage before a day, in parts of consecutive days."""
    start = first_day(tables, name, end)
    for part in usage_parts(tables, name, end if start is None else start, end):
        rows = part.rows if part.is_summed else ROLLUPS[name].of(part.rows)
        yield rows.drop(BUCKET, strict=False)
    if start is None:
        # No row, but every column.
        yield ROLLUPS[name].of(next(usage_parts(tables, name, end - 1, end)).rows)


def _divide(frames: Any, folder: Path, name: str, parts: int) -> None:
    writers: list[pq.ParquetWriter] = []
    try:
        for frame in frames:
            for batch in _numbered(frame, parts):
                number = batch[_PART].to_numpy()
                rows = batch.drop_columns([_PART])
                if not writers:
                    files = (folder / str(n) / f"{name}.parquet" for n in range(parts))
                    writers = [pq.ParquetWriter(file, rows.schema) for file in files]
                order = np.argsort(number, kind="stable")
                ends = np.searchsorted(number[order], np.arange(parts + 1))
                rows = rows.select(writers[0].schema.names).take(order)
                for writer, start, end in zip(writers, ends[:-1], ends[1:], strict=True):
                    if end > start:
                        writer.write_table(rows.slice(start, end - start))
    finally:
        for writer in writers:
            writer.close()


def _numbered(frame: Frame, parts: int) -> Iterator[pa.Table]:
    """Yield the rows of a frame of DuckDB with the number of each one's part; at least once."""
    relation = frame.to_native()
    number = f'CAST(hash(account_id) % {parts} AS USMALLINT) AS "{_PART}"'
    reader = relation.project(f"*, {number}").to_arrow_reader(_BATCH)
    yield reader.schema.empty_table()
    for batch in reader:
        yield pa.Table.from_batches([batch])
