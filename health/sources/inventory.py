"""The tables of a folder of exports: files, and files that are parts of one table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.errors import HealthError
from features.reading.other_files import JSON_ENDINGS, json_keys, json_sql
from features.tables.connection import first_line
from features.tables.relations import csv_sql, parquet_sql

_PARQUET, _CSV, _JSON = "Parquet", "CSV", "JSON lines"
_KINDS = {
    ".parquet": _PARQUET, ".pq": _PARQUET,
    ".csv": _CSV, ".tsv": _CSV, ".txt": _CSV,
    **dict.fromkeys(JSON_ENDINGS, _JSON),
}  # fmt: skip
#: What distinguishes the parts of one table: numbers, dates and "part".
_PART = re.compile(r"(?:part|chunk|export)?[-_.]*\d[\d\-_T:Z.]*|(?<=[-_.])(?:part|chunk)$", re.I)


@dataclass(frozen=True)
class FoundTable:
    """A table that a source has.

    Attributes
    ----------
    name : str
        Without schema, folder, ending and the numbers of its parts.
    place : str
        Its folder under the source, or its schema.
    label : str
        As messages name it.
    columns : dict of str to str
        Its columns and the engine's types of them.
    sql : str
        What follows FROM, where the engine can read it in place; empty for a database's table.
    """

    name: str
    place: str
    label: str
    columns: dict[str, str]
    sql: str = ""


def tables_in_folder(
    folder: Path, connection: duckdb.DuckDBPyConnection
) -> tuple[list[FoundTable], list[str]]:
    """Return the tables of a folder and its folders, and the files that are none.

    Files of one folder, kind and name that differ by numbers or dates are parts of one table.

    Raises
    ------
    HealthError
        There is no such folder, or a file cannot be read.
    """
    if not folder.is_dir():
        raise HealthError(
            "there is no such folder",
            where=str(folder),
            fix="give a folder with the exports, or the URL of a database",
        )
    groups: dict[tuple[Path, str, str], list[Path]] = {}
    others = []
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        relative = file.relative_to(folder)
        if any(part.startswith((".", "_")) for part in relative.parts):
            continue
        kind = _kind(file)
        if kind is None:
            others.append(str(relative))
            continue
        groups.setdefault((file.parent, kind, _without_part(file)), []).append(file)
    found = []
    for (parent, kind, stem), files in groups.items():
        parts = [files] if stem == "" or len(files) > 1 else []
        for part in parts or [[file] for file in files]:
            found.append(_table(connection, folder, parent, kind, stem, part))
    return found, others


def _table(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    parent: Path,
    kind: str,
    stem: str,
    files: Sequence[Path],
) -> FoundTable:
    name = stem if len(files) > 1 else _stem(files[0])
    label = str(files[0].relative_to(folder))
    if len(files) > 1:
        label += f" and {len(files) - 1} more"
    try:
        sql = _relation(connection, kind, files)
        described = connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    except duckdb.Error as error:
        raise HealthError(
            f"cannot be read as {kind}: {first_line(error)}",
            where=label,
            fix="repair the file, or move it out of the folder",
        ) from None
    columns = {str(row[0]): str(row[1]) for row in described}
    place = str(parent.relative_to(folder))
    return FoundTable(name or parent.name, "" if place == "." else place, label, columns, sql)


def _relation(connection: duckdb.DuckDBPyConnection, kind: str, files: Sequence[Path]) -> str:
    if kind == _PARQUET:
        return parquet_sql(files, uniform=len(files) == 1)
    if kind == _CSV:
        return csv_sql(files)
    return json_sql(files, json_keys(connection, files))


def _kind(file: Path) -> str | None:
    return _KINDS.get(_endings(file)[-1]) if _endings(file) else None


def _endings(file: Path) -> list[str]:
    endings = [ending.lower() for ending in file.suffixes]
    return endings[:-1] if endings and endings[-1] == ".gz" else endings


def _stem(file: Path) -> str:
    name = file.name
    for ending in (".gz", _endings(file)[-1]):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


def _without_part(file: Path) -> str:
    return _PART.sub("", _stem(file)).strip("-_. ")
