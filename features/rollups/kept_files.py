"""Roll-ups of usage files kept as Parquet from run to run, so that each file is summed once.

A roll-up is found by a key: a hash of the file's content, of the folders that are named like
``dt=2026-06-01``, of the columns and their types, and of `FORMAT`. A file that changes therefore
gets another roll-up. The roll-ups of finished months are summed up in one, to which each further
month is added; its key is a hash of those of the files. The name of a roll-up ends in a hash of
its content, so that a broken one is noticed and computed again. A file that the system has not
changed since it was hashed is not hashed again. Nothing else refers to the folder, so it may be
deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import get_ident
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import HealthError
from features.rollups.usage_rollup import (
    BUCKET,
    CODED,
    FIRST_DAY,
    ROLLUPS,
    SPANS,
    Frame,
    Name,
    coded,
    collected,
    is_named,
    last_days,
    prepared,
)
from features.tables.casting import cast_sql, quoted
from features.tables.folders import partition_of
from features.tables.relations import Relation, parquet_sql
from features.tables.schema import TABLES
from features.windows.day_rows import Codes, day_number, day_of

#: Raise it when a roll-up of the same file, or a sum of months, would have other rows or columns.
FORMAT = 2
#: Rows of a roll-up are in order of the bucket of their account, those of an account together.
BUCKETS = 256
#: A roll-up that no run has used for so long is removed.
UNUSED_DAYS = 60
#: Each group has its own dictionary of texts.
_ROWS_OF_A_GROUP = 2**20
#: Texts are written as codes up to this size of a dictionary, so that reading needs no look-ups.
_DICTIONARY_BYTES = 2**27
#: Columns whose smallest and largest values are read.
_WITH_STATISTICS = (BUCKET, "day", "known", "last")
_UNFINISHED = ".unfinished"
_SPAN_COLUMNS = ("records", "first", "last")
#: The day before which usage is in a sum of months.
_PAST = "past"
#: The first byte of the MD5 of each name.
_BUCKET_OF_NAMES = "SELECT place, CAST('0x' || md5(name)[:2] AS UTINYINT) AS bucket FROM names"
#: Usage by user, with what the roll-up by day is made of.
_USERS_WITH_TIMES = replace(
    ROLLUPS["users"],
    largest=(*ROLLUPS["users"].largest, "last"),
    smallest=("first",),
)
#: Usage by day, made from that by user.
_DAYS_IN_BUCKETS = replace(ROLLUPS["days"], smallest=(*ROLLUPS["days"].smallest, BUCKET))
#: The hash of each file of a folder, with the state that the file was in.
_HASHES = ".hashes"
_OURS = {".parquet", ".checked", ".passed", _HASHES, _UNFINISHED}
#: Two changes of a file within this time may leave the same state. Where the time of a change has
#: no fraction of a second, the file system may count in seconds: FAT in two.
_INSTANT_NS, _SECOND_NS = 100_000_000, 1_000_000_000


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
                write_at_once(self._mark(file), _last_time(days).encode())

    def _mark(self, file: Path) -> Path:
        return self.folder / f"{self.keys[file]}.checked"

    def rolled_up(
        self,
        name: Name,
        files: Iterable[Path],
        made: Callable[[Name, Iterable[Path]], Iterable[tuple[Path, Mapping[Name, pa.Table]]]],
    ) -> list[Path]:
        """Return the roll-up of each of some files; one that is missing or broken is made.

        Parameters
        ----------
        name : str
            Which roll-up.
        files : iterable of Path
            Some of these files.
        made : callable
            Yields a roll-up of each of some files, and those that cost little with it.

        Raises
        ------
        HealthError
            The folder cannot be written to.
        """
        found = [self.sound.get(f"{self.keys[file]}.{name}") for file in files]
        if all(kept is not None and kept.exists() for kept in found):
            return [kept for kept in found if kept is not None]
        with self._keeping():
            listed = self._listed()
            missing = [f for f in files if not self._found(f"{self.keys[f]}.{name}", listed)]
            for file, tables in made(name, missing):
                for other, table in tables.items():
                    key = f"{self.keys[file]}.{other}"
                    if not self._found(key, listed):
                        self.sound[key] = _written(table, self.folder / key)
        return [self.sound[f"{self.keys[file]}.{name}"] for file in files]

    def summed_up(
        self,
        name: str,
        months: Mapping[int, Sequence[Path]],
        made: Callable[[list[Path], list[Path]], pa.Table],
    ) -> Path:
        """Return what the roll-ups of some months add up to; made where it is missing or broken.

        Parameters
        ----------
        name : str
            What it is called.
        months : mapping of int to sequence of Path
            Some of these files, by the day before which they end; not empty.
        made : callable
            Adds up what the first of these months add up to, where that is kept, and the roll-ups
            of the files of the others.
        """
        ends, keys, files = sorted(months), list[str](), list[str]()
        for past in ends:
            files += [self.keys[file] for file in months[past]]
            keys.append(f"{digest([FORMAT, past, sorted(files)])}.{name}")
        with self._keeping():
            listed = self._listed()
            found = next((key for key in reversed(keys) if self._found(key, listed)), "")
            if found != keys[-1]:
                done = keys.index(found) + 1 if found else 0
                others = [file for past in ends[done:] for file in months[past]]
                table = made([self.sound[found]] if found else [], others)
                self.sound[keys[-1]] = _written(table, self.folder / keys[-1])
            # It is in use as long as its files are.
            os.utime(self.sound[keys[-1]])
        return self.sound[keys[-1]]

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        """Name the folder in the error where roll-ups cannot be kept."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise HealthError(
                f"roll-ups cannot be kept: {error.strerror}",
                where=str(self.folder),
                fix="name another folder in rollups_dir, or make room",
            ) from None

    def _listed(self) -> dict[str, list[Path]]:
        """Return the files of each key and name that are in the folder."""
        listed: dict[str, list[Path]] = {}
        for kept in self.folder.glob("*.parquet"):
            listed.setdefault(kept.name.rsplit(".", 2)[0], []).append(kept)
        return listed

    def _found(self, key: str, listed: dict[str, list[Path]]) -> bool:
        """Return whether a roll-up is sound, and note its file."""
        sound = self.sound.get(key)
        sound = sound if sound is not None and sound.exists() else _sound(listed.pop(key, []))
        if sound is not None:
            self.sound[key] = sound
        return sound is not None

    def remove_unused(self) -> None:
        """Mark the roll-ups of these files as used, and remove those unused for long."""
        now, keys = time.time(), set(self.keys.values())
        for kept in self.folder.iterdir():
            # Another run may remove a file at the same time.
            with suppress(OSError):
                if kept.name.split(".")[0] in keys:
                    os.utime(kept)
                elif now - kept.stat().st_mtime > UNUSED_DAYS * 86_400 and kept.suffix in _OURS:
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
        paths = files.rolled_up("days", [*files.keys], rollups._made)
        kept = zip(files.keys, paths, strict=True)
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
        files = self._reaching(start, end)
        rows, shared = self._rows_of(name, files, start, end), self._shared(files, start, end)
        if not len(shared):
            # There is one row per key already.
            return rows
        summed = ROLLUPS[name].of(rows.filter(_on_days(shared)))
        others = rows.filter(~_on_days(shared)).select(summed.collect_schema().names())
        return nw.concat([others, summed], how="vertical")

    def _rows_of(self, name: Name, files: Sequence[Path], start: int, end: int) -> Frame:
        """Return the roll-ups of files on the days of [start, end), each by itself."""
        query = _select(self._kept(name, files or [*self.files.keys][:1]))
        if self.accounts:
            query += f" WHERE account_id IN (SELECT account_id FROM {self.accounts})"
        day, (first, past) = nw.col("day"), (day_of(n).date() for n in (start, end))
        return nw.from_native(self.connection.sql(query)).filter(day >= first, day < past)

    def tables(
        self, name: Name, start: int, end: int, *, columns: Collection[str] = ()
    ) -> Iterator[pa.Table]:
        """Yield the roll-up of the days of [start, end) as `collected` returns it, in parts.

        No day is in two parts. Where columns are given, others may be left out.
        """
        files = self._reaching(start, end)
        shared = self._shared(files, start, end)
        # Read as codes: the engine would look up the text of every row.
        for path in self._kept(name, files):
            table = self._read(path, start, end, columns=columns)
            is_shared = np.isin(table["day"].to_numpy(), shared)
            yield table.filter(pa.array(~is_shared)) if is_shared.any() else table
        if len(shared) or not files:
            rows = self._rows_of(name, files, start, end)
            summed = collected(ROLLUPS[name].of(rows.filter(_on_days(shared)) if files else rows))
            summed = summed.select([c for c in summed.column_names if c in (columns or [c])])
            # Parts do not overlap, so that whoever needs rows in order of day sorts single parts.
            for days in np.split(shared, np.flatnonzero(np.diff(shared) > 1) + 1):
                yield summed.filter(pa.array(np.isin(summed["day"].to_numpy(), days)))

    def first_day(self, name: Name, past: int) -> int | None:
        """Return the first day of any file, None without usage before a day."""
        first = min((first for first, _ in self.days.values()), default=past)
        return first if first < past else None

    def last_days(self, past: int) -> list[pa.Table]:
        """Return the last day of each user before a day: of finished months, and of days since."""
        months, rest = self._months(past)
        found = [self._read(path) for path in self._of_months("last_days", months)]
        columns = ("account_id", "user_id", "day", "known", "users_counted")
        kept = self._kept("users", rest)
        return found + [self._read(path, FIRST_DAY, past, columns=columns) for path in kept]

    def carried_on(self, name: str, of: object, past: int, add: Add) -> tuple[pa.Table | None, int]:
        """Return what the usage of finished months adds up to, which is kept for later runs.

        Parameters
        ----------
        name : str
            What it is called; without a point.
        of : object
            What it depends on besides usage, as JSON can write it.
        past : int
            The day before which the last month ends.
        add : callable
            Takes what it returned for earlier months (None where nothing is kept), the roll-ups
            of every account, and the days [start, end) to add. Its result needs account_id.

        Returns
        -------
        pa.Table or None
            None without a finished month.
        int
            The first day that is not in it.
        """
        months: dict[int, list[Path]] = {}
        for file in self._reaching(FIRST_DAY, past):
            end = day_number(day_of(self.days[file][0]) + pd.offsets.MonthBegin())
            if end <= past:
                months.setdefault(end, []).append(file)
        if not months:
            return None, FIRST_DAY
        last, everyone = max(months), replace(self, accounts="")

        def made(kept: list[Path], _: list[Path]) -> pa.Table:
            before = pq.read_table(kept[0]) if kept else None
            start = before[_PAST][0].as_py() if before is not None and len(before) else FIRST_DAY
            table = add(before, everyone, start, last)
            past_of_rows = pa.array(np.full(len(table), last))
            return self._in_buckets(table.append_column(_PAST, past_of_rows))

        path = self.files.summed_up(f"{name}-{digest(of)}", months, made)
        return pq.read_table(path), last

    def by_account_and_day(self, start: int | None = None, end: int | None = None) -> str:
        """Return the SQL of the roll-up by account and day of all files.

        With days, that of the files with usage on the days of [start, end).
        """
        files = [*self.files.keys]
        if start is not None and end is not None:
            files = self._reaching(start, end) or files[:1]
        return _select(self._kept("days", files))

    def rows_between(self, start: int, end: int) -> str:
        """Return the SQL of the rows of files with usage on the days of [start, end)."""
        return self._rows(self._reaching(start, end) or [*self.files.keys][:1])

    def by_account(self) -> str:
        """Return the SQL of roll-ups of all files by account: records, first and last.

        An account has a row for all finished months, and for each day since.
        """
        months, rest = self._months(max((last + 1 for _, last in self.days.values()), default=0))
        paths = [*self._of_months("spans", months), *self._kept("days", rest)]
        paths = paths or self._kept("days", [*self.files.keys][:1])
        return f"SELECT account_id, records, first, last FROM {parquet_sql(paths, uniform=False)}"

    def _of_months(self, name: str, months: Mapping[int, Sequence[Path]]) -> list[Path]:
        """Return the file in which months are summed up, if there are any."""
        if not months:
            return []
        of_days: Name = "users" if name == "last_days" else "days"

        def made(kept: list[Path], files: list[Path]) -> pa.Table:
            paths = [*kept, *self._kept(of_days, files)]
            query = f"SELECT * FROM {parquet_sql(paths, uniform=False)}"
            rows = nw.from_native(self.connection.sql(query))
            if name == "last_days":
                return self._in_buckets(collected(last_days(rows, max(months))))
            return self._in_buckets(collected(SPANS.of(rows.select("account_id", *_SPAN_COLUMNS))))

        return [self.files.summed_up(name, months, made)]

    def _reaching(self, start: int, end: int) -> list[Path]:
        """Return the files with usage on the days of [start, end), in order of their first day."""
        found = sorted((*days, file) for file, days in self.days.items())
        return [file for first, last, file in found if first < end and last >= start]

    def _shared(self, files: Sequence[Path], start: int, end: int) -> Codes:
        """Return the days of [start, end) that several files may have usage of."""
        reached = np.zeros(end - start + 1, dtype=np.int64)
        for first, last in (self.days[file] for file in files):
            reached[max(first, start) - start] += 1
            reached[min(last + 1, end) - start] -= 1
        return np.flatnonzero(np.cumsum(reached) > 1) + start

    def _months(self, past: int) -> tuple[dict[int, list[Path]], list[Path]]:
        """Return the files that end in each month before a day, by its end, and the others."""
        months: dict[int, list[Path]] = {}
        rest: list[Path] = []
        for file in self._reaching(FIRST_DAY, past):
            end = day_number(day_of(self.days[file][1]) + pd.offsets.MonthBegin())
            (months.setdefault(end, []) if end <= past else rest).append(file)
        return months, rest

    def _kept(self, name: Name, files: Iterable[Path]) -> list[Path]:
        return self.files.rolled_up(name, [*files], self._made)

    def _read(
        self,
        path: Path,
        start: int = FIRST_DAY,
        end: int | None = None,
        *,
        columns: Collection[str] = (),
    ) -> pa.Table:
        """Read the days of [start, end) of a roll-up, as `collected` returns it."""
        file = pq.ParquetFile(path)
        present = [name for name in file.schema_arrow.names if name != BUCKET]
        wanted = [name for name in present if name in (columns or present)]
        # In one thread: other threads read other roll-ups at the same time.
        table = coded(file.read(wanted, use_threads=False))
        rows = is_named(table["account_id"], self._known) if self.accounts else None
        day = table["day"].to_numpy()
        if len(day) and (day.min() < start or (end is not None and day.max() >= end)):
            within = (day >= start) & (day < (end if end is not None else day.max() + 1))
            rows = within if rows is None else rows & within
        return table if rows is None else table.filter(pa.array(rows))

    @cached_property
    def _known(self) -> pa.ChunkedArray:
        """The accounts whose usage counts."""
        known = self.connection.sql(f"SELECT account_id FROM {self.accounts}").to_arrow_table()
        return known["account_id"].cast(pa.string())

    def _made(
        self, name: Name, files: Iterable[Path]
    ) -> Iterator[tuple[Path, dict[Name, pa.Table]]]:
        """Yield a roll-up of each file; those by user and by day come from one scan of its rows."""
        query = ""
        for file in files:
            self.connection.execute(f"CREATE OR REPLACE TEMP VIEW of_file AS {self._rows([file])}")
            if not query:
                # The same for every file.
                rows = prepared(nw.from_native(self.connection.table("temp.of_file")))
                rollup = ROLLUPS[name] if name == "events" else _USERS_WITH_TIMES
                query = rollup.of(rows).to_native().sql_query()
            table = self._in_buckets(coded(self.connection.sql(query).to_arrow_table()))
            made: dict[Name, pa.Table] = {name: table}
            if name != "events":
                days: pa.Table = _DAYS_IN_BUCKETS.of(nw.from_native(table)).to_native()
                made = {"users": table.drop_columns(["first", "last"]), "days": _ordered(days)}
            yield file, made

    def _in_buckets(self, table: pa.Table) -> pa.Table:
        """Add the bucket of each account to a roll-up, and put it in order of these.

        The bucket, from 0 to 255, is the first byte of the MD5 of the account's UTF-8 text.
        """
        accounts = table["account_id"].unify_dictionaries().combine_chunks()
        texts = accounts.dictionary
        names = pa.table({"name": texts, "place": np.arange(len(texts))})
        # Of each name once: of every row, it would take longer. Other threads use the connection.
        with self.connection.cursor() as own:
            own.register("names", names)
            found = own.sql(_BUCKET_OF_NAMES).fetchnumpy()
        bucket = np.empty(len(names), np.uint8)
        bucket[found["place"]] = found["bucket"]
        # Names are in this order, too, so that looking up those of many files finds neighbours.
        place = np.argsort(bucket, kind="stable")
        number = np.empty(len(names), np.int32)
        number[place] = np.arange(len(names))
        code = number[accounts.indices.to_numpy()]
        owner = pa.DictionaryArray.from_arrays(code, texts.take(pa.array(place)))
        table = table.set_column(table.column_names.index("account_id"), "account_id", owner)
        return _ordered(table.append_column(BUCKET, pa.array(bucket[place][code])))

    def _rows(self, files: Iterable[Path]) -> str:
        """Return the SQL of the rows of some files under canonical names and types."""
        names = self.files.names.items()
        casts = (
            f"{cast_sql(TABLES['usage'].column(name), self.types[name])} AS {quoted(name)}"
            for name, _ in names
        )
        renamed = ", ".join(f"{quoted(theirs)} AS {quoted(name)}" for name, theirs in names)
        rows = parquet_sql(files, uniform=True)
        return f"SELECT {', '.join(casts)} FROM (SELECT {renamed} FROM {rows})"


