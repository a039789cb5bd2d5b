"""Run directories: published atomically by a rename, found by their date."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import HealthError
from features.tables.regular_files import read_regular
from health.runs.durable import new_folder, point_at, swap, sync_folder, sync_tree
from health.runs.stored_shapes import RunShape, require_shape, with_defaults

RUN = "as_of="
#: A link to the newest run, moved last.
LATEST = "latest"
#: Folder of the runs that were replaced by another run of the same date.
REPLACED = "replaced"
#: Prefix of a run that is being written.
UNFINISHED = ".unfinished-"
#: Prefix of a complete run that is about to replace another, or of the replaced one just after.
REPLACING = ".replacing-"
#: Marker file in the new one of the two.
NEW = ".new"

_UNREADABLE = "a file of an earlier run cannot be read"
_RESTORE = "restore the file from a backup, or move the run's folder away"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class PublishedRun:
    """A run that was published.

    Attributes
    ----------
    as_of : date
        The scored date.
    folder : Path
        Folder of the run.
    """

    as_of: date
    folder: Path

    def table(
        self, name: str, columns: list[str] | None = None, *, filters: Any = None
    ) -> pd.DataFrame:
        """Read one of its tables, as `pandas.read_parquet` does; HealthError if unreadable."""
        path = self.folder / f"{name}.parquet"
        if path.exists() and not path.is_file():
            raise _unreadable(path, OSError("it is not a file"))
        try:
            frame = pd.read_parquet(path, columns=columns, filters=filters)
            found = columns_hash(path)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from None
        if self._written().get(name, found) != found:
            raise _unreadable(path, OSError("its columns are not those that were written"))
        return frame

    def _written(self) -> dict[str, str]:
        """Return the hashes of the columns of its tables; empty if it does not have them."""
        # Who needs run.json reports that it cannot be read.
        with suppress(HealthError):
            written: dict[str, str] = self.info().get("stored_tables", {})
            return written
        return {}

    def has(self, name: str) -> bool:
        """Whether it has this table; older versions may not have written it.

        Raises
        ------
        HealthError
            It was written, and is missing or no file any more.
        """
        path = self.folder / f"{name}.parquet"
        if path.is_file():
            return True
        if os.path.lexists(path):
            raise _unreadable(path, OSError("it is not a file"))
        if name in self._written():
            raise _unreadable(path, OSError("it is missing"))
        return False

    def columns(self, name: str) -> list[str]:
        """Return the columns of one of its tables; HealthError if it cannot be read."""
        path = self.folder / f"{name}.parquet"
        try:
            return list(pq.read_schema(path).names)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from None

    def info(self) -> dict[str, Any]:
        """Read its run.json; HealthError if it cannot be read."""
        path = self.folder / "run.json"
        try:
            content = json.loads(read_regular(path))
        except (OSError, ValueError, RecursionError) as error:
            raise _unreadable(path, error) from None
        info = require_shape(content, RunShape, what=_UNREADABLE, file=path, fix=_RESTORE)
        return with_defaults(info)


def columns_hash(path: Path) -> str:
    """Return a hash of the names and types of a Parquet file's columns."""
    columns = [(field.name, str(field.type)) for field in pq.read_schema(path)]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:12]


def list_runs(runs_dir: Path) -> list[PublishedRun]:
    """Return the published runs, oldest first."""
    if not runs_dir.is_dir():
        return []
    runs = [
        PublishedRun(date.fromisoformat(folder.name.removeprefix(RUN)), folder)
        for folder in runs_dir.glob(f"{RUN}????-??-??")
        if (folder / "run.json").is_file()
    ]
    return sorted(runs, key=lambda run: run.as_of)


def runs_before(runs_dir: Path, as_of: date) -> list[PublishedRun]:
    """Return the runs of earlier dates, oldest first."""
    return [run for run in list_runs(runs_dir) if run.as_of < as_of]


def find_run(runs_dir: Path, as_of: datetime | None, config_file: Path) -> PublishedRun:
    """Return the run of a date, or the latest one; HealthError if there is none."""
    runs = list_runs(runs_dir)
    if as_of is not None:
        runs = [run for run in runs if run.as_of == as_of.date()]
    if not runs:
        raise HealthError(
            f"no run of {as_of.date()}" if as_of else "nothing has been scored yet",
            where=str(runs_dir),
            fix=f"run `health score {config_file}` first",
        )
    return runs[-1]


def refuse_second(runs_dir: Path, as_of: date, *, replace: bool) -> None:
    """Raise HealthError if the date already has a run and `replace` is False."""
    target = runs_dir / f"{RUN}{as_of}"
    if target.exists() and not replace:
        raise HealthError(
            f"{as_of} has already been scored; its run was not changed",
            where=str(target),
            fix="use --replace to score the date again (the old run is kept), or --as-of to score "
            "another date; if you expected newer data, it has not arrived yet",
        )


