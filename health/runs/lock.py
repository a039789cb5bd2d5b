"""One run at a time: a lock that the kernel releases when the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from features.errors import HealthError

#: The locked file; it is never removed, and its existence means nothing.
LOCK = ".lock"


@contextmanager
def only_run(
    runs_dir: Path, *, wait: bool, waiting: Callable[[str], object] | None = None
) -> Iterator[None]:
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
    with _opened(runs_dir) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(stream)
            if not wait:
                raise HealthError(
                    f"another run is in progress{holder}",
                    where=str(runs_dir),
                    fix="wait until it ends, or use --wait to start as soon as it has",
                ) from None
            if waiting is not None:
                waiting(f"waiting for another run{holder}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield


def _opened(runs_dir: Path) -> IO[str]:
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        return (runs_dir / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise HealthError(
            f"the folder of the runs is not writable: {error.strerror}",
            where=str(runs_dir),
            fix="check runs_dir and its permissions",
        ) from None


def _holder(stream: IO[str]) -> str:
    stream.seek(0)
    number = stream.read().strip()
    return f" (process {number})" if number.isdigit() else ""
