"""Published runs as the app reads them: by DuckDB, straight from their Parquet files."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from features.errors import HealthError
from health.business.kinds import Business, business_of
from health.runs.directory import PublishedRun, list_runs

#: Memory of one query; a page needs a few MB.
_MEMORY = "1GB"
#: Pages of lists that are kept for each run.
_MOST_PAGES = 100


class Runs:
    """The published runs of a company.

    Parameters
    ----------
    runs_dir : Path
        Where they are.
    config_file : Path
        Named in messages.
    """

    def __init__(self, runs_dir: Path, config_file: Path) -> None:
        self.runs_dir, self._config_file = runs_dir, config_file
        self._connection = duckdb.connect(":memory:")
        self._connection.execute(f"SET memory_limit = '{_MEMORY}'")
        self._connection.execute("SET parquet_metadata_cache = true")
        self._open: dict[tuple[Path, int], Run] = {}

    def published(self) -> list[PublishedRun]:
        """Return the runs, oldest first."""
        return list_runs(self.runs_dir)

    def run(self, as_of: date | None = None) -> Run:
        """Return the run of a date, or the newest one.

        Raises
        ------
        HealthError
            There is none, or some of its files are missing.
        """
        runs = self.published()
        if as_of is not None:
            runs = [run for run in runs if run.as_of == as_of]
        if not runs:
            raise HealthError(
                f"there is no run of {as_of}" if as_of else "nothing has been scored yet",
                where=str(self.runs_dir),
                fix="choose another date"
                if as_of
                else f"run `health score {self._config_file}`, then reload this page",
            )
        return self.open(runs[-1])

    def before(self, run: Run) -> Run | None:
        """Return the run before another one; None where there is none."""
        earlier = [other for other in self.published() if other.as_of < run.as_of]
        return self.open(earlier[-1]) if earlier else None

    def open(self, published: PublishedRun) -> Run:
        """Return a run by its folder; what was read of it is kept while it stays the same."""
        key = (published.folder, _changed(published.folder / "run.json"))
        if key not in self._open:
            self._open = {k: run for k, run in self._open.items() if k[0] != published.folder}
            self._open[key] = Run(published, self._connection)
        return self._open[key]

    def close(self) -> None:
        """Close the engine."""
        self._connection.close()


@dataclass(frozen=True)
class Run:
    """One published run.

    Attributes
    ----------
    published : PublishedRun
        Its date and folder.
    connection : duckdb.DuckDBPyConnection
        The engine; each query uses a separate cursor.
    """

    published: PublishedRun
    connection: duckdb.DuckDBPyConnection

    @property
    def as_of(self) -> date:
        """The date that was scored."""
        return self.published.as_of

    @property
    def midnight(self) -> datetime:
        """The same as a time."""
        return datetime.combine(self.as_of, time())

    @cached_property
    def info(self) -> dict[str, Any]:
        """Its run.json."""
        return self.published.info()

    @property
    def currency(self) -> str:
        """The currency of every amount."""
        return str(self.info["currency"])

    @cached_property
    def business(self) -> Business:
        """Contracts or orders, and the words that go with it."""
        return business_of(self.info)

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """Small results that do not change with the run, by what was asked."""
        return {}

    def page(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return a page that was made before, or make it: a run does not change.

        The pages that were asked for last are kept.
        """
        pages: dict[Hashable, Any] = self.kept.setdefault("pages", {})
        made = pages.pop(key) if key in pages else make()
        pages[key] = made
        while len(pages) > _MOST_PAGES:
            pages.pop(next(iter(pages)), None)
        return made

    def has(self, table: str) -> bool:
        """Whether the run has a table; runs of older releases lack some."""
        return self.published.has(table)

    def columns(self, table: str) -> frozenset[str]:
        """Return the columns of a table."""
        key = ("columns", table)
        if key not in self.kept:
            try:
                self.kept[key] = frozenset(self.published.columns(table))
            except HealthError as error:
                raise self._broken(error.what) from None
        return frozenset(self.kept[key])

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        where: str = "TRUE",
        parameters: Sequence[Any] = (),
        *,
        order: str = "",
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Return rows of a table; a column that the run lacks is None.

        Parameters
        ----------
        table : str
            Without ``.parquet``.
        columns : sequence of str
            Plain names.
        where, order : str
            SQL of this package; values of users are in `parameters` only.
        parameters : sequence
            Values of the question marks in `where`.
        limit, offset : int
            Which of the rows.
        """
        known = self.columns(table)
        chosen = ", ".join(f'"{c}"' if c in known else f'NULL AS "{c}"' for c in columns)
        text = f"SELECT {chosen} FROM {self.source(table)} WHERE {where}"
        if order:
            text += f" ORDER BY {order}"
        if limit is not None:
            text += f" LIMIT {int(limit)} OFFSET {int(offset)}"
        return self.query(text, parameters)

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a query of this package on the run's files; one dict per row."""
        try:
            cursor = self.connection.cursor()
            try:
                cursor.execute(text, list(parameters))
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            finally:
                cursor.close()
        except duckdb.Error as error:
            raise self._broken(str(error).splitlines()[0]) from None

    def _broken(self, what: str) -> HealthError:
        return HealthError(
            f"the run of {self.as_of} cannot be read: {what}",
            where=str(self.published.folder),
            fix="restore the folder from a backup, or score the date again with "
            f"`health score CONFIG --as-of {self.as_of} --replace`; "
            "earlier runs can be chosen by their date",
        )

    def source(self, table: str) -> str:
        """Return a table as SQL."""
        # Runs are sorted by account: as the last key of an order, the place of a row is as good as
        # its account, and cheaper to read.
        options = "hive_partitioning = false, file_row_number = true"
        return f"read_parquet({self.file(table)}, {options})"

    def file(self, table: str) -> str:
        """Return the path of a table as SQL."""
        path = str(self.published.folder / f"{table}.parquet").replace("'", "''")
        return f"'{path}'"


def json_list(text: Any) -> list[str]:
    """Return a list from a cell that holds one as JSON or with semicolons."""
    if not text:
        return []
    if isinstance(text, str) and text.startswith("["):
        try:
            return [str(part) for part in json.loads(text)]
        except ValueError:
            return [text]
    parts = text if isinstance(text, list) else str(text).split("; ")
    return [str(part) for part in parts if part]


def row_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the first row, None where there is none."""
    return dict(rows[0]) if rows else None


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
