"""Where rows come from: a file, a folder, a query or a database table, as SQL."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from glob import escape, glob, has_magic
from itertools import pairwise, takewhile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import HealthError
from features.tables.casting import literal, quoted
from features.tables.folders import (
    DataFiles,
    data_files,
    kind_of,
    open_bytes,
    partition_of,
    refuse_special,
    refuse_table_format,
)
from features.tables.one_select import require_one_select

_HEAD_BYTES = 100_000
#: Bytes that show the encoding of a text.
_ENCODING_BYTES = 200
_UTF8 = "utf-8-sig"
_SEVERAL = 2
#: Parquet up to this size is read once, into the engine; what is larger stays where it is: few
#: of its columns are read more than once or twice.
LAZY_FROM_BYTES = 4 * 2**20
# Nothing is guessed. A guessed delimiter bends ragged rows into shape, a guessed comment sign
# drops rows, and a guessed absence of quotes keeps them in the values. All columns are text, so
# that every bad value can be counted; the cast is ours.
_CSV_OPTIONS = (
    "all_varchar = true, header = true, skip = 0, union_by_name = true, "
    "quote = '\"', escape = '\"', comment = '', hive_types_autocast = false"
)
# A value in a folder's name is text: 007 is no 7, and one file's values are typed as all are.
AS_TEXT = "hive_types_autocast = false"
_READER = re.compile(r"(read_\w+|\w+_scan|glob|sniff_csv)", re.IGNORECASE)
#: Functions that read a table by its log.
_FORMAT_READER = re.compile(r"\b(delta|iceberg)_\w+\s*\(", re.IGNORECASE)
_UNPARTITIONED = re.compile(r"hive_partitioning\s*(=|:=|=>)\s*(false|0)", re.IGNORECASE)
_FILE_ENDING = re.compile(r"\.(csv|tsv|txt|json|parquet)(\.\w+)?$", re.IGNORECASE)


_NO_FILES = DataFiles(())


@dataclass(frozen=True)
class Relation:
    """Rows to select from.

    Attributes
    ----------
    sql : str
        The SQL after FROM.
    label : str
        The source as messages name it.
    is_lazy : bool
        Whether each query scans it in place, rather than reading it once.
    csv : tuple of Path
        The CSV files it reads, if any.
    delimiter : str
        What separates their values.
    parquet : tuple of Path
        The Parquet files it scans in place, if any.
    is_columnar : bool
        Whether some columns can be read without the others, so that no copy of all is needed.
    is_uniform : bool
        Whether its files are known to have the same columns, all of them.
    found : DataFiles
        The files it reads, and those of their folder that it does not.
    columns : dict of Path to list of str
        The columns of each JSON file; those of other files are looked up where they are needed.
    of_query : tuple of Path
        The files of a query that are in folders named after values.
    """

    sql: str
    label: str
    is_lazy: bool
    csv: tuple[Path, ...] = ()
    delimiter: str = ","
    parquet: tuple[Path, ...] = ()
    is_columnar: bool = False
    is_uniform: bool = False
    found: DataFiles = _NO_FILES
    columns: Mapping[Path, list[str]] = field(default_factory=dict)
    of_query: tuple[Path, ...] = ()

    def by_file(self) -> str:
        """Return the SQL of the rows with a column "filename"; empty where they have no files."""
        if len(self.found.files) < _SEVERAL or not (self.csv or self.is_columnar):
            return ""
        files = self.found.files
        if self.csv:
            return csv_sql(files, self.delimiter, filename=True)
        return parquet_sql(files, uniform=self.is_uniform, filename="filename")

    def without(self, repeats: Mapping[Path, Path]) -> Relation:
        """Return the rows without those of files that repeat the content of others."""
        files = tuple(file for file in self.found.files if file not in repeats)
        names = tuple((file.name, of.name) for file, of in repeats.items())
        found = replace(self.found, files=files, repeats=(*self.found.repeats, *names))
        if self.csv:
            return replace(self, sql=csv_sql(files, self.delimiter), csv=files, found=found)
        scanned = files if self.parquet else ()
        sql = parquet_sql(files, uniform=self.is_uniform)
        return replace(self, sql=sql, parquet=scanned, found=found)

    def columns_by_file(self) -> dict[Path, list[str]]:
        """Return the columns of each file, those that its folders' names give included.

        A file that cannot be read is left out.
        """
        result = {}
        for file in self.found.files:
            with suppress(pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error):
                own = self.own_columns(file)
                result[file] = [*own, *(key for key in partition_of(file) if key not in own)]
        return result

    def own_columns(self, file: Path) -> list[str]:
        """Return the columns of a file, without those that its folders' names give."""
        if file in self.columns:
            return self.columns[file]
        names: list[str] = pq.read_schema(file).names if not self.csv else []
        return names or csv_header(file, self.delimiter)

    def own_rows(self, files: Sequence[Path]) -> str:
        """Return the SQL of rows of CSV or Parquet files, without what their folders' names give.

        A further column "own file" has the file of each row.
        """
        only = "filename = 'own file', hive_partitioning = false"
        if self.csv:
            sign = literal(self.delimiter)
            return f"read_csv({_listed(files)}, delim = {sign}, {_CSV_OPTIONS}, {only})"
        return f"read_parquet({_listed(files)}, union_by_name = true, {only})"