def publish(
    runs_dir: Path, as_of: date, write: Callable[[Path], None], *, replace: bool
) -> PublishedRun:
    """Write a run to a temporary folder and rename it into place: completely, or not at all.

    All files are flushed to disk before the run gets its name, and `latest` moves last. If the
    process is killed at any moment, `leftovers.clean_up` repairs what it left behind.

    Parameters
    ----------
    runs_dir : Path
        Folder of the runs; created if missing.
    as_of : date
        The date that was scored.
    write : callable
        Writes every file of the run into the given folder.
    replace : bool
        Move an existing run of the same date to ``replaced/`` instead of raising an error.

    Raises
    ------
    HealthError
        The date has a run and `replace` is False, or writing fails; nothing half written remains.
    """
    refuse_second(runs_dir, as_of, replace=replace)
    name = f"{RUN}{as_of}"
    target = runs_dir / name
    with disk_faults_reported(runs_dir):
        runs_dir.mkdir(parents=True, exist_ok=True)
        temporary = new_folder(runs_dir, f"{UNFINISHED}{name}+")
        try:
            write(temporary)
            if target.exists():
                _replace(temporary, target)
            else:
                sync_tree(temporary)
                temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(runs_dir)
        move_latest(runs_dir)
    return PublishedRun(as_of, target)


@contextmanager
def scratch_folder(runs_dir: Path) -> Iterator[Path]:
    """Create a temporary folder on the same disk as the runs."""
    with tempfile.TemporaryDirectory(prefix=f"{UNFINISHED}scratch-", dir=runs_dir) as folder:
        yield Path(folder)


@contextmanager
def disk_faults_reported(runs_dir: Path) -> Iterator[None]:
    """Turn an OSError into a HealthError with a remedy."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(runs_dir, error) from error


def move_latest(runs_dir: Path) -> bool:
    """Point `latest` at the newest run; False if it already does, or if there is none."""
    runs, link = list_runs(runs_dir), runs_dir / LATEST
    if not runs or (link.is_symlink() and str(link.readlink()) == runs[-1].folder.name):
        return False
    if link.exists() and not link.is_symlink():
        # A program that follows links made a copy of the folder: keep it.
        keep_replaced(runs_dir, link, LATEST)
    point_at(link, runs[-1].folder.name)
    return True


def keep_replaced(runs_dir: Path, folder: Path, name: str) -> Path:
    """Move an old run to ``replaced/`` under its name and the next free number."""
    kept = runs_dir / REPLACED
    kept.mkdir(exist_ok=True)
    number = 1
    while (kept / f"{name}.{number}").exists():
        number += 1
    target = kept / f"{name}.{number}"
    folder.rename(target)
    sync_folder(kept)
    sync_folder(runs_dir)
    return target


def _replace(temporary: Path, target: Path) -> None:
    runs_dir, name = target.parent, target.name
    # The marker identifies the new run if the process is stopped around the swap.
    (temporary / NEW).touch()
    sync_tree(temporary)
    suffix = temporary.name.removeprefix(UNFINISHED)
    coming = temporary.rename(runs_dir / f"{REPLACING}{suffix}")
    try:
        swapped = swap(coming, target)
    except BaseException:
        if (coming / NEW).exists():
            shutil.rmtree(coming, ignore_errors=True)
        raise
    if swapped:
        sync_folder(runs_dir)
        keep_replaced(runs_dir, coming, name)
    else:
        keep_replaced(runs_dir, target, name)
        coming.rename(target)
    (target / NEW).unlink()


def _unreadable(path: Path, error: Exception) -> HealthError:
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return HealthError(
        f"{_UNREADABLE}: {lines[0] if lines else 'it is damaged'}", where=str(path), fix=_RESTORE
    )


def _cannot_write(runs_dir: Path, error: OSError) -> HealthError:
    if error.errno in _NO_SPACE:
        what = "the disk is full (or a limit on file sizes is exceeded)"
        fix = f"free some space: {_free(runs_dir)} are free; old runs can be moved away"
    else:
        what = f"the run cannot be written: {error.strerror or error}"
        fix = "check the folder and its permissions"
    return HealthError(f"{what}; nothing was published", where=str(runs_dir), fix=fix)


def _free(runs_dir: Path) -> str:
    try:
        return f"{shutil.disk_usage(runs_dir).free / 1e6:,.0f} MB"
    except OSError:
        return "an unknown number of MB"
