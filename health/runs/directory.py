"""Run directories: published whole by a rename, found again by their date."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import HealthError
from health.presentation.wording import LISTS
from health.runs.durable import point_at, swap, sync_folder, sync_tree

#: What a complete run leaves.
FILES = (
    "scores.parquet",
    "reasons.parquet",
    "changes.parquet",
    "flags.parquet",
    "my_week.parquet",
    "episodes.parquet",
    "drift.parquet",
    "monitor.parquet",
    "portfolio.parquet",
    "whitespace.parquet",
    "features.parquet",
    "overrides.parquet",
    "contracts.parquet",
    "events.parquet",
    "flags.xlsx",
    "report.html",
    "forecast.html",
    "run.json",
    "lists/my_week.csv",
    *(f"lists/{kind.flag}.csv" for kind in LISTS),
)
RUN = "as_of="
#: A link to the newest run, moved last.
LATEST = "latest"
#: Where runs are kept that another one of the same date has replaced.
REPLACED = "replaced"
#: A run while it is written.
UNFINISHED = ".unfinished-"
#: A whole run about to take another's place, or the other just after it.
REPLACING = ".replacing-"
#: Marks the new one of the two.
NEW = ".new"

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class PublishedRun:
    """A run that was published.

    Attributes
    ----------
    as_of : date
        The date it scored.
    folder : Path
        Where it is.
    """

    as_of: date
    folder: Path

    def table(
        self, name: str, columns: list[str] | None = None, *, filters: Any = None
    ) -> pd.DataFrame:
        """Read one of its tables, as `pandas.read_parquet` does; HealthError where it cannot."""
        path = self.folder / f"{name}.parquet"
        try:
            return pd.read_parquet(path, columns=columns, filters=filters)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from None

    def has(self, name: str) -> bool:
        """Tell whether it has such a table: an older version may not have written it."""
        return (self.folder / f"{name}.parquet").is_file()

    def columns(self, name: str) -> list[str]:
        """Return the columns of one of its tables; HealthError where it cannot be read."""
        path = self.folder / f"{name}.parquet"
        try:
            return list(pq.read_schema(path).names)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from None

    def info(self) -> dict[str, Any]:
        """Read its run.json; HealthError where it cannot be read."""
        path = self.folder / "run.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        return content


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
    """Return the runs that scored an earlier date, oldest first."""
    return [run for run in list_runs(runs_dir) if run.as_of < as_of]


def find_run(runs_dir: Path, as_of: datetime | None, config_file: Path) -> PublishedRun:
    """Return the run of a date, or the last one; HealthError where there is none."""
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
    """Raise HealthError where the date has a run already and `replace` is not given."""
    target = runs_dir / f"{RUN}{as_of}"
    if target.exists() and not replace:
        raise HealthError(
            f"{as_of} was scored before; its run stays as it is",
            where=str(target),
            fix="give --replace to score the date again (the old run is kept), "
            "or another date with --as-of; if newer data should be there, it has not arrived",
        )


def publish(
    runs_dir: Path, as_of: date, write: Callable[[Path], None], *, replace: bool
) -> PublishedRun:
    """Write a run beside the others and rename it into place: whole, or not at all.

    Everything is on the disk before the run gets its name, and `latest` moves last. What a kill
    at any moment leaves behind, `leftovers.clean_up` puts right.

    Parameters
    ----------
    runs_dir : Path
        Folder of the runs; made where it is not there.
    as_of : date
        The date that was scored.
    write : callable
        Writes every file of the run into the folder it is given.
    replace : bool
        A run of the same date is moved to ``replaced/`` instead of being refused.

    Raises
    ------
    HealthError
        The date has a run and `replace` is not given, or the disk refuses; nothing half
        written stays.
    """
    refuse_second(runs_dir, as_of, replace=replace)
    name = f"{RUN}{as_of}"
    target = runs_dir / name
    with disk_faults_reported(runs_dir):
        runs_dir.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{name}+", dir=runs_dir))
        try:
            write(temporary)
            temporary.chmod(0o755)
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
    """Make a folder on the disk of the runs for what is written before it has its place."""
    with tempfile.TemporaryDirectory(prefix=f"{UNFINISHED}scratch-", dir=runs_dir) as folder:
        yield Path(folder)


@contextmanager
def disk_faults_reported(runs_dir: Path) -> Iterator[None]:
    """Turn what the disk refuses into a HealthError that says what to do."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(runs_dir, error) from error


def move_latest(runs_dir: Path) -> bool:
    """Let `latest` point at the newest run; False where it does, or where there is none."""
    runs, link = list_runs(runs_dir), runs_dir / LATEST
    if not runs or (link.is_symlink() and str(link.readlink()) == runs[-1].folder.name):
        return False
    if link.exists() and not link.is_symlink():
        # A copy of the folder made by a program that follows links: nothing of it is lost.
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
    # The mark tells the new run from the old one should we be stopped around the swap.
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
    said = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return HealthError(
        f"a file of an earlier run cannot be read: {said[0] if said else 'it is broken'}",
        where=str(path),
        fix="restore the file from a backup, or move the run's folder away",
    )


def _cannot_write(runs_dir: Path, error: OSError) -> HealthError:
    if error.errno in _NO_SPACE:
        what = "there is no room for the run on the disk (or a limit on file sizes stands)"
        fix = f"make room: {_free(runs_dir)} are free; old runs may be moved away"
    else:
        what = f"the run cannot be written: {error.strerror or error}"
        fix = "check the folder and its permissions"
    return HealthError(f"{what}; nothing was published", where=str(runs_dir), fix=fix)


def _free(runs_dir: Path) -> str:
    try:
        return f"{shutil.disk_usage(runs_dir).free / 1e6:,.0f} MB"
    except OSError:
        return "an unknown number of MB"
