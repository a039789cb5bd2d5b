"""The data files of a path: those that count, those that repeat others, and the rest by name."""

from __future__ import annotations

import difflib
import errno
import gzip
import hashlib
import io
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from features.errors import HealthError

_KINDS = {
    "Parquet": (".parquet", ".pq"),
    "CSV": (".csv", ".tsv", ".txt"),
    "JSON": (".jsonl", ".ndjson", ".json"),
}
_OTHER_DATA = (".xlsx", ".xlsm", ".xls", ".db", ".sqlite", ".sqlite3", ".avro", ".orc")
_DATA = {*chain.from_iterable(_KINDS.values()), *_OTHER_DATA}
#: What file managers leave next to the data.
_LITTER = {".ds_store", "thumbs.db", "desktop.ini"}
#: Folders that mark a table format in which not every file counts.
_FORMATS = {"_delta_log": "Delta", ".hoodie": "Hudi"}
#: Bytes of a file that are compared before all of it.
_START = 2**16
_SHOWN = 3


class TableFormatError(HealthError):
    """A folder of Delta, Iceberg or Hudi, in which not every file counts."""


@dataclass(frozen=True)
class DataFiles:
    """The files that a path refers to.

    Attributes
    ----------
    files : tuple of Path
        Those that are read, in order.
    repeats : tuple of (str, str)
        Each file that is left out because its content is that of another, and that other.
    skipped : tuple of str
        Other files in the folder that are not read.
    """

    files: tuple[Path, ...]
    repeats: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def empty(self) -> tuple[str, ...]:
        """The names of the files that are read and have no content."""
        return tuple(file.name for file in self.files if _content_size(file) == 0)


def data_files(path: str, base: Path) -> DataFiles:
    """Return the data files of a path, which is a file or a folder.

    Links are followed. Of files with equal content one counts, unless the folders they are in are
    named after values (``dt=2026-01-31``): the same content in another partition is other rows.

    Parameters
    ----------
    path : str
        A file of CSV, Parquet or JSON lines, or a folder of one of these.
    base : Path
        A relative path starts here.

    Raises
    ------
    HealthError
        There is no such path or no data, a link leads nowhere, or the folder is a table of Delta,
        Iceberg or Hudi, whose files do not all count.
    """
    full = base / path
    refuse_special(full)
    if full.is_file():
        if kind_of(full) == "other":
            fix = "convert it; a DuckDB file goes into data.url, with table = its table here"
            raise HealthError(f"{full.name} is neither CSV nor Parquet", fix=fix)
        refuse_table_format(full)
        return DataFiles((full,))
    if not full.is_dir():
        raise _no_such_path(full, base)
    refuse_table_format(full)
    found = _Found()
    try:
        _walk(full, Path(), found)
    except OSError as error:
        fix = "give the user that runs this the right to read it"
        raise HealthError(f"{error.filename}: {error.strerror}", fix=fix) from None
    _refuse_dead_links(found.dead)
    if not found.files:
        what = "the folder contains no CSV, Parquet or JSON file"
        if found.skipped:
            what += f", only {listed(found.skipped)}"
        raise HealthError(what, fix="name another folder or a file, or convert the files")
    kept, repeats = _without_repeats(full, sorted(found.files))
    return DataFiles(tuple(kept), tuple(repeats), tuple(sorted(found.skipped)))


def is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a socket or a device: reading it could wait forever."""
    return path.exists() and not (path.is_file() or path.is_dir())


def refuse_special(path: Path, *, where: str = "") -> None:
    """Raise HealthError for a pipe, a socket or a device, and for a name that no file can have."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            name = max(path.parts, key=len)
            what = f"the name {name[:40]}… has {len(name):,} characters, which is too long"
            raise HealthError(what, where=where, fix="check the path") from None
    if is_special(path):
        raise HealthError(
            f"{path.name} is a pipe, a socket or a device, which is read only once or never ends",
            where=where,
            fix="write the rows to a file first, and name that",
        )


def linked_files(path: Path) -> list[Path]:
    """Return where the links in a folder lead; nothing for a file."""
    entries = (Path(at) / name for at, folders, files in os.walk(path) for name in folders + files)
    return [Path(os.path.realpath(entry)) for entry in entries if entry.is_symlink()]


def kind_of(file: Path) -> str:
    """Return "Parquet", "CSV", "JSON" or "other"."""
    ending = ending_of(file)
    return next((kind for kind, endings in _KINDS.items() if ending in endings), "other")


def ending_of(file: Path) -> str:
    """Return the last ending of a file's name in lower case, .gz aside."""
    endings = [ending.lower() for ending in file.suffixes]
    if endings and endings[-1] == ".gz":
        endings.pop()
    return endings[-1] if endings else ""


def partition_of(file: Path) -> dict[str, str]:
    """Return the values that the names of a file's folders give to columns.

    Examples
    --------
    >>> partition_of(Path("usage/dt=2026-01-31/part-0.parquet"))
    {'dt': '2026-01-31'}
    """
    pairs = [part.split("=", 1) for part in file.parts[:-1] if "=" in part]
    return {key: value for key, value in pairs if key}


