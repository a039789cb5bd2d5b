"""Time and memory of `health score --features` for a large company, and a week later.

    uv run health demo demo
    uv run python -m tests.benchmarks.weekly_scale demo --accounts 100000 400000

The feature table is the demo company's last one, its accounts drawn with replacement and their
continuous features shaken by two per cent, so that few values are alike; for the second week it is
shaken again. Everything is done that a week's run does: scores, change, reasons, lists, gates,
workbook, report, publishing. Each size is compared with the first one. Another checkout is measured
by its own interpreter (`--checkout FOLDER`, with a demo that it made).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from health.business.feature_table import ROWS_OF_A_GROUP
from health.runs.directory import list_runs
from health.settings.config import load_config
from tests.benchmarks.measured import Measured, measured

CONFIG = """
company = "Large"
observed_until = {end}
[tables.accounts]
path = "accounts.parquet"
[tables.subscriptions]
path = "subscriptions.parquet"
"""
WEEKS = 2


def make_company(demo: Path, folder: Path, accounts: int) -> list[str]:
    """Write feature tables, tables and configuration of a large company; return the dates."""
    config = load_config(demo / "health.toml")
    run = list_runs(config.runs_dir)[-1]
    few = run.table("features")
    random = np.random.default_rng(0)
    many = few.iloc[random.integers(0, len(few), accounts)].reset_index(drop=True)
    many["account_id"] = [f"ACC-{i:07d}" for i in range(accounts)]
    folder.mkdir(parents=True)
    days = [run.as_of + timedelta(weeks=week) for week in range(WEEKS)]
    for day in days:
        for column in few.columns[few.dtypes == "float64"]:
            known = few[column].dropna()
            if len(known) and not (known % 1 == 0).all():
                many[column] *= 1 + 0.02 * random.standard_normal(accounts)
        many["as_of"] = pd.Timestamp(day).as_unit("us")
        file = folder / f"features-{day}.parquet"
        # As `health features` writes it.
        many.to_parquet(file, index=False, row_group_size=ROWS_OF_A_GROUP)
    products = pd.read_csv(demo / "tables" / "subscriptions.csv")["product"].unique()
    start = pd.Timestamp("2024-01-01")
    columns = {"account_id": many["account_id"], "created_at": start, "csm": many["csm"]}
    pd.DataFrame({**columns, "segment": many["segment"]}).to_parquet(folder / "accounts.parquet")
    pd.DataFrame(
        {
            "account_id": many["account_id"],
            "product": random.choice(products, accounts),
            "started_at": start,
            "ended_at": pd.Series(pd.NaT, index=many.index, dtype="datetime64[us]"),
            "mrr": many["mrr"].clip(lower=1.0),
        }
    ).to_parquet(folder / "subscriptions.parquet")
    (folder / "health.toml").write_text(CONFIG.format(end=days[-1]))
    shutil.copytree(config.models_dir, folder / "models")
    return [str(day) for day in days]


def scored(folder: Path, dates: list[str], checkout: Path | None) -> list[Measured]:
    """Score a company's dates with this checkout or another one, each in a process of its own."""
    python = sys.executable if checkout is None else str(checkout / ".venv" / "bin" / "python")
    found = []
    for date in dates:
        features = (folder / f"features-{date}.parquet").resolve()
        command = [python, "-m", "health.cli", "score", str((folder / "health.toml").resolve())]
        command += ["--features", str(features), "--as-of", date]
        found.append(measured(command, folder=checkout or Path.cwd()))
    return found


def main() -> None:
    """Make the companies, score them, print seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="a folder that `health demo` made")
    parser.add_argument("--accounts", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--folder", type=Path, default=Path("scale"))
    parser.add_argument("--checkout", type=Path, help="another checkout with an environment")
    arguments = parser.parse_args()
    first: list[tuple[float, float]] = []
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    for accounts in arguments.accounts:
        shutil.rmtree(arguments.folder, ignore_errors=True)
        dates = make_company(arguments.demo, arguments.folder, accounts)
        runs = scored(arguments.folder, dates, arguments.checkout)
        metrics = [(run.processor_s / accounts, run.largest_gb) for run in runs]
        first = first or metrics
        for date, run, (each, largest), (base, held) in zip(
            dates, runs, metrics, first, strict=True
        ):
            print(
                f"{accounts:,} accounts, {date}: {run}; of the first size: processor time per "
                f"account {each / base:.2f}, largest process {largest / held:.2f}",
                flush=True,
            )
    for folder in list_runs(arguments.folder / "runs")[-1:]:
        for file in sorted(folder.folder.glob("*.*")):
            print(f"  {file.name}: {file.stat().st_size / 1e6:,.1f} MB")


if __name__ == "__main__":
    main()
