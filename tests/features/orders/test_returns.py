"""Orders that were returned in full are no purchase, whichever way they were returned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from features import build_features
from features.orders.family import orders_by_day
from tests.features.company import DAY, Row, ago, open_tables


def _order(day: float, amount: float, **rest: object) -> Row:
    return {"account_id": "a", "ordered_at": ago(day), "amount": amount, **rest}


@pytest.mark.parametrize(
    "returns",
    [
        [_order(30, -100.0)],
        [_order(25, -100.0)],
        [_order(25, -60.0), _order(20, -40.0)],
        [_order(20, -60.0), _order(20, -40.0)],
        [_order(20, -100.0, product="pen")],
    ],
)
@pytest.mark.slow
def test_an_order_returned_in_full_is_no_purchase(returns: list[Row]) -> None:
    rows = [_order(90.5, 30.0), _order(30, 100.0, product="pen"), *returns]
    tables = open_tables(
        {"accounts": [{"account_id": "a", "created_at": ago(400)}], "orders": rows}
    )
    assert orders_by_day(tables, DAY)["amount"].tolist() == [30.0]
    values = build_features(tables, [DAY]).iloc[0]
    assert (values["orders_count_90d"], values["orders_count_365d"]) == (0, 1)
    assert values["orders_amount_365d"] == 30.0
    # Before the last return was known, it was a purchase.
    before = build_features(tables, [ago(20) + timedelta(hours=-24)])
    last = max(row["ordered_at"] for row in returns)
    if last >= ago(20):
        assert before["orders_count_90d"].tolist() == [2]


def test_two_orders_returned_together_are_both_gone() -> None:
    rows = [_order(50, 70.0), _order(40, 30.0), _order(30, -100.0)]
    tables = open_tables(
        {"accounts": [{"account_id": "a", "created_at": ago(400)}], "orders": rows}
    )
    assert orders_by_day(tables, DAY).empty
    assert build_features(tables, [DAY]).empty


def test_an_order_kept_in_part_stays_a_purchase() -> None:
    rows = pd.DataFrame([_order(50, 70.0), _order(40, -30.0)])
    tables = open_tables(
        {
            "accounts": [{"account_id": "a", "created_at": ago(400)}],
            "orders": rows.to_dict("records"),
        }
    )
    assert orders_by_day(tables, DAY)["amount"].tolist() == [70.0, -30.0]


@pytest.mark.parametrize(
    "returned",
    [
        {"ordered_at": ago(29.9)},
        {"product": "refund"},
    ],
    ids=["recorded earlier on the day of the order", "product of its own"],
)
def test_a_return_is_recognised_whichever_way_it_is_recorded(returned: dict[str, Any]) -> None:
    # The later order was returned, not the earlier one of another amount.
    orders = [_order(60, 80.0, product="ink"), _order(29.5, 100.0, product="pen")]
    rows = [*orders, {**_order(29.4, -100.0, product="pen"), **returned}]
    tables = open_tables(
        {"accounts": [{"account_id": "a", "created_at": ago(400)}], "orders": rows}
    )
    assert orders_by_day(tables, DAY)["amount"].tolist() == [80.0]
