"""A process that forks publishers on demand: each runs the real code until it is killed.

The modules are imported once, so that twenty kills take seconds.
"""

from __future__ import annotations

import os
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from health.runs.directory import publish
from health.runs.leftovers import clean_up
from health.runs.lock import only_run

FIRST = date(2026, 1, 4)


def publish_until_killed(runs_dir: Path) -> None:
    week = 0
    while True:
        day = FIRST + timedelta(weeks=week % 6)
        table = pd.DataFrame({"account_id": np.arange(20_000), "as_of": str(day), "week": week})

        def write(folder: Path, table: pd.DataFrame = table, week: int = week) -> None:
            for name in ("scores", "reasons", "flags"):
                table.to_parquet(folder / f"{name}.parquet", index=False)
            (folder / "run.json").write_text(f'{{"week": {week}}}', encoding="utf-8")

        with only_run(runs_dir, wait=False):
            clean_up(runs_dir)
            publish(runs_dir, day, write, replace=True)
        week += 1


def main() -> None:
    runs_dir = Path(sys.argv[1])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            publish_until_killed(runs_dir)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("gone", flush=True)


if __name__ == "__main__":
    main()
