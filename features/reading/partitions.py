"""Rows whose column contradicts the name of their folder, such as ``dt=2026-06-01``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import Finding, HealthError, quantity
from features.reading.other_files import json_keys, json_values
from features.tables.casting import quoted
from features.tables.folders import DataFiles, kind_of, listed, partition_of
from features.tables.relations import Relation, common_delimiter
from features.tables.schema import Table

#: Where the engine finds the values of the folders of each file.
_FOLDERS = "values_of_folders"
#: The name of a folder whose rows have no value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
#: The same value, written in another way: 06 and 6, 2026-06-01 and 20260601 or a time on that day,
#: or a day of the month that the folder names.
_SAME = """coalesce(
    lower(trim(own)) = lower(trim(folder))
    OR TRY_CAST(own AS DOUBLE) = TRY_CAST(folder AS DOUBLE)
    OR coalesce(TRY_CAST(own AS DATE), CAST(try_strptime(own, '%Y%m%d') AS DATE))
        = coalesce(TRY_CAST(folder AS DATE), CAST(try_strptime(folder, '%Y%m%d') AS DATE))
    OR strftime(TRY_CAST(own AS DATE), '%Y-%m') = folder,
    false
)"""


def contradicted_folders(
    connection: duckdb.DuckDBPyConnection, table: Table, relation: Relation
) -> Iterator[Finding]:
    """Yield a warning for each column that has another value than the name of its folder.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The engine's.
    table : Table
        The table.
    relation : Relation
        Its rows. Without files in folders that are named after values, nothing is read; the files
        of a query are those that it names.
    """
    for part in [relation, *_of_query(connection, relation)]:
        for key, files in _with_both(part).items():
            doubtful = [file for file in files if part.csv or not _agrees(file, key)]
            if doubtful:
                yield from _found(connection, table, part, key, doubtful)


def _of_query(connection: duckdb.DuckDBPyConnection, relation: Relation) -> Iterator[Relation]:
    """Yield the files of a query in folders that are named after values, by their kind."""
    by_kind: dict[str, list[Path]] = {}
    for file in relation.of_query:
        by_kind.setdefault(kind_of(file), []).append(file)
    for kind, files in by_kind.items():
        found = DataFiles(tuple(files))
        part = Relation("", relation.label, False, is_columnar=kind == "Parquet", found=found)
        # What cannot be read is reported when the query is run.
        with suppress(HealthError):
            if kind == "CSV":
                yield replace(part, csv=found.files, delimiter=common_delimiter(files))
            elif kind == "JSON":
                keys = json_keys(connection, files)
                yield replace(part, columns={file: [*keys[file]] for file in files})
            elif kind == "Parquet":
                yield part


def _found(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    relation: Relation,
    key: str,
    files: Sequence[Path],
) -> Iterator[Finding]:
    rows, total, names, example = _contradicting(connection, relation, key, files)
    if not rows:
        return
    counts = "the column" if relation.columns else "the folder's name"
    what = (
        f"contradicts the name of its folder in {quantity(len(names), 'file')}: "
        f"{listed(names)}; {counts} counts"
    )
    fix = (
        f"move the rows to the folder of their {key}, correct the column, or rename it if it "
        "has another meaning"
    )
    yield Finding(
        "warning", "contradicted_folder", relation.label, table.name, key, what, rows, total,
        example, fix,
    )  # fmt: skip


def _with_both(relation: Relation) -> dict[str, list[Path]]:
    """Return, by column, the files with a column of the same name as one of their folders."""
    files = [file for file in relation.found.files if partition_of(file)]
    found: dict[str, list[Path]] = {}
    uniform: list[str] | None = None
    for file in files:
        with suppress(pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error):
            own = uniform or relation.own_columns(file)
            uniform = own if relation.is_uniform else None
            of_folders = {key.casefold() for key in partition_of(file)}
            for name in own:
                if name.casefold() in of_folders:
                    found.setdefault(name, []).append(file)
    return found


def _folder_value(file: Path, key: str) -> str | None:
    values = {name.casefold(): value for name, value in partition_of(file).items()}
    value = unquote(values[key.casefold()])
    return None if value == _NO_VALUE else value


def _agrees(file: Path, key: str) -> bool:
    """Return whether a Parquet file's statistics show that every row has the folder's value."""
    value = _folder_value(file, key)
    # A nested column has no statistics of its own.
    with suppress(pa.ArrowException, OSError, ValueError):
        noted = pq.read_metadata(file)
        place = noted.schema.names.index(key)
        groups = [noted.row_group(n).column(place).statistics for n in range(noted.num_row_groups)]
        known = (group is not None and group.has_min_max for group in groups)
        return all(known) and all(_is_all(group.min, group.max, value) for group in groups)
    return False


def _is_all(low: Any, high: Any, folder: str | None) -> bool:
    """Return whether values between two are those of a folder's name, as in `_SAME`."""
    if folder is None:
        return False
    if isinstance(low, date):
        of_folder = _day(folder)
        days = {value.date() if isinstance(value, datetime) else value for value in (low, high)}
        months = {f"{day:%Y-%m}" for day in days}
        return days == {of_folder} or months == {folder}
    if str(low) == str(high) == folder:
        return True
    try:
        return low == high and Decimal(str(low)) == Decimal(folder)
    except ArithmeticError:
        return False


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%Y%m%d"):
        with suppress(ValueError):
            return datetime.strptime(text, form).date()
    return None


def _contradicting(
    connection: duckdb.DuckDBPyConnection, relation: Relation, key: str, files: Sequence[Path]
) -> tuple[int, int, list[str], str]:
    """Return the rows that contradict, all rows, the files of the former and an example."""
    rows = json_values(files, key) if relation.columns else relation.own_rows(files)
    values = pa.table(
        {
            "own file": [str(file) for file in files],
            "folder": pa.array([_folder_value(file, key) for file in files], pa.string()),
        }
    )
    connection.register(_FOLDERS, values)
    try:
        found = connection.execute(
            f"""
            SELECT "own file", count(*) FILTER (own IS NOT NULL AND (folder IS NULL OR NOT {_SAME}))
                AS n, min(own) FILTER (folder IS NULL OR NOT {_SAME}), any_value(folder), count(*)
            FROM (
                SELECT r."own file", CAST(r.{quoted(key)} AS VARCHAR) AS own, v.folder
                FROM {rows} r JOIN {_FOLDERS} v USING ("own file")
            ) GROUP BY 1 ORDER BY 1
            """
        ).fetchall()
    finally:
        connection.unregister(_FOLDERS)
    wrong = [row for row in found if row[1]]
    names = [_place(Path(row[0]), key) for row in wrong]
    example = f"{wrong[0][2]} in {names[0]}" if wrong else ""
    return sum(row[1] for row in wrong), sum(row[4] for row in found), names, example


def _place(file: Path, key: str) -> str:
    """Return a file's path, from the folder that is named after the value."""
    start = next(
        n for n, part in enumerate(file.parts) if part.casefold().startswith(f"{key.casefold()}=")
    )
    return "/".join(file.parts[start:])
