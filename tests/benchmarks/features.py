"""Measures the feature engine, and what it is held against, in one run.

    uv run --group benchmark python -m tests.benchmarks.features --rows 5e6

prints a table: wall and processor seconds, peak memory, and the ratio of each line to the line it
is compared with. Each line runs in a process of its own, so that its memory is its own. The data
is made once and kept in `--data`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from features import build_features
from features.reading.source import OpenedTables, open_tables
from features.reading.table_source import TableSource
from features.usage.catalogue import FEATURES
from features.windows.observations import build_observations
from tests.benchmarks.features_baselines import duckdb_sums, featuretools_usage, pandas_usage
from tests.benchmarks.features_data import END, Size, company_folder
from tests.features.one_family import one_family

#: Weekly dates of a training set.
DATES = 26


@dataclass(frozen=True)
class Measured:
    """What one step took."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    cells: int = 0


def _tables(folder: Path, rollups: Path | None = None, *, beside_use: bool = True) -> OpenedTables:
    others = ("tickets", "surveys", "orders") if beside_use else ()
    names = ("accounts", "subscriptions", *others)
    sources = {name: TableSource(path=f"{name}.parquet") for name in names}
    sources["usage"] = TableSource(path="usage")
    return open_tables(sources, base=folder, observed_until=END, rollups=rollups)


def _timed(step: Callable[[], int]) -> Measured:
    start, processor = time.perf_counter(), time.process_time()
    cells = step()
    seconds, used = time.perf_counter() - start, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(seconds, used, peak, cells)


def _features(folder: Path, dates: int) -> Measured:
    """Build every feature of the last this many weeks; opening and checking is not counted."""
    tables = _tables(folder).tables
    days = [END - timedelta(weeks=week) for week in range(dates)]
    return _timed(lambda: build_features(tables, days).size)


def _usage(folder: Path, dates: int = 1) -> Measured:
    """Build the features of use alone of the last this many weeks."""
    from features.usage import family as usage  # noqa: PLC0415

    tables = _tables(folder).tables

    def step() -> int:
        observations = build_observations(
            tables, [END - timedelta(weeks=week) for week in range(dates)]
        )
        return one_family(usage, tables, observations).size

    return _timed(step)


def _pandas(folder: Path) -> Measured:
    """Build the same features of use in plain pandas, and see that they are the same."""
    tables = _tables(folder).tables
    wanted = build_features(tables, [END]).set_index("account_id")
    paying = build_observations(tables, [END])
    paying["seats"] = wanted["seats"].to_numpy()
    result: list[pd.DataFrame] = []

    def step() -> int:
        result.append(pandas_usage(folder, END, paying))
        return result[0].size

    measured = _timed(step)
    names = [feature.name for feature in FEATURES]
    built = result[0].set_index("account_id").reindex(wanted.index)
    for name in names:
        np.testing.assert_allclose(built[name], wanted[name], rtol=1e-9, atol=1e-9, err_msg=name)
    return measured


def _weekly(folder: Path, rollups: Path, *, beside_use: bool = True) -> Measured:
    """Open, check and build the features of the last date, roll-ups kept."""

    def step() -> int:
        return build_features(_tables(folder, rollups, beside_use=beside_use).tables, [END]).size

    return _timed(step)


def _step(name: str, folder: Path, rollups: Path) -> Measured:
    steps: dict[str, Callable[[], Measured]] = {
        "one date": lambda: _features(folder, 1),
        "dates": lambda: _features(folder, DATES),
        "usage": lambda: _usage(folder),
        "sums": lambda: _timed(lambda: duckdb_sums(folder, END)),
        "pandas": lambda: _pandas(folder),
        "weekly": lambda: _weekly(folder, rollups),
        "weekly use": lambda: _weekly(folder, rollups, beside_use=False),
        "usage of dates": lambda: _usage(folder, DATES),
        "featuretools": lambda: _timed(
            lambda: featuretools_usage(folder, [END - timedelta(weeks=w) for w in range(DATES)])
        ),
    }
    return steps[name]()


def _run(name: str, folder: Path, rollups: Path | None = None) -> Measured:
    """Run a step in a process of its own."""
    arguments = ["--step", name, "--folder", str(folder), "--rollups", str(rollups or folder)]
    command = [sys.executable, "-m", "tests.benchmarks.features", *arguments]
    # Memory as the command line allocates it.
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _line(label: str, measured: Measured, ratio: str = "") -> None:
    print(
        f"| {label} | {measured.seconds:.1f} | {measured.processor_seconds:.1f} "
        f"| {measured.peak_mb:,.0f} | {ratio} |",
        flush=True,
    )


