"""Bills that are due later and goals for later are no rows after the end of the data."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from features.build import build_features
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from tests.features.company import UNTIL, company, frame


def test_planned_times_may_lie_ahead(tmp_path: Path) -> None:
    sources = {}
    for name in ("accounts", "subscriptions", "invoices", "goals"):
        rows = frame(name, company()[name])
        for column in ("due_at", "target_at"):
            if column in rows:
                rows.loc[rows.index[0], column] = UNTIL + timedelta(days=20)
        rows.to_parquet(tmp_path / f"{name}.parquet")
        sources[name] = TableSource(path=f"{name}.parquet")
    found = open_tables(sources, base=tmp_path, observed_until=UNTIL).findings
    late = [f.column for f in found if f.code == "after_observed_until"]
    assert "due_at" not in late and "target_at" not in late


def test_without_times_of_payment_nothing_is_known_to_be_overdue(tmp_path: Path) -> None:
    sources = {}
    for name in ("accounts", "subscriptions", "invoices"):
        rows = frame(name, company()[name]).drop(columns="paid_at", errors="ignore")
        rows.to_parquet(tmp_path / f"{name}.parquet")
        sources[name] = TableSource(path=f"{name}.parquet")
    tables = open_tables(sources, base=tmp_path, observed_until=UNTIL).tables
    values = build_features(tables, [UNTIL])
    assert len(values) and values["invoices_overdue_amount"].isna().all()
    assert values["invoices_overdue_days"].isna().all()
