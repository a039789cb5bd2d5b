"""Writes a demo company as the files that a real company would have."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd

from health.demo.company import DemoCompany


def write_company(company: DemoCompany, folder: Path) -> None:
    """Write the tables and the truth under `folder`, which is made where it is missing.

    Leaves a CSV file in tables/ for each table, except tables/usage/ with one Parquet file a
    quarter, and truth.parquet.
    """
    tables = folder / "tables"
    usage = tables / "usage"
    usage.mkdir(parents=True, exist_ok=True)
    for name, rows in company.tables.items():
        if name != "usage":
            rows.to_csv(tables / f"{name}.csv", index=False)
    # Quarters of another company must not stay among this one's.
    for old in usage.glob("*.parquet"):
        old.unlink()
    for quarter, rows in _by_quarter(company.tables["usage"]):
        rows.to_parquet(usage / f"{quarter}.parquet", index=False)
    company.truth.to_parquet(folder / "truth.parquet", index=False)


def _by_quarter(usage: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split rows that are in order of time by calendar quarter, e.g. ``2026-Q3``."""
    times = usage["occurred_at"]
    number = (times.dt.year * 4 + times.dt.quarter - 1).to_numpy()
    starts = [0, *((number[1:] != number[:-1]).nonzero()[0] + 1).tolist(), len(usage)]
    parts = []
    for first, last in pairwise(starts):
        if last > first:
            year, quarter = divmod(int(number[first]), 4)
            parts.append((f"{year}-Q{quarter + 1}", usage.iloc[first:last]))
    return parts
