from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.reading.source import open_tables
from features.reading.table_source import TableSource
from health.business.revenue import paid_so_far
from models.survival.peer_survival import DAYS_PER_MONTH


def test_paid_so_far_is_mrr_times_months_before_the_date(tmp_path: Path) -> None:
    pd.DataFrame({"account_id": ["A", "B"], "created_at": ["2024-01-01"] * 2}).to_csv(
        tmp_path / "accounts.csv", index=False
    )
    rows = [
        ("A", "core", "2024-01-01", "2024-07-01", 100.0),
        ("A", "core", "2024-07-01", "", 200.0),
        ("B", "core", "2024-12-31", "", 50.0),
        ("B", "core", "2025-02-01", "", 70.0),
    ]
    columns = ["account_id", "product", "started_at", "ended_at", "mrr"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "subscriptions.csv", index=False)
    sources = {name: TableSource(path=f"{name}.csv") for name in ("accounts", "subscriptions")}
    day = datetime(2025, 1, 1)
    opened = open_tables(
        sources, base=tmp_path, url="duckdb://", observed_until=datetime(2025, 6, 1)
    )
    paid = paid_so_far(opened.tables, day)
    assert paid["A"] == pytest.approx((182 * 100 + 184 * 200) / DAYS_PER_MONTH)
    assert paid["B"] == pytest.approx(50 / DAYS_PER_MONTH)
