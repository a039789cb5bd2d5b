"""How long runs are kept: older ones are removed after a run is published."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd

from health.runs.directory import REPLACED, RUN, UNFINISHED, list_runs
from health.runs.durable import sync_folder

_PERIOD = re.compile(r"(\d{1,4}) (day|week|month|year)s?")
#: Folders next to the runs with one folder per date.
_NEXT_TO_RUNS = (REPLACED, "refused")


def first_kept(period: str, newest: date) -> date:
    """Return the first date whose run is kept.

    Parameters
    ----------
    period : str
        Such as ``"2 years"``, ``"18 months"`` or ``"90 days"``.
    newest : date
        Date of the newest run.

    Raises
    ------
    ValueError
        The period is not one of these.

    Examples
    --------
    >>> first_kept("2 years", date(2026, 6, 7))
    datetime.date(2024, 6, 7)
    """
    found = _PERIOD.fullmatch(period.strip().lower())
    if found is None or int(found[1]) == 0:
        raise ValueError('give a number of days, weeks, months or years, such as "2 years"')
    offset = pd.DateOffset(**{f"{found[2]}s": int(found[1])})  # type: ignore[arg-type]
    kept: date = (pd.Timestamp(newest) - offset).date()
    return kept


def prune(runs_dir: Path, period: str) -> list[str]:
    """Remove runs that are older than a period before the newest; the caller owns the lock.

    Returns
    -------
    list of str
        Messages that name what was removed.
    """
    runs = list_runs(runs_dir)
    if not runs:
        return []
    first = first_kept(period, runs[-1].as_of)
    done = []
    for folder in sorted(_dated(runs_dir)):
        if date.fromisoformat(folder.name.removeprefix(RUN)[:10]) < first:
            # Renamed first, so that a killed process does not leave half a run under its name.
            going = folder.rename(runs_dir / f"{UNFINISHED}{folder.parent.name}-{folder.name}")
            sync_folder(folder.parent)
            shutil.rmtree(going)
            done.append(f"removed {folder.relative_to(runs_dir)}, older than {period}")
    return done


def _dated(runs_dir: Path) -> Iterator[Path]:
    for parent in (runs_dir, *(runs_dir / name for name in _NEXT_TO_RUNS)):
        for folder in parent.glob(f"{RUN}????-??-??*"):
            if folder.is_dir() and not folder.is_symlink():
                yield folder
