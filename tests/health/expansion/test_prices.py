"""What a next step is worth: medians of the past by peer group, list prices first."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from health.expansion.prices import StepPrices, peer_groups
from health.settings.config import Config
from health.settings.expansion import ExpansionConfig, ListPrice

CONFIG = Config(tables={})
DAY = pd.Timestamp(2026, 1, 4)
ACCOUNTS = pd.DataFrame(
    {
        "account_id": [f"A{i}" for i in range(12)],
        "as_of": DAY,
        "segment": ["SMB"] * 6 + ["Enterprise"] * 6,
    }
)
PRODUCTS = pd.DataFrame(
    {
        "account_id": [f"A{i}" for i in range(7)],
        "as_of": DAY,
        "product": "Insights",
        "bought": [1.0] * 6 + [0.0],
        "step_mrr": [5.0, 6.0, 7.0, 8.0, 9.0, 60.0, math.nan],
    }
)
HELD = pd.DataFrame(
    {
        "account_id": [f"A{i}" for i in range(12)],
        "as_of": DAY,
        "product": "Core",
        "mrr": 100.0,
        "upsold": [1.0] * 5 + [0.0] + [1.0] * 2 + [math.nan] * 4,
        "step_mrr": [10.0, 20.0, 30.0, 40.0, 50.0, 0.0, 100.0, 200.0] + [math.nan] * 4,
    }
)
STEPS = StepPrices.from_history(ACCOUNTS, PRODUCTS, HELD, CONFIG)


def test_a_step_is_the_median_of_the_peer_group_or_of_all() -> None:
    products = pd.Series(["Core", "Core", "New"])
    groups = pd.Series(["SMB", "Enterprise", "SMB"])
    worth = STEPS.upsell_step(products, pd.Series([1000.0] * 3), groups)
    assert worth.tolist() == pytest.approx([300.0, 400.0, 300.0])


def test_a_price_is_listed_or_the_median_or_unknown() -> None:
    products = pd.Series(["Insights", "Insights", "Else"])
    groups = pd.Series(["SMB", "Enterprise", "SMB"])
    price = STEPS.price(products, groups, {})
    assert price[:2].tolist() == [7.5, 7.5]
    assert math.isnan(price[2])
    assert STEPS.purchases == {"Insights": 6}
    assert STEPS.price(products, groups, {"Else": 12.0})[2] == 12.0


def test_a_price_in_another_currency_is_none() -> None:
    prices = {"A": 10.0, "B": ListPrice(amount=9.0, currency="eur"), "C": ListPrice(
        amount=8.0, currency="usd")}  # fmt: skip
    assert ExpansionConfig(prices=prices).list_prices("USD") == {"A": 10.0, "C": 8.0}


def test_the_chance_of_growing_is_shared_out_by_how_often_products_grew() -> None:
    held = pd.concat(
        [HELD, HELD.assign(product="Extra", upsold=HELD["upsold"].where(HELD["upsold"].isna(), 0))]
    )
    steps = StepPrices.from_history(ACCOUNTS, PRODUCTS, held, CONFIG)
    products, accounts = pd.Series(["Core", "Extra", "Core"]), pd.Series(["a", "a", "b"])
    weight = steps.upsell_weight(products, accounts)
    assert weight.groupby(accounts).sum().tolist() == pytest.approx([1.0, 1.0])
    assert weight[0] > weight[1]
    assert weight[2] == 1.0


def test_without_any_past_step_nothing_is_promised() -> None:
    steps = StepPrices.from_history(ACCOUNTS.iloc[:0], PRODUCTS.iloc[:0], HELD.iloc[:0], CONFIG)
    step = steps.upsell_step(pd.Series(["Core"]), pd.Series([100.0]), pd.Series(["SMB"]))
    assert step.isna().all()
    assert steps.upsell_weight(pd.Series(["Core"]), pd.Series(["a"])).tolist() == [1.0]


def test_the_peer_group_is_the_configured_attribute() -> None:
    assert peer_groups(ACCOUNTS, CONFIG).tolist()[0] == "SMB"
    assert set(peer_groups(ACCOUNTS.drop(columns="segment"), CONFIG)) == {"all"}
    gaps = ACCOUNTS.assign(segment=None)
    assert set(peer_groups(gaps, CONFIG)) == {"unknown"}