#: What `KeptRollups.carried_on` calls.
Add = Callable[[pa.Table | None, KeptRollups, int, int], pa.Table]


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
    hashes = content_hashes(relation.parquet, folder)
    keys = {
        file: digest([FORMAT, hashes[file], partition_of(file), columns])
        for file in relation.parquet
    }
    return UsageFiles(folder, relation, names, keys)


def content_hashes(files: Collection[Path], folder: Path) -> dict[Path, str]:
    """Return the hash of the content of each file.

    A file is read again unless its inode, its size and both of its times are as noted. Only the
    system sets the time at which an inode changed, so that a file with an older date that replaces
    another is noticed. Elsewhere than on POSIX there is no such time, and every file is read.
    """
    noted_in = folder / f"{digest(os.path.commonpath(files))}{_HASHES}"
    noted: dict[str, str] = {}
    with suppress(OSError, ValueError, TypeError):
        noted = dict(json.loads(noted_in.read_text(encoding="utf-8")))
    found, known = {}, {}
    for file in files:
        state, now = _state(file), time.time_ns() if os.name == "posix" else 0
        found[file] = noted.get(f"{file} {state}") or _digest_of(file)
        # A file that has just changed may change again without another time.
        if state[-1] + _instant(state[-1]) < now:
            known[f"{file} {state}"] = found[file]
    if known != noted:
        # Without the note, files are only read again.
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            write_at_once(noted_in, json.dumps(known).encode())
    return found


