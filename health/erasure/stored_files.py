"""Files that the product wrote, freed of a customer or a person one by one."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from health.erasure.subject import Subject
from health.runs.durable import is_unfinished, remove_abandoned, whole_file, write_whole

_TEXTS = (".json", ".jsonl", ".txt", ".toml", ".log")
#: Pages that a command writes next to runs.
_WRITTEN_BY = {"voice.html": "voice", "backtest.html": "backtest"}
#: Zipped text in base64, as a report has the details of accounts.
_PACKED = re.compile(rb"H4sI[A-Za-z0-9+/=]{20,}")
#: A letter as JSON may write it.
_CODED = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass
class Erased:
    """What erasing changed.

    Attributes
    ----------
    files, rows : int
        Files that were changed or removed; rows of tables among them.
    rebuilt : list of Path
        Pages, workbooks and lists that were written again from what is left.
    removed : list of (Path, str)
        Those that were removed, and why they could not be written again.
    left : list of str
        What still mentions them and cannot be changed here, in words.
    similar : list of str
        If nothing was found: identifiers that differ in capitals alone.
    """

    files: int = 0
    rows: int = 0
    rebuilt: list[Path] = field(default_factory=list)
    removed: list[tuple[Path, str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    similar: list[str] = field(default_factory=list)


def erase_from_folder(
    folder: Path, subject: Subject, erased: Erased, *, without: Collection[Path] = ()
) -> None:
    """Free every file below a folder; each is replaced as a whole.

    Parameters
    ----------
    folder : Path
        Runs, with all that is kept next to them, or files of changed accounts.
    subject : Subject
        Who is erased.
    erased : Erased
        Counts are added to it.
    without : collection of Path
        Folders in it that are left out.
    """
    for file in sorted(stored_files(folder)):
        if not any(file.is_relative_to(other) for other in without):
            erase_from_file(file, subject, erased)


def erase_from_file(file: Path, subject: Subject, erased: Erased) -> None:
    """Free one file, by its kind."""
    ending = file.suffix.lower()
    if ending == ".parquet":
        rows = _free_parquet(file, subject)
    elif ending == ".csv":
        rows = _free_csv(file, subject)
    elif ending in _TEXTS:
        rows = _free_text(file, subject)
    elif ending in (".html", ".xlsx", ".gz"):
        rows = _remove_page(file, subject, erased)
    else:
        return
    erased.files += rows > 0
    erased.rows += rows if ending in (".parquet", ".csv") else 0


def mentions(file: Path, subject: Subject) -> bool:
    """Whether a page, a workbook, a model or any other file mentions them, unpacked."""
    if file.suffix.lower() == ".xlsx":
        with zipfile.ZipFile(file) as archive:
            return any(_in_bytes(archive.read(part), subject) for part in archive.namelist())
    content = file.read_bytes()
    if file.suffix == ".joblib":
        with suppress(zlib.error):
            content = zlib.decompress(content)
    elif file.suffix == ".gz":
        with suppress(OSError, EOFError, zlib.error):
            content = gzip.decompress(content)
    return _in_bytes(content, subject) or any(
        _in_bytes(part, subject) for part in _unpacked(content)
    )


def _unpacked(content: bytes) -> Iterator[bytes]:
    for found in _PACKED.finditer(content):
        with suppress(OSError, EOFError, zlib.error, ValueError):
            yield gzip.decompress(base64.b64decode(found[0]))


def stored_files(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, each once; what a kill left unfinished is removed."""
    if folder.is_dir():
        remove_abandoned(folder)
        for path in folder.rglob("*"):
            # `latest` leads to a run that is visited by itself.
            if (path.is_file() and not is_unfinished(path)) and not any(
                p.is_symlink() for p in (path, *path.parents)
            ):
                yield path


def _free_parquet(file: Path, subject: Subject) -> int:
    table, rows = subject.freed_table(pd.read_parquet(file))
    if rows:
        replace_table(file, table)
    return rows


def replace_table(file: Path, table: pd.DataFrame) -> None:
    """Replace a Parquet file by fewer rows of it, with as many row groups."""
    described = pq.read_metadata(file)
    size = max(len(table) // max(described.num_row_groups, 1), 1)
    with whole_file(file) as made:
        table.to_parquet(made, index=False, row_group_size=size, schema=pq.read_schema(file))


def _free_csv(file: Path, subject: Subject) -> int:
    table = pd.read_csv(file, dtype=object, keep_default_na=False)
    freed, rows = subject.freed_table(table)
    if rows:
        with whole_file(file) as made:
            freed.to_csv(made, index=False, encoding="utf-8")
    return rows


def _free_text(file: Path, subject: Subject) -> int:
    text = file.read_text(encoding="utf-8", errors="replace")
    plain = _without_codes(text, file.suffix)
    if not subject.is_in(plain):
        return 0
    write_whole(file, subject.freed(plain))
    return 1


def _without_codes(text: str, ending: str) -> str:
    """Return a text of JSON, or of lines of JSON, without letters written as codes."""
    if ending == ".json":
        return _plain_json(text.rstrip("\n"), indent=2) + "\n"
    if ending == ".jsonl":
        return "\n".join(_plain_json(line) for line in text.split("\n"))
    return text


def _plain_json(text: str, indent: int | None = None) -> str:
    try:
        plain = json.dumps(json.loads(text), indent=indent, ensure_ascii=False)
        # Half of a letter cannot be written.
        plain.encode()
    except (ValueError, RecursionError):
        return text
    return plain


def remove_page(file: Path, erased: Erased) -> None:
    """Remove a page that no run can write again."""
    file.unlink()
    command = _WRITTEN_BY.get(file.name)
    again = f"run `health {command}` again" if command else "write it again"
    erased.removed.append((file, f"it is not made from a run; {again}"))


def _remove_page(file: Path, subject: Subject, erased: Erased) -> int:
    if not mentions(file, subject) and not _may_show(file, subject):
        return 0
    remove_page(file, erased)
    return 1


def _may_show(file: Path, subject: Subject) -> bool:
    """Whether a page may show an identifier of digits, which no search finds reliably."""
    return subject.identifier.isdigit() and subject.identifier.encode() in file.read_bytes()


def _in_bytes(content: bytes, subject: Subject) -> bool:
    text = content.decode("utf-8", errors="replace")
    # Pages and workbooks escape some characters, and JSON in them others.
    return any(
        subject.is_in(form)
        for form in dict.fromkeys([text, html.unescape(text), _CODED.sub(_decoded, text)])
    )


def _decoded(code: re.Match[str]) -> str:
    return chr(int(code[1], 16))
