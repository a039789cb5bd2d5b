"""What a killed run leaves behind, and how the next run repairs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from health.runs.directory import (
    LATEST,
    NEW,
    REPLACED,
    REPLACING,
    RUN,
    UNFINISHED,
    keep_replaced,
    move_latest,
)
from health.runs.durable import sync_folder


def clean_up(runs_dir: Path) -> list[str]:
    """Repair a folder of runs; the caller must own its lock.

    Unfinished runs are removed. An interrupted replacement is either undone or completed, so that
    each date has one complete run and the old one is kept. `latest` is moved to the newest run.

    Returns
    -------
    list of str
        Messages that describe what was done.
    """
    if not runs_dir.is_dir():
        return []
    done = []
    for folder in sorted(runs_dir.glob(f"{UNFINISHED}*")):
        shutil.rmtree(folder)
        done.append("removed an unfinished run that had been stopped")
    for folder in sorted(runs_dir.glob(f"{REPLACING}*")):
        done.append(_settle(runs_dir, folder))
    for marker in sorted(runs_dir.glob(f"{RUN}*/{NEW}")):
        marker.unlink()
    if move_latest(runs_dir):
        done.append(f"moved {LATEST} to the newest run")
    return done


def _settle(runs_dir: Path, folder: Path) -> str:
    name = folder.name.removeprefix(REPLACING).partition("+")[0]
    target = runs_dir / name
    if not (folder / NEW).exists():
        keep_replaced(runs_dir, folder, name)
        return f"moved the replaced run of {name} to {REPLACED}"
    if target.exists():
        shutil.rmtree(folder)
        return f"removed an interrupted replacement of {name}"
    folder.rename(target)
    sync_folder(runs_dir)
    return f"completed an interrupted replacement of {name}"
