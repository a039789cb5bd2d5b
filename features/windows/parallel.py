"""Tasks that are worked on at the same time, in threads: the engine and numpy let others run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

import pyarrow as pa

Result = TypeVar("Result")
#: What each of them holds in memory adds up.
_MOST_AT_ONCE = 4


def run_parallel(tasks: Iterable[Callable[[], Result]]) -> list[Result]:
    """Run tasks that do not wait for one another; return what they return, in their order.

    Raises
    ------
    Exception
        That of the first task, in their order, that fails; those not begun by then are left.
    """
    workers = min(processors() + 1, _MOST_AT_ONCE)
    with _memory_of_the_system(), ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _memory_of_the_system() -> Iterator[None]:
    """Let Arrow take its memory from the system's pool.

    Its own gives back what is free soon, and while it does so all threads wait for the system.
    """
    usual = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(usual)


class CachedValue(Generic[Result]):
    """What several tasks need: the first that asks for it makes it, and the others wait."""

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make, self._lock = make, Lock()
        self._made: list[Result] = []

    def __call__(self) -> Result:
        """Return it."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
        return self._made[0]
