"""What a next step is worth: medians of the past by peer group, list prices first."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from health.config import Config
from health.expansion.config import ExpansionConfig
from health.expansion.prices import StepPrices, peer_groups

CONFIG = Config(tables={})
ACCOUNTS = pd.DataFrame(
    {
        "account_id": [f"A{i}" for i in range(12)],
        "as_of": pd.Timestamp(2026, 1, 4),
        "segment": ["SMB"] * 6 + ["Enterprise"] * 6,
        "mrr": 100.0,
        "upsold": [1.0] * 5 + [0.0] + [1.0] * 2 + [float("nan")] * 4,
        "upsell_step_mrr": [10.0, 20.0, 30.0, 40.0, 50.0, 0.0, 100.0, 200.0] + [float("nan")] * 4,
    }
)
PRODUCTS = pd.DataFrame(
    {
        "account_id": [f"A{i}" for i in range(7)],
        "as_of": pd.Timestamp(2026, 1, 4),
        "product": "Insights",
        "bought": [1.0] * 6 + [0.0],
        "step_mrr": [5.0, 6.0, 7.0, 8.0, 9.0, 60.0, float("nan")],
    }
)


def test_a_step_is_the_median_of_the_peer_group_or_of_all() -> None:
    steps = StepPrices.from_history(ACCOUNTS, PRODUCTS, CONFIG)
    worth = steps.upsell_step(pd.Series([1000.0, 1000.0]), pd.Series(["SMB", "Enterprise"]))
    assert worth.tolist() == pytest.approx([300.0, 400.0])


def test_a_price_is_listed_or_the_median_or_unknown() -> None:
    steps = StepPrices.from_history(ACCOUNTS, PRODUCTS, CONFIG)
    price = steps.price(
        pd.Series(["Insights", "Insights", "Else"]), pd.Series(["SMB", "Enterprise", "SMB"])
    )
    assert price[:2].tolist() == [7.5, 7.5]
    assert math.isnan(price[2])
    assert steps.purchases == {"Insights": 6}
    listed = Config(tables={}, expansion=ExpansionConfig(prices={"Else": 12.0}))
    found = StepPrices.from_history(ACCOUNTS, PRODUCTS, listed)
    assert found.price(pd.Series(["Else"]), pd.Series(["SMB"])).tolist() == [12.0]


def test_without_any_past_step_nothing_is_promised() -> None:
    steps = StepPrices.from_history(ACCOUNTS.iloc[:0], PRODUCTS.iloc[:0], CONFIG)
    assert steps.upsell_step(pd.Series([100.0]), pd.Series(["SMB"])).isna().all()


def test_the_peer_group_is_the_configured_attribute() -> None:
    assert peer_groups(ACCOUNTS, CONFIG).tolist()[0] == "SMB"
    assert set(peer_groups(ACCOUNTS.drop(columns="segment"), CONFIG)) == {"all"}
    gaps = ACCOUNTS.assign(segment=None)
    assert set(peer_groups(gaps, CONFIG)) == {"unknown"}
