"""The value over six months that have passed: growth counts only as far as it lasted."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.settings.config import Config
from health.training.rows import build_training_set
from health.training.value_check import check_value, with_checked_growth
from models import PeerGrowth

END = datetime(2026, 1, 4)
BEGIN = END - timedelta(days=700)


def _company(grows_until: datetime, monthly: float, count: int = 40) -> Tables:
    """Accounts whose MRR rises every 30 days until a date; every eighth leaves."""
    rows = []
    for i in range(count):
        start, mrr = BEGIN + timedelta(days=i), 100.0 + 10 * (i % 5)
        leaves = BEGIN + timedelta(days=250 + 9 * i) if i % 8 == 0 else None
        while start < (leaves or END):
            end = min(start + timedelta(days=30), leaves or datetime.max)
            rows.append((f"A{i:02d}", "core", start, None if end >= END else end, mrr))
            start, mrr = end, mrr * (1 + monthly if end < grows_until else 1.0)
    columns = ["account_id", "product", "started_at", "ended_at", "mrr"]
    names = [f"A{i:02d}" for i in range(count)]
    accounts = pd.DataFrame({"account_id": names, "created_at": BEGIN})
    frames = {"accounts": accounts, "subscriptions": pd.DataFrame(rows, columns=columns)}
    return tables_from_frames(frames, observed_until=END)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("grows_until", "shares"), [(END, {1.0}), (END - timedelta(days=250), {0.0, 0.25})]
)
def test_growth_that_did_not_last_does_not_count(grows_until: datetime, shares: set[float]) -> None:
    tables, config = _company(grows_until, 0.03), Config(tables={})
    training = build_training_set(tables, config)
    check = check_value(tables, training, config)
    assert check is not None
    assert check.growth_share in shares
    assert check.beats_flat
    assert check.rmse <= check.rmse_flat
    growth = PeerGrowth().fit([100.0] * 50, [110.0] * 50, [30.0] * 50)
    models = with_checked_growth({"growth": growth}, check)
    assert models["growth"].share_ == check.growth_share


@pytest.mark.slow
def test_nothing_is_compared_without_six_months_or_with_few_accounts() -> None:
    config = Config(tables={})
    few = _company(END, 0.03, count=12)
    assert check_value(few, build_training_set(few, config), config) is None
    assert with_checked_growth({"growth": None}, None) == {"growth": None}
