"""Workbooks from outside: opened within limits, refused as a whole where anything is wrong."""

from __future__ import annotations

import re
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from features.errors import HealthError

#: Bytes of a file, and of all its parts once unpacked.
MOST_BYTES, MOST_UNPACKED = 100 * 2**20, 400 * 2**20
#: A part of so many bytes that packs better than this is no table: a bomb, which takes minutes.
_LEAST_BOMB, _MOST_PACKED = 2 * 2**20, 100
#: Cells of a workbook, those between the first and the last of a row included.
MOST_CELLS = 20_000_000
#: Seconds for reading one.
MOST_SECONDS = 300.0
#: Declarations that no spreadsheet program writes, in UTF-8 and UTF-16.
_DECLARED = re.compile(
    b"|".join(re.escape("<!DOCTYPE".encode(code)) for code in ("utf-8", "utf-16-le", "utf-16-be")),
    re.IGNORECASE,
)
_FIX = "open it in a spreadsheet program and save it as .xlsx"


#: A sheet as the list of sheets names it.
_LISTED = re.compile(rb"<(?:\w+:)?sheet\s[^>]*>")


@contextmanager
def open_workbook(file: Path, *, formulas: bool = False) -> Iterator[Any]:
    """Open an .xlsx file for reading its values.

    Parameters
    ----------
    file : Path
        The file; nobody vouches for its content.
    formulas : bool
        Read formulas instead of their values.

    Yields
    ------
    openpyxl.Workbook
        In read-only mode; `rows_of` reads a sheet of it.

    Raises
    ------
    HealthError
        It is no workbook, is larger than the limits, or reading it fails within the block.
    """
    import openpyxl  # noqa: PLC0415

    _refuse_unusual(file)
    try:
        # Opened here, so that it is closed where the library fails half-way.
        with file.open("rb") as stream:
            with warnings.catch_warnings():
                # What the library leaves out, such as a name of a range, is not read here.
                warnings.simplefilter("ignore", UserWarning)
                book = openpyxl.load_workbook(
                    stream, read_only=True, data_only=not formulas, keep_links=False
                )
            try:
                _require_all_sheets(file, book)
                yield book
            finally:
                book.close()
    except (HealthError, OSError):
        raise
    except Exception as error:
        # The library checks little of what it parses: any error of its own means a broken file.
        raise _unreadable(file, str(error) or type(error).__name__) from None


def rows_of(file: Path, sheet: Any) -> list[tuple[Any, ...]]:
    """Return the values of a sheet's rows; a row ends with its last cell.

    Raises
    ------
    HealthError
        It has too many cells, or reading takes too long.
    """
    rows: list[tuple[Any, ...]] = []
    # What a file says of its own size is not trusted.
    sheet.reset_dimensions()
    cells, end = 0, time.monotonic() + MOST_SECONDS
    for row in sheet.iter_rows(values_only=True):
        cells += len(row)
        if cells > MOST_CELLS:
            raise _too_much(file, f"has more than {MOST_CELLS:,} cells")
        if time.monotonic() > end:
            raise _too_much(file, f"takes more than {MOST_SECONDS:,.0f} seconds to read")
        rows.append(tuple(row))
    while rows and all(value is None for value in rows[-1]):
        rows.pop()
    return rows


def _require_all_sheets(file: Path, book: Any) -> None:
    """Refuse a workbook that lists a sheet whose content is not in it: the library skips it."""
    with zipfile.ZipFile(file) as archive, suppress(KeyError):
        listed = len(_LISTED.findall(archive.read("xl/workbook.xml")))
        found = len(book.worksheets) + len(book.chartsheets)
        if listed > found:
            raise _unreadable(file, f"{listed - found} of {listed} sheets are not in the file")


def _refuse_unusual(file: Path) -> None:
    """Refuse what is no archive of parts, what unpacks to too much, and declarations of types."""
    try:
        size = file.stat().st_size
        if not file.is_file():
            raise _unreadable(file, "it is not a file")
        if size > MOST_BYTES:
            raise _too_much(file, f"has {size:,} bytes, more than {MOST_BYTES:,}")
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
            if unpacked > MOST_UNPACKED:
                raise _too_much(file, f"unpacks to {unpacked:,} bytes, more than {MOST_UNPACKED:,}")
            for part in archive.infolist():
                if part.file_size > max(_LEAST_BOMB, _MOST_PACKED * part.compress_size):
                    times = part.file_size // max(part.compress_size, 1)
                    raise _too_much(
                        file, f"{part.filename[:100]} unpacks to {times:,} times its size"
                    )
                if part.filename.lower().endswith((".xml", ".rels", ".vml")):
                    with archive.open(part) as stream:
                        if _DECLARED.search(stream.read(4096)):
                            raise _unreadable(file, f"{part.filename} declares a document type")
    except FileNotFoundError:
        raise HealthError("there is no such file", where=str(file), fix="check the path") from None
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        raise _unreadable(file, str(error)) from None


def _unreadable(file: Path, why: str) -> HealthError:
    first = (why.strip().splitlines() or ["it is damaged"])[0][:200]
    return HealthError(f"not a readable workbook: {first}", where=str(file), fix=_FIX)


def _too_much(file: Path, what: str) -> HealthError:
    fix = "delete empty rows and columns and everything that is not needed, and save it again"
    return HealthError(what, where=str(file), fix=fix)
