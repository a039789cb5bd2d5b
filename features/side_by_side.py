"""Tasks that are worked on at the same time, in threads: the engine and numpy let others run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

import joblib

Result = TypeVar("Result")
#: What each of them holds in memory adds up.
_MOST_AT_ONCE = 4


def side_by_side(tasks: Iterable[Callable[[], Result]]) -> list[Result]:
    """Run tasks that do not wait for one another; return what they return, in their order.

    Raises
    ------
    Exception
        That of the first task, in their order, that fails; those not begun by then are left.
    """
    workers = min(joblib.cpu_count() + 1, _MOST_AT_ONCE)
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(task) for task in tasks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Shared(Generic[Result]):
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
