"""Locks between processes: one run, training, promotion, import or publication at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from features.errors import HealthError

#: The locked file; its existence means nothing, and the system releases it when a process ends.
LOCK = ".lock"
#: Seconds that a short piece of work waits for another one.
PATIENCE = 120.0


def only_run(
    runs_dir: Path, *, wait: bool, waiting: Callable[[str], object] | None = None
) -> AbstractContextManager[None]:
    """Acquire the lock of a folder of runs.

    Parameters
    ----------
    runs_dir : Path
        Folder of the runs; created if missing.
    wait : bool
        Wait for another run to end instead of raising an error.
    waiting : callable, optional
        Called with a message about the run that is waited for.

    Raises
    ------
    HealthError
        Another run is in progress and `wait` is False, or the folder is not writable.
    """
    return locked(
        runs_dir,
        work="run",
        patience=-1 if wait else 0,
        waiting=waiting,
        fix="wait until it ends, or use --wait to start as soon as it has",
    )


@contextmanager
def locked(
    folder: Path,
    *,
    work: str,
    name: str = LOCK,
    patience: float = PATIENCE,
    waiting: Callable[[str], object] | None = None,
    fix: str = "repeat the command when it has ended",
) -> Iterator[None]:
    """Acquire a lock in a folder; a thread that owns it already may acquire it again.

    Parameters
    ----------
    folder : Path
        Created if missing.
    work : str
        What only one process may do at a time, as messages name it.
    name : str
        Name of the locked file.
    patience : float
        Seconds to wait for another process; -1 waits until it ends.
    waiting : callable, optional
        Called with a message before the wait.
    fix : str
        What the user can do if another process owns the lock.

    Raises
    ------
    HealthError
        Another process owns the lock, or the folder is not writable.
    """
    file = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The same object for the same file, so that a step inside another may acquire it again.
        lock = FileLock(file.resolve(), is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is not None and patience:
                waiting(f"waiting for another {work}{_owner(file)}")
            lock.acquire(timeout=patience)
    except Timeout:
        raise HealthError(
            f"another {work} is in progress{_owner(file)}", where=str(folder), fix=fix
        ) from None
    except (OSError, NotImplementedError) as error:
        raise HealthError(
            f"the folder is not writable: {getattr(error, 'strerror', None) or error}",
            where=str(folder),
            fix="check the path, the permissions and the free space",
        ) from None
    try:
        # For messages only; on Windows, a locked file cannot be written.
        with suppress(OSError):
            file.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
    finally:
        lock.release()


def _owner(file: Path) -> str:
    try:
        number = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return f" (process {number})" if number.isdigit() else ""
