"""The commands on a business that has orders and no contracts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.health.conftest import call_health

_CONFIG = """observed_until = 2025-06-01
[tables.accounts]
path = "accounts.csv"
[tables.orders]
path = "orders.csv"
[features]
active_order_days = 100
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "accounts.csv").write_text("account_id,created_at\n1,2024-01-01\n2,2024-01-01\n")
    orders = [f"1,2025-0{month}-03,20" for month in range(1, 6)] + ["2,2025-01-02,9"]
    text = "account_id,ordered_at,amount\n" + "\n".join(orders) + "\n"
    (tmp_path / "orders.csv").write_text(text)
    (tmp_path / "health.toml").write_text(_CONFIG)
    return tmp_path / "health.toml"


def test_orders_alone_pass_the_check(shop: Path) -> None:
    done = call_health("check", shop)
    assert done.code == 0, done.err
    assert "orders" in done.out


def test_orders_alone_give_a_feature_table(shop: Path) -> None:
    output = shop.with_name("features.csv")
    done = call_health("features", shop, "--as-of", "2025-06-01", "-o", output)
    assert done.code == 0, done.err
    (row,) = pd.read_csv(output, dtype={"account_id": str}).to_dict("records")
    assert (row["account_id"], row["orders_count_90d"], row["orders_recency_days"]) == ("1", 3, 28)
    assert pd.isna(row["mrr"])


def test_neither_orders_nor_contracts_is_refused(shop: Path) -> None:
    shop.write_text(_CONFIG.replace("[tables.orders]", "[tables.tickets]"))
    done = call_health("check", shop)
    assert done.code == 2
    assert "neither subscriptions nor orders is given" in done.err
