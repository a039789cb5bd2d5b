"""Time and memory of `health score` from raw events, a week after the first run.

    uv run python -m tests.benchmarks.weekly_events --rows 50e6

The company is that of the feature benchmark: a Parquet file of usage a week, made once. A model is
trained once on a tenth of its size, or on as many rows as for another size, so that both have the
same model:

    uv run python -m tests.benchmarks.weekly_events --rows 200e6 --trained-on 5e6

This size needs 10 GB of disk. The first run is of the week before the last and keeps the roll-ups
of its files; the second has one more file, and is what every week costs. Both are whole runs in a
process of their own: tables opened and checked, features, scores, reasons, gates, lists, report.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from tests.benchmarks.features_data import END, Size, company_folder
from tests.benchmarks.measured import measured

CONFIG = """
company = "Events"
[tables]
accounts = { path = "accounts.parquet" }
subscriptions = { path = "subscriptions.parquet" }
tickets = { path = "tickets.parquet" }
surveys = { path = "surveys.parquet" }
usage = { path = "usage" }
"""
WEEK = timedelta(weeks=1)
#: The maker lets tickets end some days before all else: the weeks after that are left out.
LEFT_OUT = 2
LAST = END - LEFT_OUT * WEEK


def health(*words: str | Path) -> list[str]:
    """Return the command line of the program."""
    return [sys.executable, "-m", "health.cli", *map(str, words)]


def trained(rows: int, data: Path) -> Path:
    """Return the models of a company of this size, trained where they are not yet."""
    folder = data / f"trained={rows}"
    if not (folder / "models").is_dir():
        lay_out(company_folder(Size.of(rows), data), folder)
        print(f"training on {rows:,} rows: {measured(health('train', folder / 'health.toml'))}")
    return folder / "models"


def lay_out(company: Path, folder: Path) -> None:
    """Link a company's files into a folder of its own, with a configuration."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(company, folder, copy_function=os.link)
    (folder / "health.toml").write_text(CONFIG)


def score(folder: Path, as_of: datetime) -> str:
    """Run the batch and say what it took."""
    return str(measured(health("score", folder / "health.toml", "--as-of", str(as_of.date()))))


def main() -> None:
    """Make the company, train, score two weeks, print what each run took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=50e6, help="rows of usage")
    parser.add_argument("--trained-on", type=float, help="rows of usage that the model learns from")
    data = Path(tempfile.gettempdir()) / "health-benchmark"
    parser.add_argument("--data", type=Path, default=data, help="where the company is kept")
    options = parser.parse_args()
    rows, folder = int(options.rows), options.data / "weekly-events"
    models = trained(int(options.trained_on or rows // 10), options.data)
    lay_out(company_folder(Size.of(rows), options.data), folder)
    shutil.copytree(models, folder / "models")
    files = sorted((folder / "usage").glob("*.parquet"))
    for file in files[-LEFT_OUT:]:
        file.unlink()
    last = files[-LEFT_OUT - 1]
    aside = last.rename(folder / last.name)
    print(f"{rows:,} rows, the first run: {score(folder, LAST - WEEK)}", flush=True)
    aside.rename(last)
    print(f"{rows:,} rows, a week later: {score(folder, LAST)}")


if __name__ == "__main__":
    main()
