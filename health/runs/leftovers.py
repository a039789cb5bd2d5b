"""What a run that was killed leaves behind, and how the next one puts it right."""

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
    """Put a folder of runs right; only who holds its lock may.

    An unfinished run is removed. A replacement that was stopped half-way is either undone or
    finished, so that each date has one whole run and the old one is kept. `latest` is moved to
    the newest run.

    Returns
    -------
    list of str
        What was done, in words.
    """
    if not runs_dir.is_dir():
        return []
    done = []
    for folder in sorted(runs_dir.glob(f"{UNFINISHED}*")):
        shutil.rmtree(folder)
        done.append("removed what a run that was stopped had left unfinished")
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
        return f"kept the run that a new one of {name} had replaced under {REPLACED}"
    if target.exists():
        shutil.rmtree(folder)
        return f"removed a replacement of {name} that had been stopped"
    folder.rename(target)
    sync_folder(runs_dir)
    return f"finished a replacement of {name} that had been stopped"
