"""The lock: a second run waits or leaves, and no crash leaves it locked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from features.errors import HealthError
from health.runs.lock import LOCK, locked, only_run

_HOLD = """
import sys, time
from pathlib import Path
from health.runs.lock import only_run
with only_run(Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def _holder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, folder, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.wait(timeout=10)
    assert process.stdout
    process.stdout.close()


def test_a_second_run_leaves_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    process = _holder(tmp_path, 60)
    result = f"another run is in progress \\(process {process.pid}\\)"
    with pytest.raises(HealthError, match=result), only_run(tmp_path, wait=False):
        pass
    os.kill(process.pid, signal.SIGKILL)
    _end(process)
    assert (tmp_path / LOCK).exists()
    with only_run(tmp_path, wait=False):
        pass


@pytest.mark.slow
def test_a_second_run_waits_where_told(tmp_path: Path) -> None:
    process = _holder(tmp_path, 0.5)
    said: list[str] = []
    start = time.monotonic()
    with only_run(tmp_path, wait=True, waiting=said.append):
        assert time.monotonic() - start > 0.2
    assert said == [f"waiting for another run (process {process.pid})"]
    _end(process)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    where = tmp_path / "runs"
    with pytest.raises(HealthError, match="is not writable"), only_run(where, wait=False):
        pass


def test_a_step_inside_another_may_acquire_the_lock_again(tmp_path: Path) -> None:
    with locked(tmp_path, work="training"):
        with locked(tmp_path, work="training", patience=0):
            pass
        with pytest.raises(HealthError, match="another run"):
            _in_a_thread(tmp_path)
    _in_a_thread(tmp_path)


def _in_a_thread(folder: Path) -> None:
    def acquire() -> None:
        with locked(folder, work="run", patience=0):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(acquire).result()
