"""Where a file is broken: looked for only after the engine has refused it."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.tables.folders import open_bytes
from features.tables.relations import open_text

_BY_SQL = "or read it by sql with read_csv(…, encoding = 'latin-1')"
_RENAMED = "give it the ending of its kind, or export it as CSV"
_AGAIN = "copy or export the file again"
_PARQUET = b"PAR1"
#: What files of other kinds start with.
_STARTS = {
    _PARQUET: "a Parquet file",
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"SQLite format 3": "a SQLite database",
}


@dataclass(frozen=True)
class TextFault:
    """What is wrong with a file, with its line, and the remedy."""

    what: str
    fix: str


def csv_fault(files: Sequence[Path], delimiter: str) -> TextFault | None:
    """Return the first fault of CSV files; None where none is found.

    Parameters
    ----------
    files : sequence of Path
        All with the same delimiter; ``.gz`` is unpacked.
    delimiter : str
        What separates the values.
    """
    return _first_fault(files, lambda file: _broken_line(file, delimiter), f"UTF-8, {_BY_SQL}")


def json_fault(files: Sequence[Path]) -> TextFault | None:
    """Return the first fault of files with JSON lines or one array; None where none is found."""
    return _first_fault(files, _broken_json, "UTF-8")


def parquet_fault(files: Sequence[Path]) -> TextFault | None:
    """Return the first fault of Parquet files; None where none is found."""
    return _first_fault(files, _broken_parquet, "UTF-8")


def _broken_parquet(file: Path) -> TextFault | None:
    with file.open("rb") as stream:
        start = stream.read(len(_PARQUET))
        stream.seek(-min(len(_PARQUET), file.stat().st_size), io.SEEK_END)
        end = stream.read()
    if start != _PARQUET:
        return TextFault("is no Parquet file, as its name promises", "export it as Parquet again")
    if end != _PARQUET:
        return TextFault("is truncated: the end of a Parquet file is missing", _AGAIN)
    try:
        for _ in pq.ParquetFile(file).iter_batches():
            pass
    except (pa.ArrowException, OSError) as error:
        return TextFault(f"is damaged ({str(error).splitlines()[0]})", _AGAIN)
    return None


def _first_fault(
    files: Sequence[Path], look: Callable[[Path], TextFault | None], encoding: str
) -> TextFault | None:
    for file in files:
        fault = _fault(file, look, encoding)
        if fault is not None:
            what = f"{file.name} {fault.what}" if len(files) > 1 else fault.what
            return TextFault(what, fault.fix)
    return None


def _fault(file: Path, look: Callable[[Path], TextFault | None], encoding: str) -> TextFault | None:
    try:
        return look(file)
    except UnicodeDecodeError:
        with open_bytes(file) as stream:
            start = stream.read(max(map(len, _STARTS)))
        kind = next((kind for sign, kind in _STARTS.items() if start.startswith(sign)), None)
        if kind is not None:
            return TextFault(f"is {kind}, not the text that its name promises", _RENAMED)
        what = f"is not UTF-8 text (line {_undecodable_line(file)})"
        return TextFault(what, f"save it as {encoding}")
    except gzip.BadGzipFile:
        fix = "compress it with gzip, or take .gz from its name"
        return TextFault("is not gzipped, as its name promises", fix)
    except (EOFError, zlib.error):
        return TextFault("is truncated: its gzip stream breaks off", _AGAIN)
    except OSError as error:
        return TextFault(f"cannot be read: {error.strerror}", "check the file and its permissions")


def _broken_json(file: Path) -> TextFault | None:
    """Return the first line that is no JSON object; of one array, the line where it breaks."""
    fix = "write one JSON object per line, or one array of objects"
    with open_bytes(file) as stream:
        encoding = "utf-8-sig" if stream.read(3) == codecs.BOM_UTF8 else "utf-8"
    with io.TextIOWrapper(open_bytes(file), encoding=encoding) as lines:
        for number, line in enumerate(lines, 1):
            if number == 1 and line.lstrip().startswith("["):
                return _broken_array(line + lines.read(), fix)
            try:
                value = json.loads(line) if line.strip() else {}
            except ValueError as error:
                return TextFault(f"is no JSON in line {number} ({_why(error)})", fix)
            if not isinstance(value, dict):
                return TextFault(f"has no object in line {number}", fix)
    return None


def _broken_array(text: str, fix: str) -> TextFault | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return TextFault(f"is no JSON in line {error.lineno} ({_why(error)})", fix)
    return None


def _why(error: ValueError) -> str:
    return getattr(error, "msg", str(error)).lower()


def _broken_line(file: Path, delimiter: str) -> TextFault | None:
    """Return the first line that has a broken quote, or more or fewer values than the header."""
    # Line ends of any kind are accepted, as they are when the file is read again.
    with open_text(file) as lines:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header, first = next(reader, []), reader.line_num + 1
        try:
            for row in reader:
                # A line without anything is skipped by the engine, too.
                if row and len(row) != len(header):
                    return _ragged(row, header, first, reader.line_num)
                first = reader.line_num + 1
        except csv.Error as error:
            return _broken_quote(str(error), first, reader.line_num)
    return None


def _ragged(row: Sequence[str], header: Sequence[str], first: int, last: int) -> TextFault:
    values = "1 value" if len(row) == 1 else f"{len(row)} values"
    what = f"has {values} in line {first}, {len(header)} in its header"
    if last > first:
        what += f"; a quoted value reaches from line {first} to {last}: is a quote left open?"
    return TextFault(what, "correct the line; a value that contains the separator is quoted")


def _broken_quote(error: str, first: int, last: int) -> TextFault | None:
    if "unexpected end" in error:
        return TextFault(
            f"has a quote that is opened in line {first} and never closed",
            "close the quote, or double a quote that is part of a value",
        )
    if "expected after" in error:
        where = f"lines {first} to {last}" if last > first else f"line {last}"
        return TextFault(
            f"has a quote within a quoted value in {where}",
            'double a quote that is part of a value: "a 5"" disk"',
        )
    return TextFault(f"cannot be read in line {last} ({error})", "correct the line")


def _undecodable_line(file: Path) -> int:
    with open_bytes(file) as stream:
        return next((n for n, line in enumerate(stream, 1) if not _is_utf8(line)), 0)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
