"""A command in a process of its own, with its time and the memory of all its processes."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two looks at the memory.
_EVERY_S = 1.0


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes
    ----------
    exit_code : int
    wall_s, processor_s : float
        Seconds, the second of all its processes.
    memory_gb : float
        The most that the process and those it started held at one moment, what they share
        counted once (proportional set size, looked at once a second).
    largest_gb : float
        The most that one of them held at any moment (peak resident set size).
    """

    exit_code: int
    wall_s: float
    processor_s: float
    memory_gb: float
    largest_gb: float

    def __str__(self) -> str:
        return (
            f"exit code {self.exit_code}; wall clock {self.wall_s:.0f} s, "
            f"processor {self.processor_s:.0f} s, memory {self.memory_gb:.2f} GB, "
            f"largest process {self.largest_gb:.2f} GB"
        )


def measured(command: Sequence[str], *, folder: Path | None = None) -> Measured:
    """Run a command in a folder to its end and measure it; its standard output is dropped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, most, largest = time.perf_counter(), 0.0, 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder) as process:
        while process.poll() is None:
            running = family(process.pid)
            most = max(most, sum(gigabytes(pid, "smaps_rollup", "Pss:") for pid in running))
            largest = max(largest, *(gigabytes(pid, "status", "VmHWM:") for pid in running))
            time.sleep(_EVERY_S)
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Measured(process.returncode, wall, processor, most, largest)


def family(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they still run."""
    try:
        # A process has the children of each of its threads.
        found = [
            (thread / "children").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return []
    children = [int(child) for of_thread in found for child in of_thread.split()]
    return [pid, *(own for child in children for own in family(child))]


def processor_seconds(pids: Sequence[int]) -> float:
    """Return the seconds that processes have used, with those of their children that ended."""
    ticks = 0
    for pid in pids:
        try:
            values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, values[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def gigabytes(pid: int, file: str, name: str) -> float:
    """Return a number of kilobytes of a file of a process in GB; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = next((line.split()[1] for line in lines if line.startswith(name)), "0")
    return int(kilobytes) * 1024 / 1e9
