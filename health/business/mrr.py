"""MRR by account on any date: who pays, and how much, from contracts or orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features.definitions.settings import FeatureSettings
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows
from features.windows.contracts import load_contracts
from features.windows.day_rows import summed
from features.windows.observations import PayingAccounts
from features.windows.table_columns import moment

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


def contract_mrr(
    tables: Tables, dates: Sequence[datetime], settings: FeatureSettings
) -> pd.DataFrame:
    """Return the MRR of the accounts that pay on each date, as known at the end of the data.

    A contract that is known to have been continued after a short gap is paid throughout, as it is
    in the company's books, however few continuations a usual lag could be learned from.

    Parameters
    ----------
    tables : Tables
        The input tables.
    dates : sequence of datetime
        Midnights.
    settings : FeatureSettings
        The grace period.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_dates)
        By account_id and date; NaN where an account does not pay.
    """
    contracts = load_contracts(tables, grace_days=settings.grace_days)
    rows = contracts.rows
    known = contracts.as_of(max(tables.observed_until, *dates))
    levels = {}
    for day in dates:
        runs = known.running(moment(pd.Timestamp(day)))
        paid = runs[contracts.is_paid[runs]]
        levels[day] = summed(rows.account[paid], rows.accounts, rows["mrr"][paid])
    found = pd.DataFrame(levels, index=rows.texts["account_id"].to_pandas())
    return found.where(found > 0)


def order_mrr(tables: Tables, paying: PayingAccounts) -> pd.DataFrame:
    """Return a twelfth of what each active customer ordered in the 365 days before each date.

    Parameters
    ----------
    tables : Tables
        The input tables.
    paying : PayingAccounts
        Who orders on the dates.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_dates)
        By account_id and date; NaN where an account is not active.
    """
    names = pd.Index(paying.accounts["account_id"].to_pandas())

    levels = {}
    for day, rows in zip(paying.days, paying.rows, strict=True):
        found = _ordered(tables, day.to_pydatetime()).reindex(names).fillna(0.0)
        levels[day] = np.full(len(names), np.nan)
        levels[day][rows] = found.to_numpy(dtype=np.float64)[rows]
    return pd.DataFrame(levels, index=names)


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
