"""Orders outside subscriptions: how recent, how often, how much, and compared with the habit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd

from features.orders.catalogue import BOUGHT, COUNT, FEATURES, RETURNED
from features.orders.days import FOUR_QUARTERS, QUARTER, Orders
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.day_rows import Numbers
from features.windows.fleet import FleetColumns
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate
from features.windows.returns import kept_orders, returning_rows
from features.windows.table_columns import some

__all__ = ["FEATURES", "orders_by_day", "prepare"]

#: An estimate of the habit needs this many intervals.
LEAST_INTERVALS = 2


def prepare(tables: Tables, dates: ObservationDates) -> DateFeatures:
    """Return a function that computes the order features of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without orders every feature is NaN.
    dates : ObservationDates
        The observations need created_at.
    """
    if not tables.has("orders"):
        return lambda _: {}
    days = Orders(tables, dates.observations, dates.accounts)
    return dates.first_computed(lambda date: _values(date, date.broadcast(days.as_of(date.as_of))))


@dataclass(frozen=True)
class YearlyChange(FleetColumns[float, float]):
    """What accounts ordered in the last quarter against their usual one.

    Days before an account, or all records, started are not days without orders.

    Attributes
    ----------
    age : array of float
        Days for which each account has existed.
    started : array of float
        Days since its first order; NaN without one.
    before, amount : array of float
        What it ordered in the three quarters before the last one, and in the last one.
    """

    age: Numbers
    started: Numbers
    before: Numbers
    amount: Numbers

    def share(self) -> float:
        """Return the days since the first order of any of these accounts."""
        return float(np.fmax.reduce(self.started, initial=0.0))

    @staticmethod
    def pooled(shares: Sequence[float]) -> float:
        """Return the days since the first order."""
        return max(shares)

    def columns(self, statistic: float) -> dict[str, Numbers]:
        """Return the change of each account."""
        present = np.minimum(np.fmax(self.age, self.started), statistic)
        days = np.minimum(present, FOUR_QUARTERS) - QUARTER
        usual_quarter = some(self.before) * QUARTER / np.maximum(days, 1.0)
        change = self.amount / usual_quarter - 1
        return {"orders_amount_change_90d": np.where(days >= QUARTER, change, np.nan)}


def _values(date: OneDate, ordered: Mapping[str, Numbers]) -> dict[str, Numbers | YearlyChange]:
    """Return the features from what each account ordered as of a date."""
    since, interval = ordered["since"], ordered["interval"]
    usual = np.where(ordered["intervals"] >= LEAST_INTERVALS, interval, np.nan)
    counts = {COUNT.name(days): ordered[COUNT.name(days)] for days in COUNT.days}
    amounts = {
        f"orders_amount_{days}d": ordered[BOUGHT.name(days)] + ordered[RETURNED.name(days)]
        for days in BOUGHT.days
    }
    change = YearlyChange(
        date.age_days(),
        ordered["started"],
        ordered["amount_before"],
        amounts["orders_amount_90d"],
    )
    return {
        **counts,
        **amounts,
        "orders_recency_days": since - 1,
        "orders_mean_amount_365d": ordered["bought_365d"] / some(counts["orders_count_365d"]),
        "yearly change": change,
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
    kept = kept_orders(collect(returning))
    kept = kept.assign(ordered_at=kept["ordered_at"].dt.floor("D"), given_back=kept["amount"] < 0)
    netted = kept.groupby(keys, as_index=False)["amount"].sum()
    both = pd.concat([part for part in (plain, netted) if len(part)] or [plain])
    return both.sort_values(keys, ignore_index=True)[["account_id", "ordered_at", "amount"]]
