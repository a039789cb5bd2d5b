"""MRR by account on any date: who pays, and how much, from contracts or orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features.commercial.contracts import COLUMNS, Contracts
from features.definitions.settings import FeatureSettings
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.contracts import load_contracts
from features.windows.observations import build_observations

_YEAR_DAYS, _YEAR_MONTHS = 365, 12
#: Ratios that result from typical mistakes, with the usual explanation.
_RATIOS = {
    100.0: "amounts in cents instead of whole units",
    12.0: "yearly prices taken as monthly",
    3.0: "quarterly prices taken as monthly",
    2.0: "a join or an export that doubles rows",
    1 / 12: "monthly prices divided by 12",
    1 / 100: "whole units taken as cents",
}


def paying_accounts(
    tables: Tables, dates: Sequence[datetime], settings: FeatureSettings
) -> dict[datetime, pd.Index[str]]:
    """Return the accounts that pay on each date, by date."""
    observations = build_observations(
        tables,
        dates,
        active_order_days=settings.active_order_days,
        grace_days=settings.grace_days,
        attributes=(),
    )
    # Ordered by date.
    ends = observations["as_of"].searchsorted(pd.to_datetime(list(dates)), side="right")
    begins = observations["as_of"].searchsorted(pd.to_datetime(list(dates)), side="left")
    return {
        day: pd.Index(observations["account_id"].iloc[begin:end])
        for day, begin, end in zip(dates, begins, ends, strict=True)
    }


def contract_mrr(
    tables: Tables, settings: FeatureSettings, paying: Mapping[datetime, pd.Index[str]]
) -> list[pd.Series[float]]:
    """Return the MRR of the accounts that pay on each date, by account_id.

    Parameters
    ----------
    tables : Tables
        The input tables.
    settings : FeatureSettings
        The grace period.
    paying : mapping of datetime to pd.Index of str
        As from `paying_accounts`.
    """
    everyone = [own.to_numpy(dtype=object) for own in paying.values()]
    accounts = pd.Index(pd.unique(np.concatenate([np.empty(0, dtype=object), *everyone])))
    if accounts.empty:
        return [pd.Series(dtype="float64") for _ in paying]
    contracts = load_contracts(tables, grace_days=settings.grace_days, columns=COLUMNS)
    rows = contracts.of(accounts)
    levels = Contracts(rows)
    return [
        pd.Series(levels.terms(rows.as_of(pd.Timestamp(day)))["mrr"], index=accounts)
        .reindex(own)
        .fillna(0.0)
        for day, own in paying.items()
    ]


def order_mrr(tables: Tables, paying: Mapping[datetime, pd.Index[str]]) -> list[pd.Series[float]]:
    """Return a twelfth of what each active customer ordered in the 365 days before each date.

    Parameters
    ----------
    tables : Tables
        The input tables.
    paying : mapping of datetime to pd.Index of str
        As from `paying_accounts`.
    """
    return [_ordered(tables, day).reindex(own).fillna(0.0) for day, own in paying.items()]


def _ordered(tables: Tables, day: datetime) -> pd.Series[float]:
    rows = known_rows(tables, "orders", day).filter(
        nw.col("ordered_at") >= day - timedelta(days=_YEAR_DAYS)
    )
    ordered = collect(rows.select("account_id", "amount")).groupby("account_id")["amount"].sum()
    return ordered.clip(lower=0.0) / _YEAR_MONTHS


def ratio_hint(ratio: float) -> str:
    """Return the usual explanation of a ratio of actual to expected money; empty if unknown.

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
