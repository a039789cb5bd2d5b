"""MRR by account on any date: one rule for who pays and how much, for contracts and orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import narwhals as nw
import pandas as pd

from features.commercial.contracts import COLUMNS, Contracts
from features.definitions.settings import FeatureSettings
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.contracts import load_contracts
from features.windows.observations import build_observations
from health.business.kinds import CONTRACTS, lives_by

_YEAR_DAYS, _YEAR_MONTHS = 365, 12
#: Ratios that a mistake leaves behind, each with what usually explains it.
_RATIOS = {
    100.0: "amounts in cents instead of whole units",
    12.0: "yearly prices taken as monthly",
    3.0: "quarterly prices taken as monthly",
    2.0: "a join or an export that doubles rows",
    1 / 12: "monthly prices divided by 12",
    1 / 100: "whole units taken as cents",
}


def mrr_of(
    tables: Tables, dates: Sequence[datetime], settings: FeatureSettings
) -> list[pd.Series[float]]:
    """Return the MRR of the accounts that pay on each date, by account_id.

    Without subscriptions it is a twelfth of what an account ordered in 365 days.
    """
    observations = build_observations(
        tables,
        dates,
        active_order_days=settings.active_order_days,
        grace_days=settings.grace_days,
    )
    paying = {
        day: pd.Index(observations.loc[observations["as_of"] == day, "account_id"]) for day in dates
    }
    if lives_by(tables).key == CONTRACTS and len(observations):
        amounts = _contract_mrr(
            tables, dates, settings, pd.Index(observations["account_id"].unique())
        )
    else:
        amounts = [_monthly_orders(tables, day) for day in dates]
    return [
        found.reindex(paying[day]).fillna(0.0) for day, found in zip(dates, amounts, strict=True)
    ]


def _contract_mrr(
    tables: Tables, dates: Sequence[datetime], settings: FeatureSettings, accounts: pd.Index[str]
) -> list[pd.Series[float]]:
    company = load_contracts(tables, grace_days=settings.grace_days, columns=COLUMNS)
    rows = company.of(accounts)
    contracts = Contracts(rows)
    return [
        pd.Series(contracts.as_of(rows.as_of(pd.Timestamp(day)))["mrr"], index=accounts)
        for day in dates
    ]


def _monthly_orders(tables: Tables, day: datetime) -> pd.Series[float]:
    rows = known_rows(tables, "orders", day).filter(
        nw.col("ordered_at") >= day - timedelta(days=_YEAR_DAYS)
    )
    ordered = collect(rows.select("account_id", "amount")).groupby("account_id")["amount"].sum()
    return ordered.clip(lower=0.0) / _YEAR_MONTHS


def ratio_hint(ratio: float) -> str:
    """Return what explains that money is so many times what it should be; empty where unknown.

    Examples
    --------
    >>> ratio_hint(99.2)
    ', about 100 times as much: amounts in cents instead of whole units?'
    >>> ratio_hint(1.3)
    ''
    """
    for usual, why in _RATIOS.items():
        if abs(ratio / usual - 1) <= 0.1:
            times = f"{usual:.0f} times as much" if usual > 1 else f"a {1 / usual:.0f}th"
            return f", about {times}: {why}?"
    return ""
