"""Killed at any moment: what was published stays whole, and the next start cleans up."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from health.runs.directory import NEW, REPLACED, list_runs
from health.runs.leftovers import clean_up
from health.runs.lock import only_run

KILLS = 20


def assert_whole(folder: Path) -> None:
    week = json.loads((folder / "run.json").read_text())["week"]
    for name in ("scores", "reasons", "flags"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        assert len(table) == 20_000
        assert set(table["week"]) == {week}
        assert f"as_of={table['as_of'].iloc[0]}" == folder.name.partition(".")[0]


@pytest.mark.slow
def test_twenty_kills_at_random_points(tmp_path: Path) -> None:
    chance = random.Random(7)
    publisher = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("publisher.py"), tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert publisher.stdin and publisher.stdout
    dates: set[str] = set()
    for kill in range(KILLS):
        publisher.stdin.write("go\n")
        publisher.stdin.flush()
        child = int(publisher.stdout.readline())
        if kill == 0:
            # How long a run takes here and now, so that a busy machine changes nothing.
            one_run = _seconds_until(tmp_path, runs=3) / 3
        time.sleep(chance.uniform(0.0, 6.0) * one_run)
        os.kill(child, signal.SIGKILL)
        assert publisher.stdout.readline() == "gone\n"
        runs = list_runs(tmp_path)
        for run in runs:
            assert_whole(run.folder)
        now = {run.folder.name for run in runs}
        assert dates <= now, "a run that was published has gone"
        dates = now
        if (tmp_path / "latest").exists():
            assert_whole((tmp_path / "latest").resolve())
    publisher.stdin.close()
    assert publisher.wait(timeout=10) == 0
    publisher.stdout.close()
    _assert_clean_after_next_start(tmp_path, max(dates))


def _seconds_until(runs_dir: Path, runs: int) -> float:
    start = time.monotonic()
    while len(list_runs(runs_dir)) < runs:
        assert time.monotonic() - start < 60
        time.sleep(0.002)
    return time.monotonic() - start


def _assert_clean_after_next_start(runs_dir: Path, newest: str) -> None:
    with only_run(runs_dir, wait=False):
        clean_up(runs_dir)
    names = [path.name for path in runs_dir.iterdir() if path.name.startswith(".")]
    assert names == [".lock"]
    assert not list(runs_dir.glob(f"as_of=*/{NEW}"))
    assert (runs_dir / "latest").resolve().name == newest
    kept = sorted((runs_dir / REPLACED).iterdir())
    weeks = [json.loads((folder / "run.json").read_text())["week"] for folder in kept]
    for folder in kept:
        assert_whole(folder)
    assert len(weeks) > 0
