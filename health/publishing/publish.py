"""A run in a warehouse: a table per date, a view of the newest, the same once however often."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import HealthError
from features.tables.casting import literal
from health.publishing.targets import Target, as_plain_columns, transaction

#: Tables of a run that are published.
TABLES = ("scores", "flags", "reasons")


@dataclass(frozen=True)
class Written:
    """What publishing a run changed.

    Attributes
    ----------
    as_of : str
        The date that the run scored.
    rows : int
        Rows that were written; 0 where the run was published before.
    tables : tuple of str
        The tables of the run.
    is_latest : bool
        Whether the view shows this run.
    """

    as_of: str
    rows: int
    tables: tuple[str, ...]
    is_latest: bool


def publish_run(
    folder: Path, url: str, *, schema: str, prefix: str, base: Path, at: datetime
) -> Written:
    """Write a run's scores, flags and reasons, and let the views show the newest run.

    Everything happens in one transaction: a kill leaves the old tables and views.

    Parameters
    ----------
    folder : Path
        A run directory, ``as_of=DATE``.
    url : str
        The database.
    schema, prefix : str
        Where the tables are, and how their names begin.
    base : Path
        Folder of the configuration.
    at : datetime
        When it is published, for the record.

    Raises
    ------
    HealthError
        The run cannot be read, or the database refuses.
    """
    as_of = folder.name.removeprefix("as_of=")
    contents = {name: _read(folder / f"{name}.parquet") for name in TABLES}
    digest = _digest(folder)
    names = {table: f"{prefix}{table}_{as_of.replace('-', '')}" for table in TABLES}
    with transaction(url, schema=schema, base=base) as target:
        record = f"{prefix}runs"
        published = _published(target, record)
        is_latest = all(as_of >= other for other in published)
        if published.get(as_of) == digest:
            return Written(as_of, 0, tuple(names.values()), is_latest)
        if as_of in published:
            _remove(target, record, as_of, names, prefix, contents)
        for table, rows in contents.items():
            target.ingest(names[table], rows)
        total = sum(rows.num_rows for rows in contents.values())
        target.run(
            f"INSERT INTO {target.named(record)} VALUES "
            f"({literal(as_of)}, {literal(digest)}, {total}, {literal(at.isoformat())})"
        )
        if is_latest:
            for table, name in names.items():
                view = f"{prefix}latest" + ("" if table == "scores" else f"_{table}")
                target.replace_view(view, f"SELECT * FROM {target.named(name)}")
    return Written(as_of, total, tuple(names.values()), is_latest)


def _published(target: Target, record: str) -> dict[str, str]:
    """Return the digest of every run that was published, by date; make the record if need be."""
    if not target.exists(record):
        target.run(
            f"CREATE TABLE {target.named(record)} "
            '("as_of" VARCHAR(10), "digest" VARCHAR(64), "rows" BIGINT, "published_at" VARCHAR(32))'
        )
    rows = target.run(f'SELECT "as_of", "digest" FROM {target.named(record)}')
    return {str(as_of): str(digest) for as_of, digest in rows}


def _remove(
    target: Target,
    record: str,
    as_of: str,
    names: dict[str, str],
    prefix: str,
    contents: dict[str, pa.Table],
) -> None:
    """Remove a run that another one of the same date replaces, and the views that show it."""
    for table in contents:
        view = f"{prefix}latest" + ("" if table == "scores" else f"_{table}")
        target.run(f"DROP VIEW IF EXISTS {target.named(view)}")
    for name in names.values():
        target.run(f"DROP TABLE IF EXISTS {target.named(name)}")
    target.run(f'DELETE FROM {target.named(record)} WHERE "as_of" = {literal(as_of)}')


def _read(file: Path) -> pa.Table:
    try:
        return as_plain_columns(pq.read_table(file))
    except (OSError, pa.ArrowException) as error:
        raise HealthError(
            f"cannot be read: {error}", where=str(file), fix="score the date again with --replace"
        ) from None


def _digest(folder: Path) -> str:
    """Return what identifies a run: the content of what is published of it."""
    digest = hashlib.sha256()
    for name in TABLES:
        digest.update((folder / f"{name}.parquet").read_bytes())
    return digest.hexdigest()
