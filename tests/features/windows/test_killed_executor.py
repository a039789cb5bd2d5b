"""A killed executor of Spark changes nothing, and a process uses one cluster."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from features.tables.spark import has_java

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None or not has_java() or sys.platform != "linux",
        reason="needs pyspark, Java and /proc",
    ),
]


def test_a_killed_executor_changes_nothing(tmp_path: Path) -> None:
    code = f"from tests.features.windows.killed_executor import main; main({str(tmp_path)!r})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["values"] == [number * number for number in range(12)]
    killed = int((tmp_path / "killed").read_text())
    assert not Path(f"/proc/{killed}").exists()
    assert len({*found["executors"]} - {killed}) >= 1
    # Spark of this process would otherwise be returned for any cluster.
    assert "already runs Spark on local-cluster[2,1,1024]" in found["refused"]
    assert "spark://127.0.0.1:1" in found["refused"]
