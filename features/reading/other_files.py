"""Files that the engine does not read by itself: JSON lines, Excel workbooks, SQLite databases."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from features.errors import HealthError
from features.reading.text_faults import TextFault, json_fault
from features.reading.workbooks import open_workbook, rows_of, uncomputed_cells
from features.tables.casting import literal, quoted
from features.tables.connection import first_line, internal_name
from features.tables.folders import (
    closest,
    data_files,
    ending_of,
    kind_of,
    partition_of,
    refuse_special,
)
from features.tables.identifiers import text_of_bytes
from features.tables.relations import AS_TEXT, Relation, without_glob

JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
EXCEL_ENDINGS = (".xlsx", ".xlsm")
_SQLITE_ENDINGS = (".db", ".sqlite", ".sqlite3")


def other_relation(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    path: str,
    base: Path,
    columns: Collection[str],
) -> Relation | None:
    """Return the rows of a file of another kind than CSV and Parquet, gzipped or not.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where rows that the engine cannot read in place are kept.
    table : str
        The input table: of several sheets or tables, the one of this name is read.
    path : str
        The file, or a folder of JSON lines alone.
    base : Path
        Folder of the configuration.
    columns : collection of str
        The columns that are needed; what is wrong with others does not matter.

    Returns
    -------
    Relation or None
        None where the file is of none of these kinds. Every column is text.

    Raises
    ------
    HealthError
        The file cannot be read, or has several tables of which none is named as the input table.
    """
    full = base / path
    refuse_special(full)
    if any(kind_of(file) == "JSON" for file in (full.rglob("*") if full.is_dir() else [full])):
        found = data_files(path, base)
        if {kind_of(file) for file in found.files} != {"JSON"}:
            return None
        keys = json_keys(connection, found.files)
        of_files = {file: list(keys[file].elements()) for file in found.files}
        sql = json_sql(found.files, keys)
        return Relation(sql, path, False, found=found, columns=of_files)
    if not full.is_file():
        return None
    ending = ending_of(full)
    if ending in EXCEL_ENDINGS:
        rows = _of_excel(full, table, columns)
    elif ending in _SQLITE_ENDINGS:
        rows = _of_sqlite(full, table)
    else:
        return None
    name = internal_name(f"file of {table}")
    connection.register("arrived", rows)
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM arrived")
    connection.unregister("arrived")
    return Relation(name, path, False)


def json_keys(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path]
) -> dict[Path, Counter[str]]:
    """Return the keys of the objects of each JSON file, each as often as one object has it.

    Files are lines of objects, or one array of objects.

    Raises
    ------
    HealthError
        A file is no JSON, or none has an object.
    """
    names = ", ".join(file.name for file in files[:3])
    try:
        found = connection.execute(
            f"SELECT DISTINCT filename, json_keys(json) FROM {_json_objects(files)}"
        ).fetchall()
    except duckdb.Error as error:
        fault = json_fault(files) or TextFault(
            f"cannot be read as JSON: {first_line(error)}",
            "write one JSON object per line, or one array of objects",
        )
        raise HealthError(fault.what, where=names, fix=fault.fix) from None
    keys: dict[Path, Counter[str]] = {file: Counter() for file in files}
    for file, of_object in found:
        keys[Path(file)] |= Counter(of_object or ())
    if not any(keys.values()):
        raise HealthError(
            "has no JSON object", where=names, fix="write one JSON object per line with its keys"
        )
    return keys


def json_sql(files: Sequence[Path], keys: Mapping[Path, Iterable[str]]) -> str:
    """Return the SQL that reads JSON as one table of texts: a column for each key of any object.

    Nested values stay JSON. A folder that is named after a value gives a column, too.
    """
    names = sorted(set().union(*keys.values()))
    columns = [
        f"json_extract_string(json, {literal(_json_path(name))}) AS {quoted(name)}"
        for name in names
    ]
    # The engine adds the column of a folder only where all files are in such a folder.
    folders = set.intersection(*(set(partition_of(file)) for file in files)) - set(names)
    columns += map(quoted, sorted(folders))
    return f"(SELECT {', '.join(columns)} FROM {_json_objects(files)})"


def json_values(files: Sequence[Path], key: str) -> str:
    """Return the SQL of a key's texts in JSON files, as the rows with it in "own file"."""
    value = f"json_extract_string(json, {literal(_json_path(key))}) AS {quoted(key)}"
    return f'(SELECT filename AS "own file", {value} FROM {_json_objects(files)})'


def _json_objects(files: Sequence[Path]) -> str:
    listed = "[" + ", ".join(literal(without_glob(file)) for file in files) + "]"
    return f"read_json_objects({listed}, format = 'auto', filename = true, {AS_TEXT})"


def _json_path(key: str) -> str:
    return "$." + json.dumps(key, ensure_ascii=False)


