"""Customers without a contract: what was expected of them, held against what came.

    uv run python -m tests.benchmarks.orders_in_time FILE [--customers 1000000]

FILE is CDNOW_master.txt: customer, day, number of CDs, amount. The models are fitted on the orders
before a date and asked about the 13 and the 39 weeks after it. With --customers also the seconds
that valuing so many takes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from models import PurchaseModel, SpendModel, evaluate, purchase_history, value_customers
from models.clv.beta_geo import DAYS_PER_WEEK
from models.clv.order_level import with_level
from models.survival.peer_survival import DAYS_PER_MONTH

SPLITS = ("1997-07-01", "1997-10-01", "1998-01-01", "1998-04-01")
WEEKS = (13, 39)


def main() -> None:
    """Print a line a date and span."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--customers", type=int, default=0)
    given = parser.parse_args()
    names = ["account_id", "day", "cds", "amount"]
    orders = pd.read_csv(
        given.file, sep=r"\s+", names=names, skiprows=1, dtype={"account_id": str, "day": str}
    )
    orders = orders.assign(ordered_at=pd.to_datetime(orders["day"], format="%Y%m%d"))
    end = orders["ordered_at"].max() + pd.Timedelta(days=1)
    for split in map(pd.Timestamp, SPLITS):
        for weeks in WEEKS:
            if split + pd.Timedelta(weeks=weeks) <= end:
                print(_line(orders, split, weeks))
    if given.customers:
        print(_speed(orders, given.customers))


def _line(orders: pd.DataFrame, split: pd.Timestamp, weeks: int) -> str:
    history = purchase_history(orders, until=split)
    plain, spend = PurchaseModel().fit(history), SpendModel().fit(history)
    purchases = with_level(plain, orders, until=split, horizon_days=weeks * 7)
    later = orders[
        (orders["ordered_at"] >= split) & (orders["ordered_at"] < split + pd.Timedelta(weeks=weeks))
    ]
    days = later.drop_duplicates(["account_id", "ordered_at"]).groupby("account_id").size()
    came = days.reindex(history.index).fillna(0.0)
    amount = later.groupby("account_id")["amount"].sum().reindex(history.index).fillna(0.0)
    expected = purchases.expected(history, [weeks])[:, 0]
    auc = evaluate(came > 0, purchases.order_probability(history, weeks), n_resamples=100).auc
    months = max(1, round(weeks * 7 / DAYS_PER_MONTH))
    value = value_customers(
        history, purchases, spend, horizon_months=months, margin=1.0, annual_discount_rate=0.0
    )
    inside = amount.between(value["clv_low"] - 1e-9, value["clv_high"] + 1e-9).mean()
    revenue = float((expected * spend.expected(history)).sum())
    without = plain.expected(history, [weeks])[:, 0]
    errors = [float(np.abs(e - came).mean()) for e in (expected, without)]
    return (
        f"{split.date()} + {weeks} weeks, {len(history):,} customers: purchases "
        f"{expected.sum():,.0f} expected ({without.sum():,.0f} without season and trend; "
        f"regularity {plain.regularity_}), {came.sum():,.0f} came, mean absolute error "
        f"{errors[0]:.3f} ({errors[1]:.3f}); revenue {revenue:,.0f} expected, "
        f"{amount.sum():,.0f} came; AUC of ordering again {auc.value:.3f} ({auc.low:.3f} to "
        f"{auc.high:.3f}); {inside:.1%} inside the 95 % range"
    )


def _speed(orders: pd.DataFrame, customers: int) -> str:
    """Value this many of CDNOW's customers over and over, and as many that differ in everything."""
    history = purchase_history(orders, until=SPLITS[-1])
    purchases, spend = PurchaseModel().fit(history), SpendModel().fit(history)
    copies = history.iloc[np.arange(customers) % len(history)]
    result = [_timed("of CDNOW", copies, purchases, spend)]
    purchases.r_, purchases.alpha_, purchases.a_, purchases.b_ = 0.7, 5.0, 0.8, 8.0
    return "\n".join([*result, _timed("of three years", _regulars(customers), purchases, spend)])


def _regulars(customers: int) -> pd.DataFrame:
    """Draw customers that began on any day of three years, many of whom order every week."""
    rng = np.random.default_rng(0)
    age = rng.integers(0, 1096, customers).astype("float64")
    would = rng.poisson(rng.gamma(0.7, 1 / 5.0, customers) * age / 7)
    stays = rng.geometric(np.maximum(rng.beta(0.8, 8.0, customers), 1e-9))
    repeats = np.minimum(np.minimum(would, stays), age)
    last = np.floor(age * rng.beta(np.maximum(repeats, 1), 1.0))
    worth = rng.gamma(6.0 * np.maximum(repeats, 1)) / np.maximum(repeats, 1)
    return pd.DataFrame(
        {
            "repeats": repeats,
            "recency_weeks": np.where(repeats > 0, last, 0.0) / DAYS_PER_WEEK,
            "age_weeks": age / DAYS_PER_WEEK,
            "mean_spend": np.where(
                repeats > 0, worth * 20 / rng.gamma(4.0, size=customers), np.nan
            ),
            "spent": 0.0,
        }
    )


def _timed(name: str, history: pd.DataFrame, purchases: PurchaseModel, spend: SpendModel) -> str:
    start, worked = time.perf_counter(), time.process_time()
    value_customers(
        history, purchases, spend, horizon_months=36, margin=0.8, annual_discount_rate=0.1
    )
    states = len(history.drop_duplicates(["repeats", "age_weeks"]))
    return (
        f"{len(history):,} customers {name} × 36 months with range: "
        f"{time.perf_counter() - start:.1f} s, {time.process_time() - worked:.1f} processor "
        f"seconds; {states:,} pairs of repeats and age, at most "
        f"{history['repeats'].max():.0f} repeats"
    )


if __name__ == "__main__":
    main()
