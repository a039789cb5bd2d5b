"""Tasks in threads: the engine and numpy release the interpreter's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
#: Each task needs its own memory.
_MOST_AT_ONCE = 4


def run_parallel(tasks: Iterable[Callable[[], Result]]) -> list[Result]:
    """Run independent tasks in threads; return their results in the order of the tasks.

    Raises
    ------
    Exception
        That of the first task, in their order, that fails; those that have not started are left.
    """
    with ThreadPoolExecutor(workers()) as pool:
        return list(pool.map(lambda task: task(), tasks))


def workers() -> int:
    """Return how many threads work at the same time: one more than processors, four at most."""
    return min(processors() + 1, _MOST_AT_ONCE)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
