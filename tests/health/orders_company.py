"""A made-up company whose customers order and have no contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

START, END = pd.Timestamp("2023-01-01"), pd.Timestamp("2025-01-05")
_CONFIG = """company = "Acme Supplies"
currency = "EUR"
as_of_weekday = "sunday"
observed_until = 2025-01-05
[tables.accounts]
path = "accounts.csv"
[tables.orders]
path = "orders.csv"
[clv]
horizon_months = 24
margin = 0.5
discount_rate = 0.1
"""


def orders_of(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Return orders of customers who buy at rates of their own and leave without a word."""
    rng = np.random.default_rng(seed)
    rows = []
    for who in range(n):
        rate, leaves, mean = rng.gamma(0.8, 1 / 6.0), rng.beta(0.7, 6.0), 300 / rng.gamma(4.0)
        week = rng.uniform(0, 70)
        while START + pd.Timedelta(weeks=week) < END:
            day = (START + pd.Timedelta(weeks=week)).normalize()
            rows.append((f"C{who:04d}", day, round(mean * rng.gamma(6.0), 2)))
            week += rng.exponential(1 / max(rate, 1e-6))
            if rng.random() < leaves:
                break
    return pd.DataFrame(rows, columns=["account_id", "ordered_at", "amount"])


def accounts_of(orders: pd.DataFrame) -> pd.DataFrame:
    """Return the customers behind some orders, with a CSM and a segment."""
    first = pd.to_datetime(orders["ordered_at"]).groupby(orders["account_id"]).min()
    number = np.arange(len(first))
    return pd.DataFrame(
        {
            "account_id": first.index,
            "created_at": first.to_numpy(),
            "csm": np.where(number % 2, "Ana Sol", "Ben Ito"),
            "segment": np.where(number % 3, "small", "large"),
        }
    )


def write_company(folder: Path, orders: pd.DataFrame, more: str = "") -> Path:
    """Write the tables and the configuration; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    orders.to_csv(folder / "orders.csv", index=False)
    accounts_of(orders).to_csv(folder / "accounts.csv", index=False)
    (folder / "health.toml").write_text(_CONFIG + more)
    return folder / "health.toml"