def _against(measured: Measured, other: Measured, what: str) -> str:
    wall = measured.seconds / other.seconds
    processor = measured.processor_seconds / other.processor_seconds
    return f"{wall:.1f} × {what} ({processor:.1f} × in processor time)"


def _week_before(folder: Path, into: Path) -> None:
    """Lay out the company as it was before the last week's file came."""
    shutil.copytree(folder, into, copy_function=os.link)
    sorted((into / "usage").glob("*.parquet"))[-1].unlink()


def _sizes(rows: int, data: Path) -> None:
    """Measure one date, many dates and a tenth of the rows against the scan limit."""
    folder = company_folder(Size.of(rows), data)
    sums = _run("sums", folder)
    _line("DuckDB, sums alone", sums)
    one = _run("one date", folder)
    _line("one date, all features", one, _against(one, sums, "the sums"))
    many = _run("dates", folder)
    _line(f"{DATES} weekly dates, all features", many, _against(many, one, "one date"))
    tenth = _run("one date", company_folder(Size.of(rows // 10), data))
    _line(f"one date, {rows // 10:,} rows", tenth, f"{_against(one, tenth, 'this')} at {rows:,}")


def _weekly_runs(folder: Path) -> None:
    """Measure a run, and the run of the week after with one more file.

    First with every table, then without tickets, surveys and orders, of which nothing is kept:
    they are read whole in each run, since any of their rows may have changed.
    """
    for step, label in (("weekly", "all tables"), ("weekly use", "contracts and use alone")):
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            lake, rollups = Path(scratch) / "lake", Path(scratch) / "rollups"
            _week_before(folder, lake)
            first = _run(step, lake, rollups)
            _line(f"first weekly run, {label}", first)
            last = sorted((folder / "usage").glob("*.parquet"))[-1]
            os.link(last, lake / "usage" / last.name)
            second = _run(step, lake, rollups)
            _line(f"a week later, {label}", second, _against(first, second, "faster"))


def _others(pandas_rows: int, small_rows: int, data: Path) -> None:
    """Measure pandas and featuretools on what they can hold."""
    folder = company_folder(Size.of(pandas_rows), data)
    ours, theirs = _run("usage", folder), _run("pandas", folder)
    _line(f"features of use, {pandas_rows:,} rows", ours)
    _line("the same in pandas", theirs, _against(theirs, ours, "ours"))
    if find_spec("featuretools") is None:
        print("\nfeaturetools is not installed (uv sync --group benchmark): left out")
        return
    small = company_folder(Size.of(small_rows), data)
    ours = _run("usage of dates", small)
    _line(f"{DATES} weekly dates, features of use, {small_rows:,} rows", ours)
    theirs = _run("featuretools", small)
    label = f"featuretools, {DATES} cutoffs, 4 primitives of 4 windows"
    _line(label, theirs, _against(theirs, ours, "ours"))


def main() -> None:
    """Measure, or run one step of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=5e6, help="rows of usage")
    parser.add_argument("--pandas-rows", type=float, default=20e6, help="rows that pandas can hold")
    parser.add_argument("--small-rows", type=float, default=5e6, help="rows for featuretools")
    parts = ("sizes", "weekly", "others")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="what to measure")
    data = Path(tempfile.gettempdir()) / "health-benchmark"
    parser.add_argument("--data", type=Path, default=data, help="where the company is kept")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rollups", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(asdict(_step(options.step, options.folder, options.rollups))))
        return
    rows, size = int(options.rows), Size.of(int(options.rows))
    print(
        f"{rows:,} rows of usage, {size.accounts:,} accounts, {size.tickets:,} tickets, "
        f"{size.orders:,} orders\n"
    )
    print("| step | seconds | processor seconds | peak MB | against |")
    print("| --- | ---: | ---: | ---: | --- |", flush=True)
    if "sizes" in options.parts:
        _sizes(rows, options.data)
    if "weekly" in options.parts:
        _weekly_runs(company_folder(size, options.data))
    if "others" in options.parts:
        _others(int(options.pandas_rows), int(options.small_rows), options.data)


if __name__ == "__main__":
    main()
