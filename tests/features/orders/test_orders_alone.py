"""A business without contracts: orders tell who is a customer, and how it fares."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import pytest

from features import CATALOGUE, build_features
from features.definitions.settings import FeatureSettings
from features.windows.observations import build_observations, training_dates
from tests.features.company import DAY, Row, Rows, ago, open_tables
from tests.features.small_company import FILES, opened, refused, write


def _order(account: str, day: float, **rest: object) -> Row:
    return {"account_id": account, "ordered_at": ago(day), "amount": 10.0, **rest}


def _shop(*orders: Row) -> Rows:
    accounts = [{"account_id": a, "created_at": ago(800), "segment": "x"} for a in "abc"]
    return {"accounts": accounts, "orders": list(orders)}


def test_an_account_is_active_for_a_year_after_an_order() -> None:
    rows = _shop(_order("a", 365), _order("b", 366), _order("c", 0))
    observations = build_observations(open_tables(rows), [DAY])
    assert list(observations["account_id"]) == ["a"]
    short = build_observations(open_tables(rows), [DAY], active_order_days=100)
    assert short.empty


def test_an_order_counts_from_when_it_reached_us() -> None:
    rows = _shop(_order("a", 5, known_at=ago(0)), _order("b", 5, known_at=ago(1)))
    assert list(build_observations(open_tables(rows), [DAY])["account_id"]) == ["b"]


def test_features_are_made_from_orders_and_what_hangs_on_contracts_is_null() -> None:
    rows = _shop(*(_order("a", day) for day in (5, 35, 65, 95)))
    rows["tickets"] = [{"account_id": "a", "ticket_id": "t", "opened_at": ago(3)}]
    built = build_features(open_tables(rows), [DAY], FeatureSettings(active_order_days=30))
    (row,) = built.to_dict("records")
    assert row["orders_interval_days_median"] == 30
    assert row["orders_count_90d"] == 3
    assert row["contacts_per_order_90d"] == pytest.approx(1 / 3)
    assert row["tenure_days"] == 800
    contract = [f.name for f in CATALOGUE.values() if f.table == "subscriptions"]
    assert built[contract].isna().all(axis=None)


def test_what_is_given_back_is_no_order() -> None:
    rows = _shop(*(_order("a", day, amount=100.0) for day in (40, 30, 20)))
    rows["orders"].append(_order("a", 1, amount=-90.0))
    rows["orders"] += [_order("b", 200), _order("b", 2, amount=-4.0), _order("a", 500)]
    rows["orders"].append(_order("c", 2, amount=-4.0))
    built = build_features(open_tables(rows), [DAY]).set_index("account_id")
    result = built.filter(like="orders_").rename(columns=lambda name: name.removeprefix("orders_"))
    assert result.loc["a", ["recency_days", "count_90d", "count_365d"]].tolist() == [19, 3, 3]
    assert result.loc["a", ["amount_90d", "mean_amount_365d"]].tolist() == [210, 100]
    assert result.loc["a", "interval_days_median"] == 10
    assert result.loc["b", ["recency_days", "count_90d", "amount_90d"]].tolist() == [199, 0, -4]
    assert result.loc["b", "amount_change_90d"] == pytest.approx(-4 / (10 / 3) - 1)
    assert "c" not in result.index


@pytest.mark.parametrize(("first", "quarters"), [(364, 3), (360, 3), (270, 2), (180, 1), (179, 0)])
@pytest.mark.slow
def test_days_before_the_records_began_are_not_without_orders(first: float, quarters: int) -> None:
    rows = _shop(_order("a", 10), _order("a", 100), _order("a", 110), _order("b", first))
    change = build_features(open_tables(rows), [DAY])["orders_amount_change_90d"]
    expected = 10 / (20 / quarters) - 1 if quarters else math.nan
    assert change[0] == pytest.approx(expected, nan_ok=True)
    # So are the days before an account, whatever others ordered.
    rows["accounts"][0]["created_at"] = ago(first)
    rows["orders"].append(_order("c", 364))
    young = build_features(open_tables(rows), [DAY])["orders_amount_change_90d"]
    assert young[0] == pytest.approx(change[0], nan_ok=True)


def test_orders_before_every_window_and_at_its_edge() -> None:
    days = {"a": (900, 800), "b": (737, 717, 707), "c": (738, 717, 707)}
    rows = _shop(*(_order(account, day) for account, those in days.items() for day in those))
    rows["orders"] += [_order("a", 760, amount=-4.0), _order("a", 1, known_at=ago(7))]
    rows["orders"].append(_order("a", 40, known_at=ago(7)))
    rows["subscriptions"] = [
        {"account_id": a, "product": "core", "started_at": ago(800), "mrr": 1.0} for a in "abc"
    ]
    built = build_features(open_tables(rows), [ago(7), DAY]).set_index(["as_of", "account_id"])
    result = built[["orders_recency_days", "orders_interval_days_median"]].unstack(0)
    # What reached us on the first date is seen on the second alone.
    assert result["orders_recency_days"].loc["a"].tolist() == [792, 0]
    usual = result["orders_interval_days_median"].fillna(-1.0)
    assert usual.loc["b"].tolist() == [15, -1]
    assert usual.loc["c"].tolist() == [-1, -1]


def test_an_account_is_as_old_as_its_first_order_that_was_known() -> None:
    early = [_order("a", 900, known_at=ago(0)), _order("b", 850, known_at=ago(3))]
    rows = _shop(*early, *(_order(account, 20) for account in "abc"))
    days = [ago(3), DAY, ago(-1)]
    built = build_features(open_tables(rows), days).set_index(["as_of", "account_id"])
    result = built["tenure_days"].unstack()
    assert result["a"].tolist() == [797, 800, 901]
    assert result["b"].tolist() == [797, 850, 851]
    assert result["c"].tolist() == [797, 800, 801]


def test_the_first_order_begins_the_records() -> None:
    rows = _shop(_order("a", 300))
    dates = training_dates(
        open_tables(rows, until=DAY), every_days=7, weekday=6, warm_up_days=14, horizon_days=90
    )
    assert dates
    assert dates[0] >= ago(300 - 14)


@pytest.mark.slow
def test_either_subscriptions_or_orders_must_be_given(tmp_path: Path) -> None:
    sources = write(tmp_path, orders="account_id,ordered_at,amount\n001,2025-05-01,5\n")
    without = {name: source for name, source in sources.items() if name != "subscriptions"}
    until = datetime(2026, 1, 1)
    assert opened(tmp_path, without, observed_until=until).findings == ()
    neither = {name: sources[name] for name in FILES if name != "subscriptions"}
    (finding,) = refused(tmp_path, neither, observed_until=until)
    assert (finding.code, finding.table) == ("table_missing", "subscriptions")
    assert "orders" in finding.fix
