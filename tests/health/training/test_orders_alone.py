from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.health.conftest import call_health


def test_orders_alone_are_refused_with_a_remedy(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="10D")
    orders = pd.DataFrame({"account_id": "A", "ordered_at": days, "amount": 10.0})
    orders.to_csv(tmp_path / "orders.csv", index=False)
    pd.DataFrame({"account_id": ["A"], "created_at": ["2024-01-01"]}).to_csv(
        tmp_path / "accounts.csv", index=False
    )
    (tmp_path / "health.toml").write_text(
        "observed_until = 2025-08-01\n"
        '[tables.accounts]\npath = "accounts.csv"\n[tables.orders]\npath = "orders.csv"\n'
    )
    done = call_health("train", tmp_path / "health.toml")
    assert done.code == 2, done.err
    assert "order_lifetime" in done.err
