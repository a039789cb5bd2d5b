"""One run at a time: a lock that the kernel lets go of when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from features.errors import HealthError

#: The file that is locked; it stays, and says nothing by being there.
LOCK = ".lock"


@contextmanager
def only_run(
    runs_dir: Path, *, wait: bool, waiting: Callable[[str], object] | None = None
) -> Iterator[None]:
    """Hold the lock of a folder of runs.

    Parameters
    ----------
    runs_dir : Path
        Folder of the runs; made where it is not there.
    wait : bool
        Wait for another run to end, rather than leave.
    waiting : callable, optional
        Is told who is waited for.

    Raises
    ------
    HealthError
        Another run is at work and `wait` is not given, or the folder cannot be written to.
    """
    with _opened(runs_dir) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(stream)
            if not wait:
                raise HealthError(
                    f"another run is at work{holder}",
                    where=str(runs_dir),
                    fix="let it end, or give --wait to start when it has",
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
            f"the folder of the runs cannot be written to: {error.strerror}",
            where=str(runs_dir),
            fix="check runs_dir and its permissions",
        ) from None


def _holder(stream: IO[str]) -> str:
    stream.seek(0)
    number = stream.read().strip()
    return f" (process {number})" if number.isdigit() else ""