@dataclass(frozen=True)
class PlainFiles:
    """Parquet files whose values need no cleaning, and the source's name of each column."""

    files: tuple[Path, ...]
    columns: Mapping[str, str]


def file_relation(path: str, base: Path) -> Relation:
    """Return the rows of a CSV or Parquet file, or of all files of a folder.

    Raises
    ------
    HealthError
        The file does not exist, the folder contains no data or a mixture, or the file is empty.
    """
    found = data_files(path, base)
    files = found.files
    kinds = {kind_of(file) for file in files}
    if len(kinds) > 1:
        raise HealthError(
            f"contains a mixture of {' and '.join(sorted(kinds))}",
            fix="keep one kind of file in the folder",
        )
    size = sum(file.stat().st_size for file in files)
    if kinds == {"Parquet"}:
        lazy, uniform = size > LAZY_FROM_BYTES, _have_same_columns(files)
        sql, scanned = parquet_sql(files, uniform=uniform), files if lazy else ()
        return Relation(
            sql, path, lazy, parquet=scanned, is_columnar=True, is_uniform=uniform, found=found
        )
    sign = common_delimiter(files)
    return Relation(csv_sql(files, sign), path, False, files, sign, found=found)


def parquet_sql(files: Iterable[Path], *, uniform: bool, filename: str = "") -> str:
    """Return the SQL that reads Parquet files as one table.

    The first of uniform files has the columns of all; of others, every query has to look up the
    columns in each file before it starts. `filename` names a further column: the file of a row.
    """
    by_name = "" if uniform else ", union_by_name = true"
    named = f", filename = {literal(filename)}" if filename else ""
    return f"read_parquet({_listed(files)}{by_name}{named}, {AS_TEXT})"


def _have_same_columns(files: Sequence[Path]) -> bool:
    """Return whether Parquet files have the same columns; False if one cannot be read."""
    try:
        first, *others = map(pq.read_schema, files)
    except (pa.ArrowException, OSError):
        # The engine reports what is wrong when it reads the file.
        return False
    return all(schema == first for schema in others)


def _listed(files: Iterable[Path]) -> str:
    return "[" + ", ".join(literal(without_glob(file)) for file in files) + "]"


class EmptyFileError(HealthError):
    """A file without a single character."""

    REMEDY = "give a file with rows, or remove the table from the configuration"


