"""A private folder for what a run writes and reads again: the parts of a large company."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import HealthError
from health.runs.directory import UNFINISHED

_PREFIX = "health-spill-"


@contextmanager
def spill_folder(runs_dir: Path, spill: Path | None) -> Iterator[Path]:
    """Create a folder that only this user can read, under a name nobody can guess.

    It is removed at the end. What a killed run leaves behind is removed first; the caller must own
    the lock of the runs.

    Parameters
    ----------
    runs_dir : Path
        Folder of the runs.
    spill : Path, optional
        Where the folder is created; by default in the folder of the runs.

    Raises
    ------
    HealthError
        The disk is full, or the folder cannot be written to.
    """
    parent = runs_dir if spill is None else spill
    prefix = UNFINISHED if spill is None else f"{_PREFIX}{_digest(runs_dir)}-"
    with spill_faults(parent):
        if spill is not None:
            parent.mkdir(parents=True, exist_ok=True)
            for left in parent.glob(f"{prefix}*"):
                shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder:
            yield Path(folder)


@contextmanager
def spill_faults(folder: Path) -> Iterator[None]:
    """Turn an OSError into a HealthError that names the folder, with a remedy."""
    try:
        yield
    except OSError as error:
        raise HealthError(
            f"parts of the accounts cannot be kept: {error.strerror or error}",
            where=str(folder),
            fix="make room, or name another folder in data.spill",
        ) from error


def _digest(runs_dir: Path) -> str:
    """Return a hash of a folder's path: other companies may spill into the same folder."""
    return hashlib.sha256(str(runs_dir.resolve()).encode()).hexdigest()[:16]
