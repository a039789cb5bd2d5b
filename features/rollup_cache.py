"""Roll-ups of finished files kept from run to run, found again by the content of the files."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class RollupCache:
    """A folder of roll-ups, each under a key that stands for all that it was made from.

    What is read is held against the checksum written with it: a file that is broken, cut short or
    of another version counts as absent, and is made anew.

    Attributes
    ----------
    folder : Path
        Made when something is first written.
    """

    folder: Path

    def note(self, key: str) -> dict[str, Any]:
        """Return what was noted under a key; empty where nothing sound is there."""
        try:
            text = (self.folder / f"{key}.json").read_text(encoding="utf-8")
            checksum, _, body = text.partition("\n")
            if checksum != _digest(body.encode()):
                return {}
            note: dict[str, Any] = json.loads(body)
        except (OSError, ValueError):
            return {}
        return note

    def tables(self, key: str, name: str) -> pa.Table | None:
        """Return a roll-up; None where it is absent or is not what was written."""
        expected = self.note(key).get("tables", {}).get(name)
        try:
            content = self._file(key, name).read_bytes()
        except OSError:
            return None
        if _digest(content) != expected:
            return None
        texts = [field.name for field in pq.read_schema(io.BytesIO(content)) if _is_text(field)]
        return pq.read_table(io.BytesIO(content), read_dictionary=texts)

    def holds(self, key: str, names: Iterable[str]) -> bool:
        """Tell whether these roll-ups are there, and are what was written."""
        noted = self.note(key).get("tables", {})
        return all(name in noted and self._is_sound(key, name, noted[name]) for name in names)

    def path(self, key: str, name: str) -> Path:
        """Return the file of a roll-up."""
        return self._file(key, name)

    def write(self, key: str, tables: Mapping[str, pa.Table], note: Mapping[str, Any]) -> None:
        """Write roll-ups and a note under a key; readers see all of it or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        digests = dict(self.note(key).get("tables", {}))
        for name, table in tables.items():
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd")
            content = sink.getvalue().to_pybytes()
            digests[name] = _digest(content)
            _replace(self._file(key, name), content)
        body = json.dumps({**self.note(key), **note, "tables": digests}, sort_keys=True)
        text = f"{_digest(body.encode())}\n{body}"
        _replace(self.folder / f"{key}.json", text.encode())

    def forget(self, source: str, keep: Iterable[str]) -> None:
        """Remove what was made from earlier contents of a source's files."""
        kept = set(keep)
        for file in self.folder.glob("*.json"):
            if file.stem not in kept and self.note(file.stem).get("source") == source:
                for old in self.folder.glob(f"{file.stem}.*"):
                    old.unlink(missing_ok=True)

    def _file(self, key: str, name: str) -> Path:
        return self.folder / f"{key}.{name}.parquet"

    def _is_sound(self, key: str, name: str, expected: str) -> bool:
        try:
            return _digest(self._file(key, name).read_bytes()) == expected
        except OSError:
            return False


def content_key(file: Path, definition: str) -> str:
    """Return the key of a file's roll-ups: a hash of every byte of it and of how it is read."""
    with file.open("rb") as stream:
        content = hashlib.file_digest(stream, "sha256")
    content.update(definition.encode())
    return content.hexdigest()[:32]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _replace(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _is_text(field: pa.Field) -> bool:
    kind = field.type
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))
