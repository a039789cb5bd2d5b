"""A limit on the memory of this process while SQL of a configuration runs."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "linux":
    import resource

#: What the process may need besides twice the engine's own limit: stacks, libraries, fragments.
_BESIDES = 2**30
_UNITS = {
    **{"bytes": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
    **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40},
}


class _Limit:
    """The limit of the process, as wide as the widest of the blocks that need one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: list[int] = []
        self._before = (0, 0)

    def enter(self, size: int) -> None:
        with self._lock:
            if not self._sizes:
                self._before = resource.getrlimit(resource.RLIMIT_DATA)
            self._sizes.append(size)
            self._set()

    def leave(self, size: int) -> None:
        with self._lock:
            self._sizes.remove(size)
            self._set()

    def _set(self) -> None:
        soft, hard = self._before
        if self._sizes:
            widest = max(self._sizes)
            soft = widest if soft == resource.RLIM_INFINITY else min(soft, widest)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


_LIMIT = _Limit()


@contextmanager
def memory_limited(limit: str) -> Iterator[None]:
    """Let the system refuse memory far beyond an engine's own limit.

    DuckDB's limit does not cover the value of one expression, such as
    ``repeat('a', 3000000000)``, which cannot be interrupted either, and SQLite has none. On Linux,
    allocations of the process beyond this limit fail while the block runs: DuckDB raises
    `OutOfMemoryException`, Python `MemoryError`. Elsewhere there is no such limit.

    Parameters
    ----------
    limit : str
        The engine's limit, such as ``2500MB``; it counts twice, as memory is fragmented.
    """
    if sys.platform != "linux":
        yield
        return
    size = _in_use() + 2 * _bytes(limit) + _BESIDES
    _LIMIT.enter(size)
    try:
        yield
    finally:
        _LIMIT.leave(size)


def _in_use() -> int:
    """Return the bytes of data and stacks that the process has, in the system's own terms."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _bytes(size: str) -> int:
    found = re.fullmatch(r"([\d.]+) ?(\w+)", size)
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"not a size: {size!r}")
    return int(float(found[1]) * _UNITS[found[2]])
