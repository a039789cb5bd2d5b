"""Workbooks from outside: opened within limits, refused as a whole where anything is wrong."""

from __future__ import annotations

import re
import time
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
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
#: A cell with a formula, as it is stored: its place, its type and what follows the formula.
_FORMULA = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*>([^<]*)<)?"
)
_PLACE = re.compile(rb"""\br=["']([A-Z]+)(\d+)["']""")
_IS_TEXT = re.compile(rb"""\bt=["']str["']""")
#: A workbook whose values no spreadsheet program has computed yet.
_NEVER_COMPUTED = re.compile(rb"""\bfullCalcOnLoad=["'](?:1|true)["']""")
_BOOK = re.compile(r"(^|/)workbook\d*\.xml$")
#: A sheet as the list of sheets names it.
_LISTED = re.compile(rb"<(?:\w+:)?sheet\s[^>]*>")


@contextmanager
def open_workbook(file: Path) -> Iterator[Any]:
    """Open an .xlsx file for reading its values.

    Parameters
    ----------
    file : Path
        The file; nobody vouches for its content.

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
                    stream, read_only=True, data_only=True, keep_links=False
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


def uncomputed_cells(file: Path, sheet: Any) -> list[tuple[int, int]]:
    """Return the row and column, from 1, of each formula of which the file has no value.

    Programs that write workbooks do not compute formulas: they leave the value out, or write 0 and
    ask for it to be computed when the workbook is opened. An empty text is a value.

    Parameters
    ----------
    file : Path
        The workbook, which `open_workbook` has accepted.
    sheet : openpyxl worksheet
        One of its sheets, in read-only mode.
    """
    from openpyxl.utils import column_index_from_string  # noqa: PLC0415

    with zipfile.ZipFile(file) as archive:
        content = archive.read(sheet._worksheet_path)
        never_computed = _NEVER_COMPUTED.search(_book_of(archive)) is not None
    found = []
    for attributes, value in _FORMULA.findall(content):
        is_empty = not value and not _IS_TEXT.search(attributes)
        place = _PLACE.search(attributes)
        if place and (is_empty or (never_computed and value == b"0")):
            found.append((int(place[2]), column_index_from_string(place[1].decode())))
    return found


def _require_all_sheets(file: Path, book: Any) -> None:
    """Refuse a workbook that lists a sheet whose content is not in it: the library skips it."""
    with zipfile.ZipFile(file) as archive:
        listed = len(_LISTED.findall(_book_of(archive)))
        found = len(book.worksheets) + len(book.chartsheets)
        if listed > found:
            raise _unreadable(file, f"{listed - found} of {listed} sheets are not in the file")


def _book_of(archive: zipfile.ZipFile) -> bytes:
    """Return the part that lists the sheets; some programs number it, as in xl/workbook2.xml."""
    return next((archive.read(name) for name in archive.namelist() if _BOOK.search(name)), b"")


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
