"""Tasks on a cluster of this machine, one of whose executors is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from features.errors import HealthError
from features.tables.spark import session
from features.windows.executors import in_executors

TASKS = 12
_EXECUTOR = b"CoarseGrainedExecutorBackend"
_MASTER = "local-cluster[2,1,1024]"


def _executor() -> int:
    """Return the process of the executor that runs this task."""
    pid = os.getppid()
    while _EXECUTOR not in Path(f"/proc/{pid}/cmdline").read_bytes():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid


def task(number: int, folder: str) -> tuple[int, int]:
    """Return the square of a number and the executor; the first to get half-way kills its own."""
    own, killed = _executor(), Path(folder) / "killed"
    if number == TASKS // 2 and not killed.exists():
        killed.write_text(str(own))
        os.kill(own, signal.SIGKILL)
        time.sleep(60)
    return number * number, own


def main(folder: str) -> None:
    """Print the results, the executors and what a second cluster is refused for, as JSON."""
    # Not everyone who collects the tests has it.
    from pyspark.sql import SparkSession  # noqa: PLC0415

    running = (
        SparkSession.builder.master(_MASTER)
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    running.sparkContext.pythonExec = sys.executable
    refused = ""
    try:
        session("spark://127.0.0.1:1")
    except HealthError as error:
        refused = str(error)
    given = [(number, folder) for number in range(TASKS)]
    found = list(in_executors(running, task, given, at_once=TASKS, folder=Path(folder)))
    running.stop()
    values, executors = zip(*found, strict=True)
    print(json.dumps({"values": values, "executors": executors, "refused": refused}))