def table_relation(table: str, database: str = "") -> Relation:
    """Return the rows of a table of the connected database, which the engine knows by a name.

    The name precedes the table's: a view elsewhere would not find the table without it.
    """
    parts = table.split(".")
    if database and len(parts) < 3 and parts[0] != database:
        schema = ["main"] if len(parts) == 1 else []
        parts = [database, *schema, *parts]
    return Relation(".".join(map(quoted, parts)), table, True)


def query_relation(sql: str, base: Path) -> Relation:
    """Return the rows of a query; relative files in it start at `base`.

    The engine itself would look in the working directory first, and take a file of the same
    name there instead of the one next to the configuration.

    Raises
    ------
    HealthError
        It is not one SELECT, or reads files of a table of Delta, Iceberg or Hudi as if each of
        them counted.
    """
    require_one_select(sql)
    text, files = _with_absolute_files(sql.strip().rstrip(";"), base)
    for file in files if _FORMAT_READER.search(sql) is None else ():
        if "://" not in file:
            refuse_table_format(base / _start_of(file))
    names = ", ".join(dict.fromkeys(Path(file).name for file in files))
    # On separate lines: the query may end in a comment.
    return Relation(f"(\n{text}\n)", f"sql ({names})" if names else "sql", False)


def partitioned_files(sql: str, base: Path) -> tuple[Path, ...]:
    """Return the files that a query reads in folders named after values (``dt=2026-06-01``).

    None where it reads such names by choice only: ``hive_partitioning = false``.
    """
    if _UNPARTITIONED.search(sql):
        return ()
    named = _with_absolute_files(sql, base)[1]
    folder = Path(without_glob(base))
    patterns = [str(folder / file) for file in named if "://" not in file]
    # Path.glob takes no absolute patterns.
    found = {Path(file) for p in patterns for file in glob(p, recursive=True)}  # noqa: PTH207
    return tuple(sorted(file for file in found if partition_of(file) and file.is_file()))


def _has_text(file: Path) -> bool:
    return bool(_text_head(file).strip())


def _delimiter(file: Path) -> str:
    """Return what separates the names in a CSV file's first line; a comma where nothing does."""
    names = re.sub(r'"[^"]*"', "", _text_head(file).lstrip().partition("\n")[0])
    return max(",;\t|", key=names.count)


def open_text(file: Path) -> io.TextIOWrapper:
    """Open a text file for reading its lines: gzipped or not, UTF-8 or -16, any line ends."""
    return io.TextIOWrapper(open_bytes(file), encoding=encoding_of(file), newline=None)


def csv_header(file: Path, delimiter: str) -> list[str]:
    """Return the column names in the first line of a CSV file."""
    text = _text_head(file).lstrip()
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _text_head(file: Path) -> str:
    return _head(file).decode(encoding_of(file), errors="ignore")


def encoding_of(file: Path) -> str:
    """Return the encoding of a CSV file: UTF-16 or else UTF-8.

    UTF-16 shows by its byte order mark, or by the zeros in every second byte of a header.
    """
    head = _head(file, _ENCODING_BYTES)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) > len(head) / 4:
            return name
    return _UTF8


def as_utf8(relation: Relation, folder: Path, *, every: bool = False) -> Relation:
    """Return a relation of CSV files with those in UTF-16 rewritten as UTF-8 with plain line ends.

    Parameters
    ----------
    relation : Relation
        Rows of CSV files.
    folder : Path
        Where the copies go; they are needed until the rows are read.
    every : bool
        Rewrite every file, e.g. because lines end in several ways.
    """
    changed = [f for f in relation.csv if every or encoding_of(f) != _UTF8]
    if not changed:
        return relation
    copies = {file: _copy(file, folder / str(n)) for n, file in enumerate(changed)}
    files = tuple(copies.get(file, file) for file in relation.csv)
    sql = csv_sql(files, relation.delimiter)
    return replace(relation, sql=sql, csv=files, found=replace(relation.found, files=files))


