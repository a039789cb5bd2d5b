"""Where rows come from: a file, a folder, a query or a database table, as SQL."""

from __future__ import annotations

import difflib
import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import HealthError
from features.tables.casting import literal, quoted

_HEAD_BYTES = 100_000
_TEXT = {".csv", ".tsv", ".txt"}
#: Parquet up to this size is read once, into the engine; what is larger stays where it is: few
#: of its columns are read more than once or twice.
LAZY_FROM_BYTES = 4 * 2**20
# Nothing is guessed. A guessed delimiter bends ragged rows into shape, a guessed comment sign
# drops rows, and a guessed absence of quotes keeps them in the values. All columns are text, so
# that every bad value can be counted; the cast is ours.
_CSV_OPTIONS = (
    "all_varchar = true, header = true, skip = 0, union_by_name = true, "
    "quote = '\"', escape = '\"', comment = ''"
)
_READER = re.compile(r"(read_\w+|\w+_scan|glob|sniff_csv)", re.IGNORECASE)
_FILE_ENDING = re.compile(r"\.(csv|tsv|txt|json|parquet)(\.\w+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Relation:
    """Rows to select from.

    Attributes
    ----------
    sql : str
        What stands after FROM.
    label : str
        The source as messages name it.
    is_lazy : bool
        Whether it is scanned where it lies at each query, rather than read once.
    csv : tuple of Path
        The CSV files it reads, if any.
    delimiter : str
        What separates their values.
    parquet : tuple of Path
        The Parquet files it scans where they lie, if any.
    is_columnar : bool
        Whether some columns can be read without the others, so that no copy of all is needed.
    is_uniform : bool
        Whether its files are known to have the same columns, all of them.
    """

    sql: str
    label: str
    is_lazy: bool
    csv: tuple[Path, ...] = ()
    delimiter: str = ","
    parquet: tuple[Path, ...] = ()
    is_columnar: bool = False
    is_uniform: bool = False


@dataclass(frozen=True)
class PlainFiles:
    """Parquet files whose values need no mending, and the source's name of each column."""

    files: tuple[Path, ...]
    columns: Mapping[str, str]


def file_relation(path: str, base: Path) -> Relation:
    """Return the rows of a CSV or Parquet file, or of all files of a folder.

    Raises
    ------
    HealthError
        There is no such file, the folder holds no data or a mixture, or the file is empty.
    """
    files = _files(path, base)
    kinds = {_kind(file) for file in files}
    if len(kinds) > 1:
        raise HealthError(
            f"holds a mixture of {' and '.join(sorted(kinds))}",
            fix="keep one kind of file in the folder",
        )
    size = sum(file.stat().st_size for file in files)
    if kinds == {"Parquet"}:
        lazy, uniform = size > LAZY_FROM_BYTES, _have_same_columns(files)
        sql, scanned = parquet_sql(files, uniform=uniform), tuple(files) if lazy else ()
        return Relation(sql, path, lazy, parquet=scanned, is_columnar=True, is_uniform=uniform)
    sign = _common_delimiter(files)
    return Relation(csv_sql(files), path, False, tuple(files), sign)


def csv_sql(files: Sequence[Path]) -> str:
    """Return the SQL that reads CSV files as one table of texts.

    Raises
    ------
    EmptyFileError
        None of them has a single character.
    """
    sign = _common_delimiter(files)
    return f"read_csv({_listed(files)}, delim = {literal(sign)}, {_CSV_OPTIONS})"


def _common_delimiter(files: Sequence[Path]) -> str:
    if not any(_has_text(file) for file in files):
        raise EmptyFileError("the file is empty", fix=EmptyFileError.REMEDY)
    return _delimiter(next(file for file in files if _has_text(file)))


def parquet_sql(files: Iterable[Path], *, uniform: bool) -> str:
    """Return the SQL that reads Parquet files as one table.

    The columns of uniform files are told by the first; those of others every query would have to
    look up in each file before it begins.
    """
    by_name = "" if uniform else ", union_by_name = true"
    return f"read_parquet({_listed(files)}{by_name})"


def _have_same_columns(files: Sequence[Path]) -> bool:
    """Tell whether Parquet files have the same columns; not so where one cannot be read."""
    try:
        first, *others = map(pq.read_schema, files)
    except (pa.ArrowException, OSError):
        # What is wrong with it the engine tells when it reads the file.
        return False
    return all(schema == first for schema in others)


def _listed(files: Iterable[Path]) -> str:
    return "[" + ", ".join(literal(_no_glob(file)) for file in files) + "]"


class EmptyFileError(HealthError):
    """A file without a single character."""

    REMEDY = "give a file with rows, or remove the table from the configuration"


def table_relation(table: str, database: str = "") -> Relation:
    """Return the rows of a table of the connected database, which the engine knows by a name.

    The name stands before the table's: a view elsewhere would not find the table without it.
    """
    parts = table.split(".")
    if database and len(parts) < 3 and parts[0] != database:
        schema = ["main"] if len(parts) == 1 else []
        parts = [database, *schema, *parts]
    return Relation(".".join(map(quoted, parts)), table, True)


def query_relation(sql: str, base: Path) -> Relation:
    """Return the rows of a query; relative files in it start at `base`.

    The engine itself would look in the working directory first, and take a file of the same
    name there for the one beside the configuration.
    """
    text, files = _with_absolute_files(sql.strip().rstrip(";"), base)
    names = ", ".join(dict.fromkeys(Path(file).name for file in files))
    # On lines of its own: the query may end in a comment.
    return Relation(f"(\n{text}\n)", f"sql ({names})" if names else "sql", False)


def closest(name: str, options: Iterable[str], *, noun: str = "there are") -> str:
    """Say which of the options is meant, where one is close, and list them all."""
    listed = list(options)
    folded = {option.strip().casefold(): option for option in reversed(listed)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    all_of_them = f"{noun} {', '.join(listed) or 'none'}"
    return f"did you mean {folded[close[0]]!r}? {all_of_them}" if close else all_of_them


def _files(path: str, base: Path) -> list[Path]:
    full = base / path
    if full.is_file():
        if _kind(full) == "other":
            fix = "convert it; a DuckDB file goes into data.url, with table = its table here"
            raise HealthError(f"{full.name} is neither CSV nor Parquet", fix=fix)
        return [full]
    if not full.is_dir():
        present = sorted(p.name for p in full.parent.iterdir()) if full.parent.is_dir() else []
        noun = "the folder holds" if present else f"paths start at {base}; there are"
        fix = closest(full.name, present, noun=noun)
        raise HealthError("there is no such file or folder", fix=fix)
    files = sorted(f for f in full.rglob("*") if f.is_file() and not _is_hidden(f, full))
    data = [f for f in files if _kind(f) != "other"]
    if not data:
        raise HealthError(
            "the folder holds no CSV and no Parquet file", fix="name another folder or a file"
        )
    return data


def _is_hidden(file: Path, folder: Path) -> bool:
    """Tell what Spark and others leave beside the data: _SUCCESS, .crc and the like."""
    return any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)


def _kind(file: Path) -> str:
    endings = [ending.lower() for ending in file.suffixes]
    if endings and endings[-1] == ".gz":
        endings.pop()
    ending = endings[-1] if endings else ""
    return "Parquet" if ending in {".parquet", ".pq"} else "CSV" if ending in _TEXT else "other"


def _has_text(file: Path) -> bool:
    return bool(_head(file).removeprefix(b"\xef\xbb\xbf").strip())


def _delimiter(file: Path) -> str:
    """Return what separates the names in a CSV file's first line; a comma where nothing does."""
    names = re.sub(rb'"[^"]*"', b"", _head(file).lstrip().partition(b"\n")[0])
    return max(",;\t|", key=lambda sign: names.count(sign.encode()))


def _head(file: Path) -> bytes:
    if file.suffix.lower() == ".gz":
        with gzip.open(file) as stream:
            return stream.read(_HEAD_BYTES)
    with file.open("rb") as stream:
        return stream.read(_HEAD_BYTES)


def _no_glob(file: Path) -> str:
    """Escape what the engine would take for a pattern in a file's name."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))


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
            out += raw[done:start] + literal(str(base / file)).encode()
            done = start + len(word.encode())
    return (out + raw[done:]).decode(), found


def _names_a_file(words: list[str], index: int) -> bool:
    """Tell whether the text at `index` is what a reading function, FROM or JOIN reads."""
    before = index - 1
    while before > 0 and (words[before] in {"[", ","} or words[before].startswith("'")):
        before -= 1
    if words[before] == "(":
        return before > 0 and _READER.fullmatch(words[before - 1]) is not None
    after_from = words[before].lower() in {"from", "join"}
    # extract(year from '2024-01-31') names no file.
    return after_from and _FILE_ENDING.search(words[index][1:-1]) is not None
