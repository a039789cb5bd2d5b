"""Predicted against actual: the figures of past runs, and what is said when they slip."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.flags.actions import read_actions
from health.runs.directory import PublishedRun, publish, runs_before
from health.settings.config import Config
from health.weekly.monitor import Monitored, look_back, slips

CONFIG = Config(tables={})
FIRST = datetime(2026, 3, 1)
#: Horizon and grace have passed for the first run, not for the second.
DAY = datetime(2026, 7, 5)
COUNT = 300


def _company(leavers: set[int]) -> Tables:
    """Accounts that all pay since 2025; some leave 30 days after the first run."""
    accounts = [f"A{i:03}" for i in range(COUNT)]
    left = FIRST + timedelta(days=30)
    subscriptions = pd.DataFrame(
        {
            "account_id": accounts,
            "product": "Core",
            "started_at": datetime(2025, 1, 1),
            "ended_at": [left if i in leavers else None for i in range(COUNT)],
            "mrr": 100.0,
        }
    )
    made = pd.DataFrame({"account_id": accounts, "created_at": datetime(2025, 1, 1)})
    actions = pd.DataFrame(
        {
            "account_id": ["A001", "A010", "A011", "A012", "A013"],
            "flag": ["at_risk", "at_risk", "at_risk", None, "upsell"],
            "action": ["saved", "saved", "false alarm", "called", "saved"],
            "at": FIRST + timedelta(days=10),
        }
    )
    tables = {"accounts": made, "subscriptions": subscriptions, "actions": actions}
    return tables_from_frames(tables, observed_until=DAY)


def _publish(runs_dir: Path, day: datetime, chances: np.ndarray, listed: int = 20) -> PublishedRun:
    accounts = [f"A{i:03}" for i in range(COUNT)]
    scores = pd.DataFrame(
        {
            "account_id": accounts,
            "as_of": pd.Timestamp(day),
            "churn_probability": chances,
            "health_score": 100 * (1 - chances),
        }
    )
    notice = [1.0 if i == COUNT - 1 else 0.0 for i in range(COUNT)]
    features = pd.DataFrame({"account_id": accounts, "notice_given": notice})
    flags = pd.DataFrame({"account_id": accounts[:listed], "flag": "at_risk"})
    info = {
        "started": f"{day:%Y-%m-%d}T04:00:00",
        "horizon_days": 90,
        "model_version": "v1",
        "evaluation": {"churn": {"auc": {"value": 0.8, "low": 0.7, "high": 0.9}}},
    }

    def write(folder: Path) -> None:
        for name, table in (("scores", scores), ("features", features), ("flags", flags)):
            table.to_parquet(folder / f"{name}.parquet")
        (folder / "run.json").write_text(json.dumps(info))

    return publish(runs_dir, day.date(), write, replace=True)


def _look_back(runs_dir: Path, leavers: set[int], day: datetime = DAY) -> Monitored:
    tables = _company(leavers)
    return look_back(
        tables, runs_before(runs_dir, day.date()), CONFIG, day, read_actions(tables, day)
    )


def _chances(high: float = 0.5, low: float = 0.02) -> np.ndarray:
    return np.where(np.arange(COUNT) < 20, high, low)


def test_a_run_whose_horizon_has_passed_gets_a_row_and_a_younger_one_none(tmp_path: Path) -> None:
    _publish(tmp_path, FIRST, _chances())
    _publish(tmp_path, FIRST + timedelta(days=7), _chances())
    leavers = {*range(10), 50, 60, 70, 80, 90, COUNT - 1}
    found = _look_back(tmp_path, leavers)
    assert found.warnings == []
    assert found.table["as_of"].tolist() == [pd.Timestamp(FIRST)]
    row = found.table.iloc[0]
    # Who had given notice is not counted.
    assert (row["accounts"], row["churned"]) == (COUNT - 1, 15)
    assert row["expected"] == pytest.approx(20 * 0.5 + 279 * 0.02)
    # Of 15 that left 10 stand above 274 of 284 that stayed, and 5 tie with 274.
    assert row["auc"] == pytest.approx(
        (10 * 274 + 10 * 10 / 2 + 5 * 274 / 2) / (15 * 284), abs=1e-9
    )
    assert row["health_auc"] == pytest.approx(row["auc"])
    assert row["brier"] == pytest.approx(
        (20 * 0.25 + 5 * 0.98**2 + 274 * 0.02**2) / (COUNT - 1), abs=1e-9
    )
    assert (row["listed"], row["listed_churned"], row["precision_at_capacity"]) == (20, 10, 0.5)
    # One was saved and did not leave; A001 was said to be saved and left.
    assert (row["saved"], row["false_alarms"], row["called"]) == (1, 1, 4)
    assert row["precision_without_saved"] == pytest.approx(10 / 19)
    assert (row["outcome"], row["precision_by_chance"]) == ("churn", row["base_rate"])
    assert np.isnan(row["ordered"]) and np.isnan(row["orders_ratio"])


@pytest.mark.slow
def test_what_was_measured_is_taken_over_until_the_run_is_replaced(tmp_path: Path) -> None:
    first = _publish(tmp_path, FIRST, _chances())
    second = _publish(tmp_path, FIRST + timedelta(days=7), _chances())
    table = _look_back(tmp_path, set(range(10))).table
    table.assign(auc=0.123).to_parquet(second.folder / "monitor.parquet")
    assert _look_back(tmp_path, set(range(10))).table["auc"].tolist() == [0.123]
    info = {**first.info(), "started": "2026-03-02T09:00:00"}
    (first.folder / "run.json").write_text(json.dumps(info))
    assert _look_back(tmp_path, set(range(10))).table["auc"].tolist() != [0.123]


def test_what_an_older_run_measured_is_read_as_what_it_was(tmp_path: Path) -> None:
    _publish(tmp_path, FIRST, _chances())
    second = _publish(tmp_path, FIRST + timedelta(days=7), _chances())
    table = _look_back(tmp_path, set(range(10))).table
    newer = [c for c in table.columns if c.startswith("order")]
    old = table.drop(columns=[*newer, "outcome", "precision_by_chance"])
    old.to_parquet(second.folder / "monitor.parquet")
    again = _look_back(tmp_path, set(range(10))).table
    pd.testing.assert_frame_equal(again, table)


def test_nothing_to_look_back_at_is_an_empty_table(tmp_path: Path) -> None:
    found = _look_back(tmp_path, set())
    assert found.table.empty
    assert found.warnings == []


def test_without_a_probability_the_lists_are_still_measured(tmp_path: Path) -> None:
    _publish(tmp_path, FIRST, np.full(COUNT, np.nan))
    row = _look_back(tmp_path, set(range(10))).table.iloc[0]
    assert np.isnan(row["auc"])
    assert row["precision_at_capacity"] == 0.5


def test_a_model_that_became_worse_is_reported(tmp_path: Path) -> None:
    # Chances turned around: those said to stay leave, and far more of them than expected.
    _publish(tmp_path, FIRST, _chances(high=0.02, low=0.05))
    said = " ".join(_look_back(tmp_path, {*range(20, 80)}).warnings)
    assert "retrain: ranking slipped since 2026-03" in said
    assert "retrain: calibration slipped since 2026-03" in said
    assert "60 accounts left, 14.3 were expected" in said
    assert "the list of accounts at risk slipped" in said


def _history(**columns: list[float]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    months = pd.date_range("2026-06-07", periods=count, freq="31D")
    good = {
        "calibration_z": 0.0, "calibration_ratio": 1.0, "auc_high": 0.9, "auc_trained": 0.8,
        "precision_high": 0.5, "base_rate": 0.05, "auc": 0.8, "expected": 10.0, "churned": 10.0,
        "listed": 20.0, "listed_churned": 5.0, "precision_by_chance": 0.05, "outcome": "churn",
        "orders_ratio": np.nan, "orders_ratio_low": np.nan, "orders_ratio_high": np.nan,
    }  # fmt: skip
    return pd.DataFrame({**good, **columns, "as_of": months}, index=range(count))


def test_the_month_is_that_of_the_first_of_the_slips_at_the_end() -> None:
    ratios = [2.0, 1.0, 1.0, 2.0, 2.0]
    table = _history(calibration_ratio=ratios, calibration_z=[3.0] * 5)
    assert slips(table, CONFIG)[0].startswith("retrain: calibration slipped since 2026-09")
    assert slips(table.head(3), CONFIG) == []


def test_what_chance_explains_is_no_slip() -> None:
    assert slips(_history(calibration_ratio=[2.0], calibration_z=[1.5]), CONFIG) == []
    assert slips(_history(auc_high=[0.76]), CONFIG) == []
    assert "ranking slipped" in slips(_history(auc_high=[0.74]), CONFIG)[0]


def _shop(ordering: set[int], times: int = 2) -> Tables:
    """Customers of long ago, of whom some order again, `times` in the horizon of the first run."""
    accounts = [f"A{i:03}" for i in range(COUNT)]
    again = [f"A{i:03}" for i in sorted(ordering)]
    within = [FIRST + timedelta(days=40 * k) for k in range(times)]
    orders = pd.DataFrame(
        {
            "account_id": [*accounts, *again * times, *accounts],
            "ordered_at": [
                *[datetime(2026, 1, 1)] * COUNT,
                *np.repeat(within, len(again)).tolist(),
                # The first day that does not count any more.
                *[FIRST + timedelta(days=90)] * COUNT,
            ],
            "amount": 10.0,
        }
    )
    back = orders.tail(1).assign(account_id="A299", ordered_at=FIRST, amount=-10.0)
    made = pd.DataFrame({"account_id": accounts, "created_at": datetime(2025, 1, 1)})
    tables = {"accounts": made, "orders": pd.concat([orders, back])}
    return tables_from_frames(tables, observed_until=DAY)


def _publish_orders(runs_dir: Path, day: datetime, chances: np.ndarray) -> PublishedRun:
    """Publish a run of a shop that lists the first 20 customers at risk."""
    accounts = [f"A{i:03}" for i in range(COUNT)]
    scores = pd.DataFrame(
        {
            "account_id": accounts,
            "as_of": pd.Timestamp(day),
            "order_probability": chances,
            "orders_expected": 2 * chances,
            "health_score": 100 * chances,
        }
    )
    flags = pd.DataFrame({"account_id": accounts[:20], "flag": "at_risk"})
    info = {
        "started": f"{day:%Y-%m-%d}T04:00:00",
        "business": "orders",
        "horizon_days": 90,
        "model_version": "v1",
        "evaluation": {"order": {"auc": {"value": 0.7, "low": 0.6, "high": 0.8}}},
    }

    def write(folder: Path) -> None:
        for name, table in (("scores", scores), ("flags", flags)):
            table.to_parquet(folder / f"{name}.parquet")
        (folder / "run.json").write_text(json.dumps(info))

    return publish(runs_dir, day.date(), write, replace=True)


def _look_back_at_orders(runs_dir: Path, tables: Tables, day: datetime = DAY) -> Monitored:
    return look_back(
        tables, runs_before(runs_dir, day.date()), CONFIG, day, read_actions(tables, day)
    )


#: The first 100 are not expected back.
_LIKELY = np.where(np.arange(COUNT) < 100, 0.1, 0.4)


def test_a_run_of_a_shop_is_held_against_what_was_ordered(tmp_path: Path) -> None:
    _publish_orders(tmp_path, FIRST, _LIKELY)
    _publish_orders(tmp_path, FIRST + timedelta(days=126), _LIKELY)
    # 10 of the 100, the first of whom was listed, and 80 of the 200.
    ordering = {0, *range(91, 100), *range(100, 180)}
    found = _look_back_at_orders(tmp_path, _shop(ordering))
    assert found.warnings == []
    (row,) = found.table.to_dict("records")
    assert (row["outcome"], row["accounts"], row["ordered"]) == ("order", COUNT, 90)
    assert row["expected"] == pytest.approx(90) and row["base_rate"] == 0.3
    assert row["calibration_ratio"] == pytest.approx(1.0) and np.isnan(row["churned"])
    assert row["auc"] == pytest.approx((80 * 90 + 80 * 120 / 2 + 10 * 90 / 2) / (90 * 210))
    assert row["health_auc"] == pytest.approx(row["auc"]) and row["auc_trained"] == 0.7
    assert row["brier"] == pytest.approx((10 * 0.81 + 90 * 0.01 + 80 * 0.36 + 120 * 0.16) / COUNT)
    # A day with an order counts once, what was given back is none, and day 90 lies beyond.
    assert (row["orders"], row["orders_expected"]) == (180, pytest.approx(180))
    assert row["orders_ratio_low"] < 1 < row["orders_ratio_high"]
    assert row["orders_error"] == pytest.approx(
        (10 * 1.8 + 90 * 0.2 + 80 * 1.2 + 120 * 0.8) / COUNT
    )
    # Of those listed at risk 19 in 20 ordered nothing, of all 210 in 300.
    assert (row["listed"], row["listed_churned"]) == (20, 19)
    assert row["precision_by_chance"] == pytest.approx(0.7)


def test_orders_are_looked_back_at_the_day_their_horizon_has_passed(tmp_path: Path) -> None:
    _publish_orders(tmp_path, FIRST, _LIKELY)
    tables, end = _shop({0}), FIRST + timedelta(days=90)
    assert _look_back_at_orders(tmp_path, tables, end - timedelta(days=1)).table.empty
    assert len(_look_back_at_orders(tmp_path, tables, end).table) == 1


def test_a_model_of_orders_that_became_worse_is_reported(tmp_path: Path) -> None:
    _publish_orders(tmp_path, FIRST, _LIKELY)
    # Those expected back stay away, and those listed come, and often.
    said = " ".join(_look_back_at_orders(tmp_path, _shop(set(range(30)), times=3)).warnings)
    assert "calibration slipped since 2026-03" in said
    assert "30 customers ordered, 90.0 were expected" in said
    assert "ranking slipped" in said
    assert "0 of 20 listed ordered nothing, 90.0% of all accounts" in said
    assert "the number of orders slipped" in said and "90 orders, 180.0 were expected" in said


def test_without_a_rate_a_shop_s_lists_are_still_measured(tmp_path: Path) -> None:
    _publish_orders(tmp_path, FIRST, np.full(COUNT, np.nan))
    (row,) = _look_back_at_orders(tmp_path, _shop({0})).table.to_dict("records")
    assert np.isnan(row["auc"]) and np.isnan(row["orders_ratio"])
    assert row["precision_at_capacity"] == 0.95


def test_runs_of_another_kind_of_business_are_passed_over(tmp_path: Path) -> None:
    _publish_orders(tmp_path, FIRST, _LIKELY)
    assert _look_back(tmp_path, set(range(10))).table.empty
