"""Run directories: published whole by a rename, found again by their date."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import HealthError

#: What a complete run leaves.
FILES = (
    "scores.parquet",
    "reasons.parquet",
    "flags.parquet",
    "flags.xlsx",
    "report.html",
    "run.json",
)
_PREFIX = "as_of="


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

    def table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Read one of its tables (``scores``, ``reasons``, ``flags``)."""
        return pd.read_parquet(self.folder / f"{name}.parquet", columns=columns)

    def info(self) -> dict[str, Any]:
        """Read its run.json."""
        content: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return content


def list_runs(runs_dir: Path) -> list[PublishedRun]:
    """Return the published runs, oldest first."""
    if not runs_dir.is_dir():
        return []
    runs = [
        PublishedRun(date.fromisoformat(folder.name.removeprefix(_PREFIX)), folder)
        for folder in runs_dir.glob(f"{_PREFIX}????-??-??")
        if (folder / "run.json").is_file()
    ]
    return sorted(runs, key=lambda run: run.as_of)


def runs_before(runs_dir: Path, as_of: date) -> list[PublishedRun]:
    """Return the runs that scored an earlier date, oldest first."""
    return [run for run in list_runs(runs_dir) if run.as_of < as_of]


def refuse_second(runs_dir: Path, as_of: date, *, replace: bool) -> None:
    """Raise HealthError where the date has a run already and `replace` is not given."""
    target = runs_dir / f"{_PREFIX}{as_of}"
    if target.exists() and not replace:
        raise HealthError(
            f"{as_of} was scored before; its run stays as it is",
            where=str(target),
            fix="give --replace to score the date again (the old run is kept), "
            "or another date with --as-of",
        )


def publish(
    runs_dir: Path, as_of: date, write: Callable[[Path], None], *, replace: bool
) -> PublishedRun:
    """Write a run beside the others and rename it into place: whole, or not at all.

    Parameters
    ----------
    runs_dir : Path
        Folder of the runs; made where it is not there.
    as_of : date
        The date that was scored.
    write : callable
        Writes every file of the run into the folder it is given.
    replace : bool
        A run of the same date is moved to ``replaced/`` first instead of being refused.
    """
    refuse_second(runs_dir, as_of, replace=replace)
    runs_dir.mkdir(parents=True, exist_ok=True)
    target = runs_dir / f"{_PREFIX}{as_of}"
    temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=runs_dir))
    try:
        write(temporary)
        temporary.chmod(0o755)
        if target.exists():
            target.rename(_free_name(runs_dir / "replaced", target.name))
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return PublishedRun(as_of, target)


def _free_name(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    number = 1
    while (folder / f"{name}.{number}").exists():
        number += 1
    return folder / f"{name}.{number}"
