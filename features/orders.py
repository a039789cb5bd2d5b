"""Orders outside subscriptions: how lately, how often, how much, and against the own habit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.day_rows import Numbers
from features.feature import Feature, Unit
from features.many_dates import (
    KEYS,
    Frame,
    column_or_null,
    count_where,
    days_between,
    known_on_dates,
    last_days,
    on_spine,
)
from features.point_in_time import collect, known_rows
from features.spine_dates import SpineDates, Told
from features.tables import Tables

#: The habit is told by the intervals of so many days, and by so many of them at least.
HABIT_DAYS, LEAST_INTERVALS = 730, 2
_NEVER = "nothing was ever ordered"
_NO_HABIT = "insufficient history: ordered on fewer than three days in two years"


def _order(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    null: str = _NEVER,
    size: bool = False,
) -> Feature:
    full = f"orders_{name}"
    return Feature(full, "orders", "orders", window, unit, direction, null, zero, sentence, size)


FEATURES = (
    _order(
        "recency_days",
        None,
        "days",
        -1,
        "Days since the latest order: {value}",
        "ordered on the day before",
    ),
    *(
        _order(
            f"count_{w}d",
            w,
            "count",
            1,
            f"Orders in the last {w} days: {{value}}",
            f"nothing was ordered in the last {w} days",
            size=True,
        )
        for w in (90, 365)
    ),
    *(
        _order(
            f"amount_{w}d",
            w,
            "money",
            0,
            f"Ordered for {{value}} in the last {w} days",
            f"nothing was ordered in the last {w} days",
            size=True,
        )
        for w in (90, 365)
    ),
    _order(
        "mean_amount_365d",
        365,
        "money",
        0,
        "An order of the last 365 days is worth {value} on average",
        "the orders of 365 days are worth nothing",
        null="nothing was ordered in 365 days",
        size=True,
    ),
    _order(
        "amount_change_90d",
        360,
        "change",
        1,
        "The amount ordered in 90 days is {value} against the three quarters before",
        "the amount ordered in 90 days is unchanged against the three quarters before",
        null="insufficient history: nothing was ordered in the three quarters before",
    ),
    _order(
        "interval_days_median",
        HABIT_DAYS,
        "days",
        0,
        "Usual days from one order to the next: {value}",
        "orders several times a day",
        null=_NO_HABIT,
        size=True,
    ),
    _order(
        "interval_vs_habit",
        HABIT_DAYS,
        "ratio",
        -1,
        "The time since the latest order is {value} against the usual interval",
        "the time since the latest order is the usual interval",
        null=_NO_HABIT,
    ),
)


def prepare(tables: Tables, dates: SpineDates) -> Told:
    """Return what tells the features of orders of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without orders every feature is NaN.
    dates : SpineDates
        The accounts and dates.
    """
    if not tables.has("orders"):
        return lambda _: {}
    columns = _on_all_dates(tables, dates.spine)
    return lambda date: {name: values[date.rows] for name, values in columns.items()}


def _on_all_dates(tables: Tables, spine: pd.DataFrame) -> dict[str, Numbers]:
    """Return each feature on the rows of the whole spine."""
    rows = known_on_dates(tables, "orders", spine).select(
        *KEYS, "ordered_at", column_or_null(tables, "orders", "amount", nw.Float64)
    )
    level, habit = on_spine(_levels(rows), spine), on_spine(_habit(rows), spine)
    out = pd.DataFrame(index=spine.index)
    since = _days(spine["as_of"] - pd.to_datetime(level["last_day"]))
    out["orders_recency_days"] = since - 1
    for window in (90, 365):
        out[f"orders_count_{window}d"] = level[f"count_{window}d"]
        out[f"orders_amount_{window}d"] = level[f"amount_{window}d"]
    out["orders_mean_amount_365d"] = level["amount_365d"] / level["count_365d"].where(
        level["count_365d"] > 0
    )
    before = level["amount_before"].where(level["amount_before"] > 0)
    out["orders_amount_change_90d"] = level["amount_90d"] / (before / 3) - 1
    usual = habit["median"].where(habit["intervals"] >= LEAST_INTERVALS)
    out["orders_interval_days_median"] = usual
    out["orders_interval_vs_habit"] = (since / usual).map(np.log)
    return {feature.name: out[feature.name].to_numpy(dtype=float) for feature in FEATURES}


def orders_by_day(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return what each account ordered, and gave back, on each day, as known before a date.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, 3)
        account_id, ordered_at (the day) and amount, by account and day; what was given back on a
        day (amounts below zero) is a row of its own.
    """
    rows = known_rows(tables, "orders", as_of).with_columns(
        ordered_at=nw.col("ordered_at").dt.truncate("1d"), given_back=nw.col("amount") < 0
    )
    keys = ["account_id", "ordered_at", "given_back"]
    days = collect(rows.group_by(*keys).agg(nw.col("amount").sum()))
    return days.sort_values(keys, ignore_index=True).drop(columns="given_back")


def _levels(rows: Frame) -> Frame:
    amount = nw.col("amount")

    def sum_of(within: nw.Expr) -> nw.Expr:
        return nw.when(within).then(amount).otherwise(nw.lit(0.0)).sum()

    return rows.group_by(*KEYS).agg(
        nw.col("ordered_at").max().dt.truncate("1d").alias("last_day"),
        *(count_where(last_days("ordered_at", w)).alias(f"count_{w}d") for w in (90, 365)),
        *(sum_of(last_days("ordered_at", w)).alias(f"amount_{w}d") for w in (90, 365)),
        sum_of(last_days("ordered_at", 360, until_days=90)).alias("amount_before"),
    )


def _habit(rows: Frame) -> Frame:
    """Return the median of days from one day with orders to the next, and how many there are."""
    days = rows.filter(last_days("ordered_at", HABIT_DAYS)).with_columns(
        day=nw.col("ordered_at").dt.truncate("1d")
    )
    days = days.group_by(*KEYS, "day").agg(nw.len().alias("orders"))
    days = days.with_columns(before=nw.col("day").shift(1).over(*KEYS, order_by="day"))
    interval = days_between("before", "day")
    return (
        days.with_columns(interval=interval)
        .group_by(*KEYS)
        .agg(
            nw.col("interval").median().alias("median"), nw.col("before").count().alias("intervals")
        )
    )


def _days(duration: pd.Series[Any]) -> pd.Series[float]:
    days: pd.Series[float] = duration.dt.total_seconds() / 86_400
    return days