def _instant(changed: int) -> int:
    """Return the time within which a file that changed may change again and have the same state."""
    return _INSTANT_NS if changed % _SECOND_NS else max(_INSTANT_NS, 2 * _SECOND_NS)


def _state(file: Path) -> list[int]:
    """Return what changes whenever a file does."""
    stat = file.stat()
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _on_days(days: Codes) -> nw.Expr:
    return nw.col("day").is_in([day_of(day).date() for day in days.tolist()])


def _ordered(table: pa.Table) -> pa.Table:
    """Put rows in order of the codes of their accounts, which is that of buckets."""
    account = table["account_id"].combine_chunks()
    code = account.indices.to_numpy()
    # Numbers of two bytes are sorted several times as fast.
    code = code.astype(np.uint16) if len(account.dictionary) <= 2**16 else code
    return table.take(np.argsort(code, kind="stable"))


def _select(paths: Sequence[Path]) -> str:
    return f"SELECT * FROM {parquet_sql(paths, uniform=True)}"


def _ends(path: Path, *columns: str) -> list[tuple[Any, Any] | None]:
    """Return the smallest and the largest value of columns; None for one that has none."""
    metadata = pq.read_metadata(path)
    names, found = metadata.schema.names, list[tuple[Any, Any] | None]()
    for column in columns:
        groups = range(metadata.num_row_groups if column in names else 0)
        chunks = [metadata.row_group(n).column(names.index(column)) for n in groups]
        ends = [chunk.statistics for chunk in chunks if chunk.statistics.has_min_max]
        found.append((min(e.min for e in ends), max(e.max for e in ends)) if ends else None)
    return found


