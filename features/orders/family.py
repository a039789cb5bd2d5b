"""Orders outside subscriptions: how lately, how often, how much, and against the own habit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd

from features.definitions.feature import Feature, Unit
from features.orders.days import FOUR_QUARTERS, QUARTER, WINDOWS, Orders
from features.orders.intervals import HABIT_DAYS
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate
from features.windows.returns import kept_orders, returning_rows
from features.windows.table_columns import some

#: A habit is told by so many intervals at least.
LEAST_INTERVALS = 2
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
        for w in WINDOWS
    ),
    *(
        _order(
            f"amount_{w}d",
            w,
            "money",
            0,
            f"Ordered for {{value}} in the last {w} days, less what was given back",
            f"nothing was ordered in the last {w} days, or as much given back",
            size=True,
        )
        for w in WINDOWS
    ),
    _order(
        "mean_amount_365d",
        365,
        "money",
        0,
        "An order of the last 365 days is worth {value} on average, whatever was given back",
        "the orders of 365 days are worth nothing",
        null="nothing was ordered in 365 days",
        size=True,
    ),
    _order(
        "amount_change_90d",
        360,
        "change",
        1,
        "The amount ordered in 90 days, less what was given back, is {value} "
        "against a usual quarter of the three before",
        "the amount ordered in 90 days is unchanged against a usual quarter of the three before",
        null="insufficient history: account or records younger than 180 days, or nothing ordered "
        "and kept in the three quarters before",
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


def prepare(tables: Tables, dates: ObservationDates) -> DateFeatures:
    """Return what tells the features of orders of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without orders every feature is NaN.
    dates : SpineDates
        The spine needs created_at.
    """
    if not tables.has("orders"):
        return lambda _: {}
    days = Orders(tables, dates.observations, dates.accounts)
    return lambda date: _values(date, date.broadcast(days.as_of(date.as_of)))


def _values(date: OneDate, ordered: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return the features, of what each account ordered as of a date."""
    since, interval = ordered["since"], ordered["interval"]
    usual = np.where(ordered["intervals"] >= LEAST_INTERVALS, interval, np.nan)
    # Days before an account, or all records, began are not days without orders.
    age = np.fmax(date.age_days(), ordered["begun"])
    present = np.minimum(age, np.fmax.reduce(ordered["begun"], initial=0.0))
    before = np.minimum(present, FOUR_QUARTERS) - QUARTER
    usual_quarter = some(ordered["amount_before"]) * QUARTER / np.maximum(before, 1.0)
    change = ordered["amount_90d"] / usual_quarter - 1
    out = {f"orders_{n}_{w}d": ordered[f"{n}_{w}d"] for n in ("count", "amount") for w in WINDOWS}
    return out | {
        "orders_recency_days": since - 1,
        "orders_mean_amount_365d": ordered["bought_365d"] / some(ordered["count_365d"]),
        "orders_amount_change_90d": np.where(before >= QUARTER, change, np.nan),
        "orders_interval_days_median": usual,
        "orders_interval_vs_habit": np.log(since / usual),
    }


def orders_by_day(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return what each account ordered, and returned, on each day, as known before a date.

    An order that was returned in full is left out, together with its returns.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, 3)
        account_id, ordered_at (the day) and amount, by account and day; what was returned on a day
        of orders that were kept in part (amounts below zero) is a row of its own.
    """
    rows = known_rows(tables, "orders", as_of)
    whole, returning = returning_rows(tables, rows)
    keys = ["account_id", "ordered_at", "given_back"]
    days = whole.with_columns(
        ordered_at=nw.col("ordered_at").dt.truncate("1d"), given_back=nw.col("amount") < 0
    )
    plain = collect(days.group_by(*keys).agg(nw.col("amount").sum()))
    kept = kept_orders(returning)
    kept = kept.assign(ordered_at=kept["ordered_at"].dt.floor("D"), given_back=kept["amount"] < 0)
    netted = kept.groupby(keys, as_index=False)["amount"].sum()
    both = pd.concat([part for part in (plain, netted) if len(part)] or [plain])
    return both.sort_values(keys, ignore_index=True)[["account_id", "ordered_at", "amount"]]
