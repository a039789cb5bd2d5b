"""Roll-ups of usage files kept as Parquet from run to run, so that each file is summed once.

A roll-up is found by a key: a hash of the file's content, of the folders that are named like
``dt=2026-06-01``, of the columns and their types, and of `FORMAT`. A file that changes therefore
gets another roll-up. The name of a roll-up ends in a hash of its content, so that a broken one
is noticed and computed again. Nothing else refers to the folder, so it may be deleted at any
time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from threading import get_ident

import duckdb
import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import HealthError
from features.rollups.usage_rollup import ROLLUPS, TEXTS, Frame, Name, collected, prepared
from features.tables.casting import cast_sql, quoted
from features.tables.folders import partition_of
from features.tables.relations import Relation, parquet_sql
from features.tables.schema import TABLES
from features.windows.day_rows import day_number, day_of

#: Raise it when a roll-up of the same file would have other rows or columns than before.
FORMAT = 1
#: Rows of a roll-up are in order of the bucket of their account.
BUCKETS = 256
#: A roll-up that no run has used for so long is removed.
_UNUSED_DAYS = 60
_ROWS_OF_A_GROUP = 2**17
_UNFINISHED = ".unfinished"
_OURS = {".parquet", ".checked", _UNFINISHED}


@lru_cache(maxsize=2**20)
def bucket_of(account_id: str) -> int:
    """Return the bucket of an account, from 0 to 255: the first byte of the MD5 of its UTF-8 text.

    Examples
    --------
    >>> bucket_of("a-1"), bucket_of("a-2")
    (115, 179)
    """
    return hashlib.md5(account_id.encode(), usedforsecurity=False).digest()[0]


@dataclass(frozen=True)
class UsageFiles:
    """The Parquet files of a usage table, and the folder in which their roll-ups are kept.

    Attributes
    ----------
    folder : Path
        Created when the first roll-up is written.
    relation : Relation
        The files.
    names : mapping of str to str
        The source's name of each canonical column.
    keys : mapping of Path to str
        The key of each file's roll-ups.
    sound : dict of str to Path
        The roll-ups whose content was compared with their name, by key and name.
    """

    folder: Path
    relation: Relation
    names: Mapping[str, str]
    keys: Mapping[Path, str]
    sound: dict[str, Path] = field(default_factory=dict, compare=False, repr=False)

    def unchecked(self, observed_until: datetime | None) -> list[Path]:
        """Return the files whose rows have not passed every rule on single rows yet."""
        return [file for file in self.keys if not self._passed(file, observed_until)]

    def _passed(self, file: Path, observed_until: datetime | None) -> bool:
        try:
            last = self._mark(file).read_text(encoding="utf-8")
        except OSError:
            return False
        return bool(last) and (observed_until is None or last < str(observed_until))

    def mark_checked(self) -> None:
        """Note that every row of these files passed, and a time that none of a file is after."""
        for file, key in self.keys.items():
            days = self.sound.get(f"{key}.days")
            if days is not None and not self._mark(file).exists():
                _replace(self._mark(file), _last_time(pq.read_table(days)).encode())

    def _mark(self, file: Path) -> Path:
        return self.folder / f"{self.keys[file]}.checked"

    def rolled_up(
        self, name: Name, files: Iterable[Path], rows: Callable[[Path], Frame]
    ) -> list[Path]:
        """Return the roll-up of each of some files; one that is missing or broken is made.

        Parameters
        ----------
        name : str
            Which roll-up.
        files : iterable of Path
            Some of these files.
        rows : callable
            Returns the rows of a file under canonical names and types.

        Raises
        ------
        HealthError
            The folder cannot be written to.
        """
        found = [self.sound.get(f"{self.keys[file]}.{name}") for file in files]
        if all(kept is not None and kept.exists() for kept in found):
            return [kept for kept in found if kept is not None]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            listed: dict[str, list[Path]] = {}
            for kept in self.folder.glob(f"*.{name}.*.parquet"):
                listed.setdefault(kept.name.rsplit(".", 2)[0], []).append(kept)
            for file in files:
                key = f"{self.keys[file]}.{name}"
                sound = _sound(listed.get(key, []))
                if sound is None:
                    sound = _written(ROLLUPS[name].of(prepared(rows(file))), self.folder / key)
                self.sound[key] = sound
        except OSError as error:
            raise HealthError(
                f"roll-ups cannot be kept: {error.strerror}",
                where=str(self.folder),
                fix="name another folder in rollups_dir, or make room",
            ) from None
        return [self.sound[f"{self.keys[file]}.{name}"] for file in files]

    def remove_unused(self) -> None:
        """Mark the roll-ups of these files as used, and remove those unused for long."""
        now, keys = time.time(), set(self.keys.values())
        for kept in self.folder.iterdir():
            # Another run may remove a file at the same time.
            with suppress(OSError):
                if kept.name.split(".")[0] in keys:
                    os.utime(kept)
                elif now - kept.stat().st_mtime > _UNUSED_DAYS * 86_400 and kept.suffix in _OURS:
                    kept.unlink()


@dataclass(frozen=True)
class KeptRollups:
    """The roll-ups of usage files, read by one connection.

    Attributes
    ----------
    files : UsageFiles
        The files.
    connection : duckdb.DuckDBPyConnection
        Reads them, in one thread at a time.
    types : mapping of str to str
        SQL type of each canonical column; marked where no value needs cleaning.
    days : mapping of Path to (int, int)
        The first and the last day of each file that has rows.
    accounts : str
        SQL name of the accounts whose usage counts; empty where every account's does.
    """

    files: UsageFiles
    connection: duckdb.DuckDBPyConnection
    types: Mapping[str, str]
    days: Mapping[Path, tuple[int, int]]
    accounts: str = ""

    @classmethod
    def of(
        cls, files: UsageFiles, connection: duckdb.DuckDBPyConnection, types: Mapping[str, str]
    ) -> KeptRollups:
        """Roll up by day the files of which nothing is kept."""
        rollups = cls(files, connection, types, {})
        kept = zip(files.keys, files.rolled_up("days", [*files.keys], rollups._rows), strict=True)
        days = {file: found for file, path in kept if (found := _first_and_last(path))}
        files.remove_unused()
        return replace(rollups, days=days)

    def whole_until(self, observed_until: datetime) -> int:
        """Return the day before which roll-ups are complete, for tables that end at a time.

        Of the day on which the data ends only a part may be visible: it is read from the rows.
        """
        return day_number(observed_until)

    def between(self, name: Name, start: int, end: int) -> Frame:
        """Return the roll-up of the days of [start, end)."""
        found = sorted((*days, file) for file, days in self.days.items())
        reaching = [
            (first, last, file) for first, last, file in found if first < end and last >= start
        ]
        files = [file for _, _, file in reaching] or [*self.files.keys][:1]
        day, (first, past) = nw.col("day"), (day_of(n).date() for n in (start, end))
        paths = self.files.rolled_up(name, files, self._rows)
        query = _select(paths)
        if self.accounts:
            query += f" WHERE account_id IN (SELECT account_id FROM {self.accounts})"
        rows = nw.from_native(self.connection.sql(query)).filter(day >= first, day < past)
        # Without a day in two files there is one row per key already.
        is_summed = all(last < later for (_, last, _), (later, _, _) in pairwise(reaching))
        return rows if is_summed else ROLLUPS[name].of(rows)

    def by_account_and_day(self) -> str:
        """Return the SQL of the roll-up by account and day of all files."""
        return _select(self.files.rolled_up("days", [*self.files.keys], self._rows))

    def _rows(self, file: Path) -> Frame:
        """Return one file's rows under canonical names and types."""
        names = self.files.names.items()
        casts = (
            f"{cast_sql(TABLES['usage'].column(name), self.types[name])} AS {quoted(name)}"
            for name, _ in names
        )
        renamed = ", ".join(f"{quoted(theirs)} AS {quoted(name)}" for name, theirs in names)
        rows = parquet_sql([file], uniform=True)
        query = f"SELECT {', '.join(casts)} FROM (SELECT {renamed} FROM {rows})"
        return nw.from_native(self.connection.sql(query))


