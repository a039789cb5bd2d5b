"""Usage that lies in many files, rolled up file by file, and each file only once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from features.rollups.cache import RollupCache, digest_of_table
from features.rollups.running_totals import (
    Extend,
    FileDays,
    SoFar,
    follow_one_another,
    following,
    share_a_day,
)
from features.rollups.usage_rollup import Roll, collected, prepared
from features.tables.casting import cast_sql, quoted
from features.tables.folders import partition_of
from features.tables.relations import Relation, parquet_sql
from features.tables.schema import TABLES
from features.windows.day_rows import AFTER_ALL_DAYS, BEFORE_ALL_DAYS, day_of

#: What makes roll-ups, and what adds them up.
_CODE = (
    "rollups/usage_rollup",
    "rollups/usage_counts",
    "windows/requested_days",
    "rollups/daily_usage",
    "journey/steps",
    "journey/counts",
    "tables/casting",
    "tables/identifiers",
)


@dataclass(frozen=True)
class UsageParts:
    """The files of the usage table and the roll-ups that were kept of them.

    Attributes
    ----------
    cache : RollupCache
        Where roll-ups are kept.
    source : str
        What the table's source is called.
    keys : mapping of Path to str
        Parquet files, and the key of each: its content, the source's name and type of each
        canonical column, and the code that rolls up. A late row makes its file another one.
    connection : duckdb.DuckDBPyConnection
        What reads the files, one thread at a time.
    rows : callable
        Returns the SQL of one file's rows under canonical names and types.
    """

    cache: RollupCache
    source: str
    keys: Mapping[Path, str]
    connection: duckdb.DuckDBPyConnection
    rows: Callable[[Path], str]

    def tables(
        self,
        name: str,
        roll: Roll,
        *,
        since: int = BEFORE_ALL_DAYS,
        until: int = AFTER_ALL_DAYS,
        columns: Sequence[str] | None = None,
    ) -> list[pa.Table]:
        """Return the roll-up of each file that has a day of [since, until), names as codes.

        There is one at least, so that its columns are told, be it without a row. `columns` names
        those that are wanted of them.
        """
        needed = self._reaching(since, until)
        if not needed:
            last = self._of(name, roll, [*self.keys.values()][-1:], columns)
            return [table.slice(0, 0) for table in last]
        return self._of(name, roll, needed, columns)

    def answers(
        self,
        name: str,
        ask: Callable[[int, int], pa.Table],
        answer: Callable[[pa.Table, pa.Table], pa.Table],
        of: tuple[str, Roll, Sequence[str]],
    ) -> list[pa.Table]:
        """Return what each file answers; one that is asked the same again is not read.

        Parameters
        ----------
        name : str
            What the answer is called where it is kept.
        ask : callable
            Takes a first day and the day after a last one, and returns what is asked of a file
            with these; nothing is where that has no row.
        answer : callable
            Takes the roll-up of the file and what is asked.
        of : str, callable, sequence of str
            The roll-up, as in `tables`.
        """
        rolled, roll, columns = of
        answered, result = self._answered(name), {}
        for key, asked in self._asked(ask, rolled, roll):
            question = (key, digest_of_table(asked))
            result[question] = answered.get(question)
            if result[question] is None:
                (rows,) = self._of(rolled, roll, [key], columns)
                result[question] = answer(rows, asked)
        if result.keys() - answered.keys():
            self._keep_answers(name, result)
        return list(result.values())

    def _asked(
        self, ask: Callable[[int, int], pa.Table], rolled: str, roll: Roll
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield the key of each file that is asked something, and what."""
        for key in self.keys.values():
            days = self._days(key)
            if days is None:
                self._made(rolled, roll, key)
                days = self._days(key)
            asked = ask(days[0], days[1] + 1) if days else []
            if len(asked):
                yield key, asked

    def _answered(self, name: str) -> dict[tuple[str, str], pa.Table]:
        """Return the answers that were kept, by file and question."""
        key = _answers_key(self.source, name)
        table = self.cache.tables(key, name)
        found: dict[tuple[str, str], pa.Table] = {}
        if table is not None:
            past = 0
            for file, question, count in self.cache.note(key)["answered"]:
                found[file, question] = table.slice(past, count)
                past += count
        return found

    def _keep_answers(self, name: str, result: Mapping[tuple[str, str], pa.Table]) -> None:
        """Keep the answers of all files as one: they are few, and a file for each reads slowly."""
        answered = [(*question, len(table)) for question, table in result.items()]
        self.cache.write(
            _answers_key(self.source, name),
            {name: pa.concat_tables(result.values())},
            {"source": self.source, "of": self.source, "answered": answered},
        )

    def so_far(
        self, name: str, rolled: str, roll: Roll, extend: Extend, *, before: int | None = None
    ) -> pa.Table | None:
        """Return what the files that end before a day add up to; None where there is none.

        Parameters
        ----------
        name : str
            What the sum is called where it is kept.
        rolled, roll : str, callable
            The roll-up that it is made of, as in `tables`.
        extend : callable
            Adds roll-ups to a sum (None: of nothing).
        before : int, optional
            By default all files.
        """
        sums = self._sums(rolled, roll)
        past = sum(before is None or file.last < before for file in sums.files)
        return sums.total(name, lambda keys: self._of(rolled, roll, keys), extend, past)

    def so_far_and_rest(
        self,
        name: str,
        of: tuple[str, Roll, Sequence[str]],
        extend: Extend,
        *,
        before: int,
        rest_days: int,
    ) -> list[pa.Table]:
        """Return what the files that end before a day add up to, and what is not yet added.

        To add up to a long sum takes longer than to read a few files beside it.

        Parameters
        ----------
        name, extend, before : str, callable, int
            As in `so_far`.
        of : str, callable, sequence of str
            The roll-up that the sum is made of, as in `tables`.
        rest_days : int
            Files of these last days may be left as they are.
        """
        rolled, roll, columns = of
        sums = self._sums(rolled, roll)
        past = sum(file.last < before for file in sums.files)
        done, total = sums.longest(name, past)
        rest = sums.files[done:past]
        if total is None or any(file.first < before - rest_days for file in rest):
            rest = []
            total = sums.total(name, lambda keys: self._of(rolled, roll, keys), extend, past)
        return following(total, self._of(rolled, roll, [file.key for file in rest], columns))

    def follow_one_another(self) -> bool:
        """Tell whether no file begins before the one before has ended, as far as is known."""
        files = self._files()
        return files is not None and follow_one_another(files)

    def share_a_day(self) -> bool:
        """Tell whether rows of a day may lie in two files."""
        files = self._files()
        return files is None or share_a_day(files)

    def _sums(self, rolled: str, roll: Roll) -> SoFar:
        """Return the sums over all files, the days of each of which are known from a roll-up."""
        for key in self.keys.values():
            if self._days(key) is None:
                self._made(rolled, roll, key)
        return self._so_far()

    def _so_far(self) -> SoFar:
        return SoFar(self.cache, self.source, self._files() or [])

    def _files(self) -> list[FileDays] | None:
        """Return the files that have rows, in order of their last day; None if one is unknown."""
        found = [(key, self._days(key)) for key in self.keys.values()]
        if any(days is None for _, days in found):
            return None
        files = [FileDays(key, *days) for key, days in found if days]
        return sorted(files, key=lambda file: (file.last, file.first, file.key))

    def _reaching(self, since: int, until: int) -> list[str]:
        """Return the keys of the files that are not known to have no day of [since, until)."""
        found = [(key, self._days(key)) for key in self.keys.values()]
        return [
            key
            for key, days in found
            if days is None or (days and days[1] >= since and days[0] < until)
        ]

    def _days(self, key: str) -> tuple[int, int] | tuple[()] | None:
        """Return the first and the last day of a file; empty of an empty one, None if unknown."""
        result = self.cache.note(key).get("days")
        return None if result is None else tuple(result)

    def _of(
        self, name: str, roll: Roll, keys: Iterable[str], columns: Sequence[str] | None = None
    ) -> list[pa.Table]:
        """Return the roll-ups of some files, made where they are not there or not sound."""
        found = []
        for key in keys:
            table = self.cache.tables(key, name, columns)
            if table is None:
                table = self._made(name, roll, key)
                if columns is not None:
                    table = table.select([c for c in table.column_names if c in columns])
            found.append(table)
        return found

    def _made(self, name: str, roll: Roll, key: str) -> pa.Table:
        file = next(file for file, of_file in self.keys.items() if of_file == key)
        rows = nw.from_native(self.connection.sql(self.rows(file)))
        table = collected(roll(prepared(rows))).sort_by("day")
        ends = pc.min_max(table["day"]).as_py()
        note: dict[str, Any] = {"days": [] if ends["min"] is None else [ends["min"], ends["max"]]}
        if "last" in table.column_names:
            note["last_time"] = str(_last(table))
        self._keep(key, {name: table}, note)
        return table

    def unchecked(self, observed_until: datetime | None) -> list[Path]:
        """Return the files whose rows have not passed every rule on single rows yet."""
        return [file for file, key in self.keys.items() if not self._passed(key, observed_until)]

    def note_checked(self) -> None:
        """Note that every row passed, and a time that no time of a file lies past."""
        for key in self.keys.values():
            noted = self.cache.note(key)
            if "checked_until" not in noted:
                self._keep(key, {}, {"checked_until": noted.get("last_time", str(None))})

    def forget_earlier(self) -> None:
        """Remove what was kept of earlier contents of these files."""
        self.cache.forget(self.source, [self.source, *self.keys.values(), *self._so_far().chain])

    def _passed(self, key: str, observed_until: datetime | None) -> bool:
        noted = self.cache.note(key).get("checked_until")
        return noted is not None and (observed_until is None or noted < str(observed_until))

    def _keep(self, key: str, tables: Mapping[str, pa.Table], note: Mapping[str, Any]) -> None:
        self.cache.write(key, tables, {"source": self.source, **note})


