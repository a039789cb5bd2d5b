"""The memory of the process of a command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Threads allocate; then glibc describes its heaps.
_HEAPS = """
import ctypes, sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from health.cli.memory import manage_memory
if sys.argv[1] == "shared":
    manage_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = Barrier(8)
def allocate(size):
    together.wait(30)
    return libc.malloc(size)
with ThreadPoolExecutor(8) as pool:
    list(pool.map(allocate, [1000] * 8))
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="heaps of glibc")
def test_threads_share_one_heap() -> None:
    def heaps(how: str) -> int:
        command = [sys.executable, "-c", _HEAPS, how]
        # Commands that other tests run in this process set it.
        own = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=own)
        return done.stdout.count("<heap nr=")

    if heaps("separate") < 2:
        pytest.skip("this C library has one heap")
    assert heaps("shared") == 1
