"""Usage that lies in many files, rolled up file by file, and each file only once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features import usage_rollup
from features.casting import cast_sql, literal, quoted
from features.day_rows import BEFORE_ALL_DAYS
from features.errors import HealthError
from features.relations import Relation, parquet_sql
from features.rollup_cache import RollupCache, content_key
from features.schema import TABLES
from features.usage_rollup import by_account_day, collected, prepared

_CODE = Path(usage_rollup.__file__)


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
    open : callable
        Returns the rows of one file under canonical names and types.
    read : callable
        Returns the rows of several roll-ups.
    """

    cache: RollupCache
    source: str
    keys: Mapping[Path, str]
    open: Callable[[Path], nw.LazyFrame[Any]]
    read: Callable[[list[Path]], nw.LazyFrame[Any]]

    def daily(
        self,
        name: str,
        roll: Callable[[nw.LazyFrame[Any]], nw.LazyFrame[Any]],
        *,
        since: int = BEFORE_ALL_DAYS,
    ) -> nw.LazyFrame[Any]:
        """Return the roll-ups of all files as one lazy frame, ``day`` and ``known`` as numbers.

        A file that is known to end before the day `since` is passed over.
        """
        return self.read(self._rolled(name, roll, since))

    def days_sql(self) -> str:
        """Return SQL of the rows counted by account and day: account_id, moment, n, first, last."""
        files = [literal(str(file)) for file in self._rolled("days", by_account_day)]
        return (
            "SELECT account_id, date_trunc('day', first) AS moment, CAST(n AS BIGINT) AS n, "
            f"first, last FROM read_parquet([{', '.join(files)}])"
        )

    def _rolled(
        self,
        name: str,
        roll: Callable[[nw.LazyFrame[Any]], nw.LazyFrame[Any]],
        since: int = BEFORE_ALL_DAYS,
    ) -> list[Path]:
        """Return the sound roll-up of each file, made by `roll` where none was kept.

        At least one is returned, so that there is something to read, be it without a row.
        """
        needed = [k for k in self.keys.values() if self._last_day(k, since) >= since]
        needed = needed or list(self.keys.values())[-1:]
        for file, key in self.keys.items():
            if key in needed and not self.cache.holds(key, [name]):
                table = collected(roll(prepared(self.open(file))))
                last = pc.max(table["day"]).as_py()
                self._keep(key, {name: table}, {} if last is None else {"last_day": last})
        return [self.cache.path(key, name) for key in dict.fromkeys(needed)]

    def _last_day(self, key: str, unknown: int) -> int:
        return int(self.cache.note(key).get("last_day", unknown))

    def unchecked(self, observed_until: datetime | None) -> list[Path]:
        """Return the files whose rows have not passed every rule on single rows yet."""
        return [file for file, key in self.keys.items() if not self._passed(key, observed_until)]

    def note_checked(self) -> None:
        """Note that every row passed, and the last time of each file."""
        for key in self.keys.values():
            if "checked_until" not in self.cache.note(key):
                days = self.cache.tables(key, "days")
                last = None if days is None else pc.max(days["last"]).as_py()
                self._keep(key, {}, {"checked_until": str(last)})

    def forget_earlier(self) -> None:
        """Remove what was kept of earlier contents of these files."""
        self.cache.forget(self.source, self.keys.values())

    def _passed(self, key: str, observed_until: datetime | None) -> bool:
        noted = self.cache.note(key).get("checked_until")
        return noted is not None and (observed_until is None or noted < str(observed_until))

    def _keep(self, key: str, tables: Mapping[str, pa.Table], note: Mapping[str, Any]) -> None:
        try:
            self.cache.write(key, tables, {"source": self.source, **note})
        except OSError as error:
            raise HealthError(
                f"roll-ups cannot be kept: {error.strerror}",
                where=str(self.cache.folder),
                fix="name another folder in rollups_dir, or make room",
            ) from None


def parts_of(
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    names: Mapping[str, str],
    types: Mapping[str, str],
    folder: Path,
) -> UsageParts | None:
    """Return the parts of a usage table that is scanned where it lies.

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
    schemas = [pq.read_schema(file) for file in relation.parquet]
    if not schemas or any(schema != schemas[0] for schema in schemas):
        return None
    code = hashlib.sha256(_CODE.read_bytes()).hexdigest()
    definition = json.dumps([code, *((name, names[name], types[name]) for name in sorted(names))])
    keys = {file: content_key(file, definition) for file in relation.parquet}
    cache = RollupCache(folder)

    def read(files: list[Path]) -> nw.LazyFrame[Any]:
        return nw.from_native(connection.sql(f"SELECT * FROM {parquet_sql(files)}"))

    return UsageParts(cache, relation.label, keys, opener(connection, names, types), read)


def opener(
    connection: duckdb.DuckDBPyConnection, names: Mapping[str, str], types: Mapping[str, str]
) -> Callable[[Path], nw.LazyFrame[Any]]:
    """Return what opens one file; `types` may be marked where no value needs mending."""
    casts = ", ".join(
        f"{cast_sql(TABLES['usage'].column(name), types[name])} AS {quoted(name)}" for name in names
    )
    renamed = ", ".join(f"{quoted(theirs)} AS {quoted(name)}" for name, theirs in names.items())

    def opened(file: Path) -> nw.LazyFrame[Any]:
        sql = f"SELECT {casts} FROM (SELECT {renamed} FROM {parquet_sql([file])})"
        return nw.from_native(connection.sql(sql))

    return opened