def _answers_key(source: str, name: str) -> str:
    return _hash(f"{name} of {source}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _last(days: pa.Table) -> datetime | None:
    """Return the last time of rows counted by day, or the end of the day of the last known one."""
    times = [pc.max(days["last"]).as_py()]
    if "known" in days.column_names and days["known"].null_count < len(days):
        times.append(day_of(pc.max(days["known"]).as_py() + 1).to_pydatetime())
    return max((time for time in times if time is not None), default=None)


def parts_of(
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    names: Mapping[str, str],
    types: Mapping[str, str],
    folder: Path,
) -> UsageParts | None:
    """Return the parts of a usage table that is scanned where it lies.

    A file is known by its content and by the values in the names of its folders.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the table is open.
    relation : Relation
        The files.
    names, types : mapping of str to str
        The source's name, and the SQL type, of each canonical column.
    folder : Path
        Where roll-ups are kept.

    Returns
    -------
    UsageParts or None
        None where the files do not all have the same columns: a file by itself would then not
        be read as it is among the others.
    """
    if not (relation.parquet and relation.is_uniform):
        return None
    package = Path(__file__).parents[1]
    code = [hashlib.sha256((package / f"{name}.py").read_bytes()).hexdigest() for name in _CODE]
    definition = json.dumps([*code, *((name, names[name], types[name]) for name in sorted(names))])
    cache = RollupCache(folder)
    keys = {
        file: hashlib.sha256(f"{content} {partition_of(file)} {definition}".encode()).hexdigest()[
            :32
        ]
        for file, content in cache.contents(relation.parquet).items()
    }
    return UsageParts(cache, relation.label, keys, connection, rows_of(names, types))


def rows_of(names: Mapping[str, str], types: Mapping[str, str]) -> Callable[[Path], str]:
    """Return what tells the SQL of one file's rows.

    `types` may be marked where no value needs mending.
    """
    casts = ", ".join(
        f"{cast_sql(TABLES['usage'].column(name), types[name])} AS {quoted(name)}" for name in names
    )
    renamed = ", ".join(f"{quoted(theirs)} AS {quoted(name)}" for name, theirs in names.items())

    def rows(file: Path) -> str:
        return f"SELECT {casts} FROM (SELECT {renamed} FROM {parquet_sql([file], uniform=True)})"

    return rows
