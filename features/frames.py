"""Input tables from frames in memory: pandas, Polars, Arrow, DuckDB or Spark."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import narwhals as nw

from features.connection import in_memory, own_name
from features.errors import HealthError
from features.schema import TABLES
from features.tables import DTYPES, SQL_TYPES, Tables


def tables_from_frames(frames: Mapping[str, Any], *, observed_until: datetime) -> Tables:
    """Open frames with canonical columns as input tables.

    Parameters
    ----------
    frames : mapping of str to frame
        By canonical table name. Whatever Narwhals reads: pandas, Polars, Arrow, DuckDB
        relations, Spark. Spark frames stay where they are, all of them on one session; the
        others are read by an in-process DuckDB. Columns that the schema does not know are left
        out; a value that cannot be cast to its canonical type raises.
    observed_until : datetime
        The data ends here (exclusive).

    Raises
    ------
    HealthError
        A table is unknown or lacks a required column, or Spark's frames are mixed with others.

    Examples
    --------
    >>> import pandas as pd
    >>> accounts = pd.DataFrame({"account_id": ["a"], "created_at": ["2026-01-05"]})
    >>> tables = tables_from_frames({"accounts": accounts}, observed_until=datetime(2026, 6, 1))
    >>> tables
    Tables(accounts (2 columns); data until 2026-06-01)
    """
    opened = {name: nw.from_native(frame) for name, frame in frames.items()}
    for name, frame in opened.items():
        _require(name, frame)
    on_spark = [name for name, frame in opened.items() if frame.implementation.is_spark_like()]
    if on_spark and len(on_spark) < len(opened):
        raise HealthError(
            f"{', '.join(on_spark)} are on Spark, the others are not",
            where="tables",
            fix="bring all tables to one engine",
        )
    if on_spark:
        cast = {name: _cast_lazily(name, frame) for name, frame in opened.items()}
        return Tables(cast, observed_until, tuple(frames.values()))
    return _on_duckdb(opened, observed_until)


def _require(name: str, frame: Any) -> None:
    if name not in TABLES:
        raise HealthError(
            "there is no such input table", where=name, fix=f"known are {', '.join(TABLES)}"
        )
    there = set(frame.collect_schema().names())
    missing = [c.name for c in TABLES[name].columns if c.required and c.name not in there]
    if missing:
        raise HealthError(
            f"the frame lacks {', '.join(missing)}",
            where=name,
            fix="rename its columns to the canonical names",
        )


def _known(name: str, there: list[str]) -> list[Any]:
    return [column for column in TABLES[name].columns if column.name in there]


def _cast_lazily(name: str, frame: Any) -> nw.LazyFrame[Any]:
    there = frame.collect_schema().names()
    casts = [nw.col(c.name).cast(DTYPES[c.kind]) for c in _known(name, there)]
    lazy: nw.LazyFrame[Any] = frame.lazy().select(*casts)
    return lazy


def _on_duckdb(frames: Mapping[str, Any], observed_until: datetime) -> Tables:
    connection = in_memory()
    opened: dict[str, nw.LazyFrame[Any]] = {}
    for name, frame in frames.items():
        columns = _known(name, frame.collect_schema().names())
        casts = ", ".join(f'CAST("{c.name}" AS {SQL_TYPES[c.kind]}) AS "{c.name}"' for c in columns)
        table = own_name(name)
        connection.register("input", _readable(frame))
        connection.execute(f"CREATE TABLE {table} AS SELECT {casts} FROM input")
        connection.unregister("input")
        opened[name] = nw.from_native(connection.table(table))
    return Tables(opened, observed_until, connection)


def _readable(frame: Any) -> Any:
    """Return what DuckDB reads as it is: a pandas frame, else an Arrow table."""
    if frame.implementation.is_pandas():
        return frame.to_native()
    eager = frame.collect("pyarrow") if isinstance(frame, nw.LazyFrame) else frame
    return eager.to_arrow()
