"""Time and memory of `health score --features` for a large company.

    uv run health demo demo
    uv run python -m tests.benchmarks.weekly_scale demo --accounts 1000000

The feature table is the demo company's last one, its accounts drawn with replacement and their
continuous features shaken by two per cent, so that few values are alike. Everything is done that a
week's run does: scores, reasons, lists, gates, workbook, report, publishing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from health.runs.directory import list_runs
from health.settings.config import load_config
from tests.benchmarks.measured import measured

CONFIG = """
company = "Large"
observed_until = {end}
[tables.accounts]
path = "accounts.parquet"
[tables.subscriptions]
path = "subscriptions.parquet"
"""


def make_company(demo: Path, folder: Path, accounts: int) -> str:
    """Write feature table, tables and configuration of a large company; return its date."""
    config = load_config(demo / "health.toml")
    run = list_runs(config.runs_dir)[-1]
    few = run.table("features")
    random = np.random.default_rng(0)
    many = few.iloc[random.integers(0, len(few), accounts)].reset_index(drop=True)
    for column in few.columns[few.dtypes == "float64"]:
        known = few[column].dropna()
        if len(known) and not (known % 1 == 0).all():
            many[column] *= 1 + 0.02 * random.standard_normal(accounts)
    many["account_id"] = [f"ACC-{i:07d}" for i in range(accounts)]
    folder.mkdir(parents=True)
    many.to_parquet(folder / "features.parquet", index=False)
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
    (folder / "health.toml").write_text(CONFIG.format(end=run.as_of))
    shutil.copytree(config.models_dir, folder / "models")
    return str(run.as_of)


def main() -> None:
    """Make the company, score it in a process of its own, print seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="a folder that `health demo` made")
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("scale"))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    as_of = make_company(arguments.demo, arguments.folder, arguments.accounts)
    command = [sys.executable, "-m", "health.cli", "score", str(arguments.folder / "health.toml")]
    command += ["--features", str(arguments.folder / "features.parquet"), "--as-of", as_of]
    print(f"{arguments.accounts:,} accounts: {measured(command)}")
    for run in list_runs(arguments.folder / "runs"):
        for file in sorted(run.folder.glob("*.*")):
            print(f"  {file.name}: {file.stat().st_size / 1e6:,.1f} MB")


if __name__ == "__main__":
    main()
