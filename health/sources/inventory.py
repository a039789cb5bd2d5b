"""The tables of a folder of exports: files, parts of one table, sheets, and database files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.errors import HealthError
from features.reading.other_files import (
    EXCEL_ENDINGS,
    JSON_ENDINGS,
    json_keys,
    json_sql,
    sheets_of,
)
from features.tables.connection import first_line, internal_name
from features.tables.relations import csv_sql, parquet_sql

_PARQUET, _CSV, _JSON, _EXCEL = "Parquet", "CSV", "JSON lines", "an Excel workbook"
_KINDS = {
    ".parquet": _PARQUET, ".pq": _PARQUET,
    ".csv": _CSV, ".tsv": _CSV, ".txt": _CSV,
    **dict.fromkeys(JSON_ENDINGS, _JSON),
    **dict.fromkeys(EXCEL_ENDINGS, _EXCEL),
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
        Its folder or workbook under the source, or its schema.
    label : str
        As messages name it.
    columns : dict of str to str
        Its columns and the engine's types of them.
    sql : str
        What follows FROM, where the engine can read it in place; empty for a database's table.
    path : str
        The file or folder under the source that has its rows; empty for a database's table.
    """

    name: str
    place: str
    label: str
    columns: dict[str, str]
    sql: str = ""
    path: str = ""


def tables_in_folder(
    folder: Path, connection: duckdb.DuckDBPyConnection
) -> tuple[list[FoundTable], list[str]]:
    """Return the tables of a folder and its folders, and the files that are none.

    Files of one folder, kind and name that differ by numbers or dates are parts of one table. A
    workbook with several sheets has a table in each. Databases are neither (`database_url`).

    Parameters
    ----------
    folder : Path
        The folder, or one workbook.
    connection : DuckDBPyConnection
        Where sheets are kept, which the engine cannot read in place.

    Raises
    ------
    HealthError
        There is no such folder, or a file cannot be read.
    """
    if folder.is_file() and _kind(folder) == _EXCEL:
        return _sheets(connection, folder.parent, folder, inside=True), []
    if not folder.is_dir():
        raise HealthError(
            "is a file" if folder.is_file() else "there is no such folder",
            where=str(folder),
            fix="give a folder with the exports, a workbook, or the URL of a database",
        )
    groups: dict[tuple[Path, str, str], list[Path]] = {}
    found, others = [], []
    for file in files_in(folder):
        kind = _kind(file)
        if kind == _EXCEL:
            found += _sheets(connection, folder, file, inside=False)
        elif kind is not None:
            groups.setdefault((file.parent, kind, _without_part(file)), []).append(file)
        elif not database_url(file):
            others.append(str(file.relative_to(folder)))
    for (parent, kind, stem), files in groups.items():
        parts = [files] if stem == "" or len(files) > 1 else []
        for part in parts or [[file] for file in files]:
            found.append(_table(connection, folder, parent, kind, stem, part))
    return found, others


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder and its folders, without hidden ones."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not any(part.startswith((".", "_", "~$")) for part in file.relative_to(folder).parts)
    ]


def database_url(file: Path) -> str:
    """Return the scheme of the URL of a database in a file; empty where it is no database."""
    try:
        with file.open("rb") as stream:
            start = stream.read(16)
    except OSError:
        return ""
    if start.startswith(b"SQLite format 3"):
        return "sqlite"
    return "duckdb" if start[8:12] == b"DUCK" else ""


def _sheets(
    connection: duckdb.DuckDBPyConnection, folder: Path, file: Path, *, inside: bool
) -> list[FoundTable]:
    """Return the sheets of a workbook as tables; a lone sheet is named after its file."""
    path = str(file.relative_to(folder))
    sheets = sheets_of(file)
    found = []
    for name, rows in sheets.items():
        kept = internal_name(f"{file}, {name}")
        connection.register("arrived", rows)
        connection.execute(f"CREATE OR REPLACE TABLE {kept} AS SELECT * FROM arrived")
        connection.unregister("arrived")
        columns = dict.fromkeys(rows.column_names, "VARCHAR")
        if len(sheets) == 1:
            place = _place(file.parent, folder)
            found.append(FoundTable(_stem(file), place, path, columns, kept, path))
        else:
            place = "" if inside else path
            found.append(FoundTable(name, place, f"{path}, sheet {name}", columns, kept, path))
    return found


def _place(parent: Path, folder: Path) -> str:
    place = str(parent.relative_to(folder))
    return "" if place == "." else place


def _table(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    parent: Path,
    kind: str,
    stem: str,
    files: Sequence[Path],
) -> FoundTable:
    name = stem if len(files) > 1 else _stem(files[0])
    path = files[0].relative_to(folder)
    label = str(path)
    if len(files) > 1:
        label += f" and {len(files) - 1} more"
        path = path.parent
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
    place = _place(parent, folder)
    return FoundTable(name or parent.name, place, label, columns, sql, str(path))


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
