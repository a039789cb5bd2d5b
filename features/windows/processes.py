"""Tasks in processes of their own, so that memory is that of the tasks that run at one time."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from features.errors import HealthError

Result = TypeVar("Result")


def in_processes(
    task: Callable[..., Result],
    arguments: Iterable[tuple[Any, ...]],
    *,
    processes: int,
    name: Callable[[int], str],
) -> Iterator[Result]:
    """Run a task for each tuple of arguments; yield the results in their order.

    A task whose process dies runs once more, alone. Only as many results as there are processes
    wait to be consumed.

    Parameters
    ----------
    task : callable
        A function of a module.
    arguments : iterable of tuple
        Taken as they are needed.
    processes : int
        How many tasks run at the same time.
    name : callable
        Names a task, by its number from 0, in an error.

    Raises
    ------
    HealthError
        The process of a task died twice.
    """
    pool = _pool(processes)
    waiting: deque[tuple[int, tuple[Any, ...], Future[Result]]] = deque()

    def first() -> Result:
        number, given, future = waiting.popleft()
        try:
            return future.result()
        except BrokenProcessPool:
            return _alone(task, given, name(number))

    try:
        for number, given in enumerate(arguments):
            try:
                future = pool.submit(task, *given)
            except BrokenProcessPool:
                pool.shutdown()
                pool = _pool(processes)
                future = pool.submit(task, *given)
            waiting.append((number, given, future))
            if len(waiting) > processes:
                yield first()
        while waiting:
            yield first()
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(task: Callable[..., Result], given: tuple[Any, ...], name: str) -> Result:
    """Run a task again, in a process that no other task can end."""
    with _pool(1) as pool:
        try:
            return pool.submit(task, *given).result()
        except BrokenProcessPool:
            raise HealthError(
                f"the process for {name} was killed twice, most likely because memory ran out",
                where="score",
                fix="free memory (the kernel's log names the process), or set a smaller "
                "data.accounts_at_once, then run again",
            ) from None


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_follow_parent)


def _follow_parent() -> None:
    """Ignore interruptions, and end when the parent process ends, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=follow, daemon=True).start()
