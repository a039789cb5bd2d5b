"""Roll-ups of finished files kept from run to run, found again by the content of the files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, get_ident
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from features.errors import HealthError

#: Arrow's own format: read several times as fast as Parquet, names as codes, at half more room.
_WRITTEN = pyarrow.ipc.IpcWriteOptions(compression="zstd")
#: The key under which the hashes of the files themselves are noted.
_CONTENTS = "contents"
#: Two changes of a file that lie closer together may bear the same time.
_INSTANT_NS = 1_000_000_000


@dataclass(frozen=True)
class RollupCache:
    """A folder of roll-ups, each under a key that stands for all that it was made from.

    What is read is held against the checksum written with it: a file that is broken, cut short or
    of another version counts as absent, and is made anew.

    Attributes
    ----------
    folder : Path
        Made when something is first written.
    lock : threading.Lock
        Held while something is written: what stands under a key is written by one at a time.
    notes : dict
        Notes that were read or written.
    """

    folder: Path
    lock: Lock = field(default_factory=Lock, compare=False, repr=False)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    def note(self, key: str) -> Mapping[str, Any]:
        """Return what was noted under a key; empty where nothing sound is there."""
        noted = self.notes.get(key) or self._read_note(key)
        if noted:
            self.notes[key] = noted
        return noted

    def _read_note(self, key: str) -> dict[str, Any]:
        try:
            text = (self.folder / f"{key}.json").read_text(encoding="utf-8")
            checksum, _, body = text.partition("\n")
            if checksum != _digest(body.encode()):
                return {}
            note: dict[str, Any] = json.loads(body)
        except (OSError, ValueError):
            return {}
        return note

    def tables(self, key: str, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
        """Return a roll-up; None where it is absent or not what was written.

        `columns` names those that are wanted; one that it does not have is left out.
        """
        expected = self.note(key).get("tables", {}).get(name)
        try:
            content = self._file(key, name).read_bytes()
        except OSError:
            return None
        if _digest(content) != expected:
            return None
        with pyarrow.ipc.open_file(pa.BufferReader(content)) as file:
            names = file.schema.names
            chosen = [n for n, name in enumerate(names) if columns is None or name in columns]
        options = pyarrow.ipc.IpcReadOptions(included_fields=chosen)
        with pyarrow.ipc.open_file(pa.BufferReader(content), options=options) as file:
            return file.read_all()

    def write(self, key: str, tables: Mapping[str, pa.Table], note: Mapping[str, Any]) -> None:
        """Write roll-ups and a note under a key; readers see all of it or nothing.

        Raises
        ------
        HealthError
            The folder takes no file.
        """
        try:
            self._write(key, tables, note)
        except OSError as error:
            raise HealthError(
                f"roll-ups cannot be kept: {error.strerror}",
                where=str(self.folder),
                fix="name another folder in rollups_dir, or make room",
            ) from None

    def _write(self, key: str, tables: Mapping[str, pa.Table], note: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        contents = {name: _as_bytes(table) for name, table in tables.items()}
        made = {name: _digest(content) for name, content in contents.items()}
        with self.lock:
            for name, content in contents.items():
                _replace(self._file(key, name), content)
            # As it is on disk: another process may have written under the same key.
            before = self._read_note(key)
            noted = {**before, **note, "tables": {**before.get("tables", {}), **made}}
            body = json.dumps(noted, sort_keys=True)
            text = f"{_digest(body.encode())}\n{body}"
            _replace(self.folder / f"{key}.json", text.encode())
            self.notes[key] = json.loads(body)

    def contents(self, files: Iterable[Path]) -> dict[Path, str]:
        """Return a hash of every byte of each file.

        A file that has not been touched since the last time is not read again: its inode, size,
        and times of change are what they were. The time of the inode's change is set by the
        system alone, so that a file with an old date copied over another is read.
        """
        noted, at = self.note(_CONTENTS).get("files", {}), self._noted_at()
        found: dict[Path, str] = {}
        states: dict[str, tuple[list[int], str]] = {}
        is_new = False
        for file in files:
            state, (before, digest) = _state(file), noted.get(str(file), (None, ""))
            # What changed in the instant in which it was noted may have changed again unseen.
            if before != state or state[-1] + _INSTANT_NS > at:
                digest, is_new = _digest_of(file), True
                state = state if _state(file) == state else []
            found[file], states[str(file)] = digest, (state, digest)
        if is_new:
            # Without the note, which only saves time, they are read again.
            with suppress(OSError):
                self._write(_CONTENTS, {}, {"files": states})
        return found

    def _noted_at(self) -> int:
        try:
            return (self.folder / f"{_CONTENTS}.json").stat().st_mtime_ns
        except OSError:
            return 0

    def forget(self, source: str, keep: Iterable[str]) -> None:
        """Remove what was made from earlier contents of a source's files.

        Kept is what stands under one of these keys, or was noted to be ``of`` one of them.
        """
        kept = set(keep)
        for file in self.folder.glob("*.json"):
            note = self.note(file.stem)
            if note.get("source") == source and note.get("of", file.stem) not in kept:
                self.remove(file.stem)

    def remove(self, key: str) -> None:
        """Remove all that stands under a key."""
        self.notes.pop(key, None)
        if not (self.folder / f"{key}.json").exists():
            return
        for old in self.folder.glob(f"{key}.*"):
            old.unlink(missing_ok=True)

    def _file(self, key: str, name: str) -> Path:
        return self.folder / f"{key}.{name}.arrow"


def digest_of_table(table: pa.Table) -> str:
    """Return what stands for a table's columns and rows."""
    return _digest(_as_bytes(table))


def _as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pyarrow.ipc.new_file(sink, table.schema, options=_WRITTEN) as file:
        # One dictionary of names a column is all that the format holds.
        file.write_table(table.unify_dictionaries().combine_chunks())
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _state(file: Path) -> list[int]:
    """Return what changes whenever a file does."""
    result = file.stat()
    return [result.st_ino, result.st_size, result.st_mtime_ns, result.st_ctime_ns]


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{get_ident()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