def _copy(file: Path, folder: Path) -> Path:
    """Copy a CSV file with plain line ends; folders named after values stay."""
    partition = (f"{key}={value}" for key, value in partition_of(file).items())
    target = folder.joinpath(*partition, file.name.removesuffix(".gz"))
    target.parent.mkdir(parents=True)
    with (
        open_text(file) as source,
        target.open("w", encoding="utf-8", newline="\n") as copy,
    ):
        shutil.copyfileobj(source, copy)
    return target


def csv_sql(files: Sequence[Path], delimiter: str = "", *, filename: bool = False) -> str:
    """Return the SQL that reads CSV files as one table of texts, with the file of each if asked.

    Raises
    ------
    EmptyFileError
        None of them has a single character.
    """
    sign = delimiter or common_delimiter(files)
    named = ", filename = true" if filename else ""
    return f"read_csv({_listed(files)}, delim = {literal(sign)}, {_CSV_OPTIONS}{named})"


def common_delimiter(files: Sequence[Path]) -> str:
    """Return what separates the values of CSV files; EmptyFileError if none has a character."""
    first = next((file for file in files if _has_text(file)), None)
    if first is None:
        raise EmptyFileError("the file is empty", fix=EmptyFileError.REMEDY)
    return _delimiter(first)


def _head(file: Path, size: int = _HEAD_BYTES) -> bytes:
    try:
        with open_bytes(file) as stream:
            return stream.read(size)
    except gzip.BadGzipFile:
        fix = "compress it with gzip, or take .gz from its name"
        raise HealthError(f"{file.name} is not gzipped, as its name promises", fix=fix) from None
    except (EOFError, zlib.error):
        fix = "copy or export the file again"
        what = f"{file.name} is truncated: its gzip stream breaks off"
        raise HealthError(what, fix=fix) from None


def _start_of(pattern: str) -> Path:
    """Return the folders of a pattern such as ``usage/**/*.parquet`` that are no patterns."""
    return Path(*takewhile(lambda part: not has_magic(part), Path(pattern).parts))


def without_glob(file: Path) -> str:
    """Escape what the engine would take for a pattern in a file's name."""
    return escape(str(file))


def _with_absolute_files(sql: str, base: Path) -> tuple[str, list[str]]:
    """Return the query with its relative files under `base`, and the files it names."""
    raw = sql.encode()
    tokens = [t for t in duckdb.tokenize(sql) if t[1] != duckdb.token_type.comment]
    ends = [start for start, _ in duckdb.tokenize(sql)] + [len(raw)]
    stops = dict(pairwise(ends))
    words = [raw[start : stops[start]].decode().strip() for start, _ in tokens]
    found: list[str] = []
    out, done = b"", 0
    for index, (start, _) in enumerate(tokens):
        word = words[index]
        if not (word.startswith("'") and _names_a_file(words, index)):
            continue
        file = word[1:-1].replace("''", "'")
        found.append(file)
        if "://" not in file:
            refuse_special(base / file)
            # In a pattern, the engine takes brackets of the folder for a part of the pattern.
            is_pattern = has_magic(file) and not (base / file).exists()
            folder = Path(without_glob(base)) if is_pattern else base
            out += raw[done:start] + literal(str(folder / file)).encode()
            done = start + len(word.encode())
    return (out + raw[done:]).decode(), found


def _names_a_file(words: list[str], index: int) -> bool:
    """Return whether the text at `index` is what a reading function, FROM or JOIN reads."""
    before = index - 1
    while before > 0 and (words[before] in {"[", ","} or words[before].startswith("'")):
        before -= 1
    if words[before] == "(":
        return before > 0 and _READER.fullmatch(words[before - 1]) is not None
    after_from = words[before].lower() in {"from", "join"}
    # extract(year from '2024-01-31') names no file.
    return after_from and _FILE_ENDING.search(words[index][1:-1]) is not None