def listed(names: Sequence[str]) -> str:
    """Return the first names of several, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


@dataclass
class _Found:
    files: list[Path] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    visited: set[str] = field(default_factory=set)


def _walk(folder: Path, relative: Path, found: _Found, *, hidden: bool = False) -> None:
    """Collect what is in a folder and its subfolders, each of which is visited once."""
    real = os.path.realpath(folder)
    if real in found.visited:
        found.skipped.append(f"{relative} (a link to a folder that is read already)")
        return
    found.visited.add(real)
    for entry in sorted(folder.iterdir()):
        name = relative / entry.name
        is_hidden = hidden or entry.name.startswith(("_", "."))
        if entry.is_dir():
            if not hidden:
                _refuse_marked([entry])
            _walk(entry, name, found, hidden=is_hidden)
        elif entry.is_file():
            _sort_in(entry, name, found, hidden=is_hidden)
        elif is_special(entry):
            found.skipped.append(f"{name} (a pipe, a socket or a device)")
        elif not is_hidden:
            found.dead.append(str(name))


def _sort_in(file: Path, name: Path, found: _Found, *, hidden: bool) -> None:
    if kind_of(file) != "other" and not hidden:
        found.files.append(file)
        return
    is_data = any(ending.lower() in _DATA for ending in file.suffixes)
    if not _is_litter(file.name) and (is_data or not hidden):
        found.skipped.append(str(name))


def _is_litter(name: str) -> bool:
    return name.lower() in _LITTER or name.lower().endswith(".crc")


def refuse_table_format(path: Path) -> None:
    """Refuse a file or folder that belongs to a table of Delta, Iceberg or Hudi.

    Parameters
    ----------
    path : Path
        A path.

    Raises
    ------
    HealthError
        The path is such a table or lies in one: not every file of it counts.
    """
    # Data files lie up to three folders below the table's own.
    _refuse_marked([path, *path.parents[:3]])


def _refuse_marked(folders: Iterable[Path]) -> None:
    for folder in folders:
        formats = [name for marker, name in _FORMATS.items() if (folder / marker).is_dir()]
        if not formats and any((folder / "metadata").glob("*.metadata.json")):
            formats = ["Iceberg"]
        if formats:
            raise TableFormatError(
                f"{folder.name} is a table of {formats[0]}: only the files that its log names "
                "count",
                fix=f"export the current rows as Parquet with the {formats[0]} reader, e.g. "
                "to_parquet, and name the export",
            )


def _refuse_dead_links(dead: Sequence[str]) -> None:
    if dead:
        raise HealthError(
            f"{'1 link leads' if len(dead) == 1 else f'{len(dead):,} links lead'} to no file: "
            f"{listed(dead)}",
            fix="restore what the links point to, or remove them",
        )


def _no_such_path(full: Path, base: Path) -> HealthError:
    present = sorted(p.name for p in full.parent.iterdir()) if full.parent.is_dir() else []
    if full.is_symlink():
        return HealthError("the link leads to no file or folder", fix="restore what it points to")
    noun = "the folder contains" if present else f"paths start at {base}; there are"
    return HealthError(
        "there is no such file or folder", fix=closest(full.name, present, noun=noun)
    )


def closest(name: str, options: Iterable[str], *, noun: str = "there are") -> str:
    """Return which of the options may be meant, where one is close, and all of them."""
    known = list(options)
    folded = {option.strip().casefold(): option for option in reversed(known)}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    all_of_them = f"{noun} {', '.join(known) or 'none'}"
    return f"did you mean {folded[close[0]]!r}? {all_of_them}" if close else all_of_them


def _without_repeats(
    folder: Path, files: Sequence[Path]
) -> tuple[list[Path], list[tuple[str, str]]]:
    """Return the files whose content is new, and those that repeat one of them."""
    left_out: dict[Path, Path] = {}
    by_size: dict[tuple[int, str], list[Path]] = defaultdict(list)
    for file in files:
        partition = str(partition_of(file.relative_to(folder)))
        by_size[_content_size(file), partition].append(file)
    for alike in by_size.values():
        for look in (_start, _digest):
            alike = _sharing(look, alike)  # noqa: PLW2901
        first: dict[str, Path] = {}
        # The plainest name stays: "2026-05.csv" rather than "2026-05 (1).csv".
        for file in sorted(alike, key=lambda f: (len(f.parts), len(f.name), f.name)):
            original = first.setdefault(_digest(file), file)
            if original != file:
                left_out[file] = original
    kept = [file for file in files if file not in left_out]
    names = [
        (str(file.relative_to(folder)), str(of.relative_to(folder)))
        for file, of in sorted(left_out.items())
    ]
    return kept, names


def _sharing(look: Callable[[Path], str], files: Sequence[Path]) -> list[Path]:
    """Return the files that look like another one."""
    if len(files) <= 1:
        return []
    groups: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        groups[look(file)].append(file)
    return [file for group in groups.values() if len(group) > 1 for file in group]


def _is_gzip(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def open_bytes(file: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file for reading, unpacked where it is gzipped."""
    return gzip.open(file) if _is_gzip(file) else file.open("rb")


def _content_size(file: Path) -> int:
    """Return the size of a file's content modulo 2^32, which gzip notes in its last four bytes."""
    size = file.stat().st_size
    if not _is_gzip(file) or size < _GZIP_LEAST:
        return size % 2**32
    with file.open("rb") as stream:
        stream.seek(-4, os.SEEK_END)
        return int.from_bytes(stream.read(4), "little")


#: Bytes of the smallest gzip file.
_GZIP_LEAST = 18


def _start(file: Path) -> str:
    """Return a hash of the start of a file's content."""
    try:
        with open_bytes(file) as stream:
            return hashlib.sha256(stream.read(_START)).hexdigest()
    except (OSError, EOFError, zlib.error):
        return str(file)


def _digest(file: Path) -> str:
    """Return a hash of a file's content; of one that cannot be read, what no other has."""
    try:
        with open_bytes(file) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, EOFError, zlib.error):
        return str(file)