def _first_and_last(days: Path) -> tuple[int, int] | None:
    """Return the first and the last day of a roll-up; None without a row that has one."""
    (ends,) = _ends(days, "day")
    return None if ends is None else (day_number(ends[0]), day_number(ends[1]))


def _sound(files: Iterable[Path]) -> Path | None:
    """Return the file whose content is as it was written, and remove those that are broken."""
    for file in files:
        if file.name.split(".")[2] == _digest_of(file):
            return file
        file.unlink(missing_ok=True)
    return None


def _written(table: pa.Table, key: Path) -> Path:
    """Write a roll-up; return its file."""
    for place, column in enumerate(table.column_names):
        if column in {"day", "known"}:
            table = table.set_column(place, column, table[column].cast(pa.date32()))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="lz4",
        row_group_size=_ROWS_OF_A_GROUP,
        # Only these repeat: a dictionary of numbers or of users takes longer and saves nothing.
        use_dictionary=[name for name in CODED if name in table.column_names],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        # Those of texts take long, and nobody reads them.
        write_statistics=[name for name in _WITH_STATISTICS if name in table.column_names],
    )
    content = sink.getvalue()
    file = key.with_name(f"{key.name}.{hashlib.sha256(content).hexdigest()[:32]}.parquet")
    write_at_once(file, content)
    return file


def _last_time(days: Path) -> str:
    """Return the last time of a roll-up by day, or the end of the last day a row was known on."""
    last, known = _ends(days, "last", "known")
    times = [last[1]] if last else []
    if known:
        end = known[1] + timedelta(days=1)
        times.append(datetime(end.year, end.month, end.day))
    return str(max(times, default=datetime.min))


def digest(key: object) -> str:
    """Return the hash of what JSON can write."""
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]


def _digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def write_at_once(file: Path, content: bytes | pa.Buffer) -> None:
    """Write a file under another name first, so that readers see all of it or nothing."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.{get_ident()}{_UNFINISHED}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
