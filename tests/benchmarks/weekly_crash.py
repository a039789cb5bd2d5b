"""Kill `health score` at random moments and count what stays whole.

    uv run health demo demo
    uv run python -m tests.benchmarks.weekly_crash demo --kills 20

Each start is a process of its own that is killed with SIGKILL at a random share of the time a whole
run takes. After each kill every published run must still be whole and the same as before; the next
start must clear what the killed one left.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from health.runs.directory import list_runs
from tests.health.run_files import FILES


def _seal(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return hashlib.sha256(b"".join(p.name.encode() + p.read_bytes() for p in files)).hexdigest()


def _start(config: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "health.cli", "score", str(config), "--replace"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> None:
    """Kill as often as asked and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="a folder that `health demo` made")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=Path("crash"))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    shutil.copytree(arguments.demo, arguments.folder, symlinks=True)
    config, runs = arguments.folder / "health.toml", arguments.folder / "runs"
    started = time.perf_counter()
    assert _start(config).wait() == 0
    whole = time.perf_counter() - started
    chance, found = random.Random(11), Counter[str]()
    for _ in range(arguments.kills):
        before = {run.as_of: _seal(run.folder) for run in list_runs(runs)}
        process = _start(config)
        time.sleep(chance.uniform(0.2, 1.05) * whole)
        done = process.poll() is not None
        if not done:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        after = {run.as_of: _seal(run.folder) for run in list_runs(runs)}
        lost = [day for day in before if day not in after]
        broken = [r for r in list_runs(runs) if {p.name for p in r.folder.iterdir()} < set(FILES)]
        changed = [day for day in before if after.get(day) != before[day]]
        left = [path for path in runs.iterdir() if path.name.startswith((".unf", ".repl"))]
        found["ended before the kill"] += done
        found["killed"] += not done
        found["left something half-done"] += bool(left)
        found["had published already"] += bool(changed and not done)
        found["LOST A RUN"] += bool(lost)
        found["BROKEN RUN"] += bool(broken)
    assert _start(config).wait() == 0
    left = [path.name for path in runs.iterdir() if path.name.startswith((".unf", ".repl"))]
    newest = list_runs(runs)[-1].folder.name
    print(f"a whole run takes {whole:.1f} s here")
    for what, times in found.items():
        print(f"{times:3} {what}")
    print(f"after the next start: {len(left)} leftovers, latest is {newest}:", end=" ")
    print((runs / "latest").resolve().name == newest)


if __name__ == "__main__":
    main()
