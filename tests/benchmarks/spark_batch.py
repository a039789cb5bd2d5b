"""Runs the weekly batch with its feature step on Spark, and holds the run against DuckDB's.

    uv run --extra spark python -m tests.benchmarks.spark_batch [--url spark://host:7077]

makes a demo company, scores the same date with the same model on both engines, each in a process
of its own, and leaves with an error where a score, a reason or a flag differs by more than 1e-9.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd


def _health(*arguments: str | Path) -> float:
    """Run a command; return the seconds it took."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "health.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - start


def main() -> None:
    """Score one date on both engines and compare what was published."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="spark+local", help="where features are made")
    parser.add_argument("--accounts", type=int, default=200, help="size of the demo company")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        company = Path(scratch) / "company"
        _health("demo", company, "--accounts", str(options.accounts))
        as_of = sorted((company / "runs").glob("as_of=*"))[0].name
        settings = (company / "health.toml").read_text(encoding="utf-8")
        for name, url in (("duckdb", "duckdb://"), ("spark", options.url)):
            config = company / f"{name}.toml"
            own = settings.replace('runs_dir = "runs"', f'runs_dir = "{name}"')
            config.write_text(f'{own}\n[data]\nurl = "{url}"\n', encoding="utf-8")
            seconds = _health("score", config, "--as-of", as_of.removeprefix("as_of="))
            print(f"health score on {url}: {seconds:.1f} s", flush=True)
        for table in ("scores", "reasons", "flags"):
            here, present = (
                pd.read_parquet(company / name / as_of / f"{table}.parquet")
                for name in ("duckdb", "spark")
            )
            same = [column for column in here if column != "config_hash"]
            pd.testing.assert_frame_equal(here[same], present[same], rtol=1e-9, atol=1e-9)
            print(f"{table}: {len(here):,} rows, equal to 1e-9", flush=True)


if __name__ == "__main__":
    main()