@contextmanager
def _unpacked(file: Path) -> Iterator[Path]:
    if file.suffix.lower() != ".gz":
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / file.stem
        try:
            with gzip.open(file) as packed:
                plain.write_bytes(packed.read())
        except (OSError, EOFError) as error:
            raise HealthError(
                f"is no whole gzip file: {error}", where=file.name, fix="write the file again"
            ) from None
        yield plain


def _of_excel(file: Path, table: str, columns: Collection[str]) -> pa.Table:
    with _unpacked(file) as plain, open_workbook(plain) as book:
        sheet = book[_chosen(book.sheetnames, table, file, "sheets")]
        rows = _sheet(plain, sheet, file, columns)
    if rows is None:
        raise HealthError("the sheet is empty", where=file.name, fix="give a sheet with rows")
    return rows


def _sheet(
    plain: Path, sheet: Any, file: Path, needed: Collection[str] | None = None
) -> pa.Table | None:
    """Return the rows of a sheet under the names in its first row; None if it is empty.

    Rows without a value, such as formatted ones above and below a table, are left out. Formulas
    without a value are refused in the first row and in the columns that are needed; without any,
    they are empty.
    """
    rows = rows_of(plain, sheet)
    filled = [place for place, row in enumerate(rows) if any(map(_is_filled, row))]
    if not filled:
        return None
    first, *others = filled
    names = [str(name).strip() if name is not None else "" for name in rows[first]]
    if needed is not None:
        _refuse_uncomputed(plain, sheet, file, names, needed, first=first + 1)
    kept = [index for index, name in enumerate(names) if name]
    values = [[_at(rows[place], index) for index in kept] for place in others]
    return _as_texts([names[index] for index in kept], values, file)


def _is_filled(value: Any) -> bool:
    return value is not None and bool(str(value).strip())


def _refuse_uncomputed(
    plain: Path,
    sheet: Any,
    file: Path,
    names: Sequence[str],
    columns: Collection[str],
    *,
    first: int,
) -> None:
    """Refuse formulas without a value in the row of names and in the columns that are needed."""
    needed = {name for name in names if name and name in columns}
    found = [
        (row, name)
        for row, name in (
            (row, names[column - 1] if column <= len(names) else "")
            for row, column in uncomputed_cells(plain, sheet)
        )
        if row <= first or name in needed
    ]
    if not found:
        return
    row, name = found[0]
    named = f", column {name}" if row > first else ""
    cells = "cell is a formula" if len(found) == 1 else "cells are formulas"
    what = f"{len(found):,} {cells} without a stored value, e.g. row {row}{named}"
    raise HealthError(
        f"sheet {sheet.title}: {what}",
        where=file.name,
        fix="open the workbook in Excel or LibreOffice and save it there, which stores the values",
    )


def sheets_of(file: Path) -> dict[str, pa.Table]:
    """Return every sheet of a workbook that has rows, by name; every column is text.

    Formulas without a value are empty: which columns are needed is not known yet.

    Raises
    ------
    HealthError
        It is no workbook, or is larger than the limits.
    """
    with _unpacked(file) as plain, open_workbook(plain) as book:
        read = {name: _sheet(plain, book[name], file) for name in book.sheetnames}
    return {name: rows for name, rows in read.items() if rows is not None}


def _at(row: Sequence[Any], index: int) -> Any:
    return row[index] if index < len(row) else None


def _of_sqlite(file: Path, table: str) -> pa.Table:
    try:
        with _unpacked(file) as plain:
            connection = sqlite3.connect(f"{plain.resolve().as_uri()}?mode=ro", uri=True)
            try:
                found = connection.execute(
                    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                    "AND name NOT LIKE 'sqlite_%' ORDER BY name"
                ).fetchall()
                name = _chosen([str(row[0]) for row in found], table, file, "tables")
                cursor = connection.execute(f"SELECT * FROM {quoted(name)}")
                names = [str(column[0]) for column in cursor.description]
                return _as_texts(names, cursor.fetchall(), file)
            finally:
                connection.close()
    except sqlite3.Error as error:
        raise HealthError(
            f"cannot be read as a SQLite database: {error}", where=file.name, fix="check the file"
        ) from None


def _chosen(names: Sequence[str], table: str, file: Path, noun: str) -> str:
    """Return the only sheet or table, or the one that is named as the input table."""
    if len(names) == 1:
        return names[0]
    for name in names:
        if name.strip().casefold() == table:
            return name
    raise HealthError(
        f"has {len(names)} {noun}, and none is called {table}",
        where=file.name,
        fix=f"rename one of them; {closest(table, names)}",
    )


def _as_texts(names: Sequence[str], rows: Sequence[Sequence[Any]], file: Path) -> pa.Table:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise HealthError(
            f"has two columns called {twice[0]!r}", where=file.name, fix="rename one of them"
        )
    columns = [
        pa.array([_text(row[index]) for row in rows], pa.string()) for index in range(len(names))
    ]
    return pa.table(columns, names=list(names))


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime | date):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return text_of_bytes(value)
    return str(value)