def usage_files(
    relation: Relation, names: Mapping[str, str], types: Mapping[str, str], folder: Path
) -> UsageFiles | None:
    """Return the files of a usage table that is read where it is stored, with their keys.

    Parameters
    ----------
    relation : Relation
        The files.
    names, types : mapping of str to str
        The source's name, and the SQL type, of each canonical column.
    folder : Path
        Where roll-ups are kept.

    Returns
    -------
    UsageFiles or None
        None where the table is not made of Parquet files that have the same columns.
    """
    if not (relation.parquet and relation.is_uniform):
        return None
    columns = sorted((name, names[name], types[name]) for name in names)
    keys = {
        file: _digest([FORMAT, _digest_of(file), partition_of(file), columns])
        for file in relation.parquet
    }
    return UsageFiles(folder, relation, names, keys)


def _select(paths: Sequence[Path]) -> str:
    return f"SELECT * FROM {parquet_sql(paths, uniform=True)}"


def _first_and_last(days: Path) -> tuple[int, int] | None:
    """Return the first and the last day of a roll-up; None without a row that has one."""
    day = pq.read_table(days, columns=["day"])["day"]
    ends = pc.min_max(day.cast(pa.int32())).as_py()
    return None if ends["min"] is None else (ends["min"], ends["max"])


def _sound(files: Iterable[Path]) -> Path | None:
    """Return the file whose content is as it was written, and remove those that are broken."""
    for file in files:
        if file.name.split(".")[2] == _digest_of(file):
            return file
        file.unlink(missing_ok=True)
    return None


def _written(rows: Frame, key: Path) -> Path:
    """Run a roll-up and write it in order of bucket; return its file."""
    table = collected(rows)
    accounts = table["account_id"].combine_chunks()
    code = pc.fill_null(accounts.indices, -1).to_numpy()
    buckets = [bucket_of(account) for account in accounts.dictionary.to_pylist()]
    bucket = np.array([*buckets, 0], dtype=np.uint8)[code]
    for place, column in enumerate(table.column_names):
        if column in {"day", "known"}:
            table = table.set_column(place, column, table[column].cast(pa.date32()))
    table = table.append_column("bucket", pa.array(bucket))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.take(np.argsort(bucket, kind="stable")),
        sink,
        compression="zstd",
        row_group_size=_ROWS_OF_A_GROUP,
        # Texts alone repeat: a dictionary of numbers takes longer and saves nothing.
        use_dictionary=[name for name in TEXTS if name in table.column_names],
    )
    content = sink.getvalue()
    file = key.with_name(f"{key.name}.{hashlib.sha256(content).hexdigest()[:32]}.parquet")
    _replace(file, content)
    return file


def _last_time(days: pa.Table) -> str:
    """Return the last time of a roll-up by day, or the end of the last day a row was known on."""
    times = [pc.max(days["last"]).as_py()]
    if "known" in days.column_names and days["known"].null_count < len(days):
        end = pc.max(days["known"]).as_py() + timedelta(days=1)
        times.append(datetime(end.year, end.month, end.day))
    return str(max((time for time in times if time is not None), default=datetime.min))


def _digest(key: object) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]


def _digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def _replace(file: Path, content: bytes | pa.Buffer) -> None:
    """Write a file under another name first, so that readers see all of it or nothing."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.{get_ident()}{_UNFINISHED}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
