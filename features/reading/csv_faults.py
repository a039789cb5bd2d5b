"""Where a CSV file is broken: looked for only after the engine has refused it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path


def csv_fault(files: Sequence[Path], delimiter: str) -> str:
    """Say what is wrong with the first broken line of CSV files; empty where nothing is found.

    Parameters
    ----------
    files : sequence of Path
        All with the same delimiter; ``.gz`` is unpacked.
    delimiter : str
        What separates the values.
    """
    for file in files:
        try:
            fault = _ragged(file, delimiter)
        except UnicodeDecodeError as error:
            fault = f"is not UTF-8 text ({error.reason})"
        except (csv.Error, OSError, EOFError) as error:
            fault = str(error)
        if fault:
            return f"{file.name} {fault}" if len(files) > 1 else fault
    return ""


def _ragged(file: Path, delimiter: str) -> str:
    reader = csv.reader(_lines(file), delimiter=delimiter)
    header = next(reader, [])
    for row in reader:
        # A line without anything is skipped by the engine, too.
        if row and len(row) != len(header):
            result = f"has {len(row)} values in line {reader.line_num}, {len(header)} in its header"
            return result + ("; is a quote left open?" if "\n" in "".join(row) else "")
    return ""


def _lines(file: Path) -> Iterator[str]:
    with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                error.reason = f"line {number}"
                raise
