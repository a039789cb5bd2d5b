"""How long before an account left there was a warning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from health.backtest.bootstrap import Resampling, group_rates, median_of, share_of
from models.base.inputs import group_codes
from models.evaluation.ranking import Interval

_STEP_DAYS = 30


@dataclass(frozen=True)
class LeadTime:
    """Warnings before accounts left.

    Attributes
    ----------
    churned_accounts : int
        Accounts that left and had been scored in the time before.
    warned : int
        Those with at least one warning in that time.
    share_warned : Interval
        `warned` divided by `churned_accounts`.
    days : Interval
        Median days from the first warning in that time to the end, of accounts with a warning.
    usual_share : float
        Share of all rows with a warning: a warning is worth something only if it is rare otherwise.
    """

    churned_accounts: int
    warned: int
    share_warned: Interval
    days: Interval
    usual_share: float


def lead_time(
    rows: pd.DataFrame,
    warned: pd.Series[bool],
    churns: pd.DataFrame,
    *,
    lead_days: int,
    resampling: Resampling,
) -> LeadTime:
    """Measure how early a warning came.

    Parameters
    ----------
    rows : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of.
    warned : pd.Series of bool, shape = (n_rows,)
        Whether there was a warning.
    churns : pd.DataFrame
        account_id, churned_at.
    lead_days : int
        How long before the end a warning counts.
    resampling : Resampling
        Number of resamples and seed.
    """
    before = days_before(rows, churns, lead_days)
    leads = before[warned.loc[before.index]].groupby(rows["account_id"]).max()
    accounts = rows.loc[before.index, "account_id"].unique()
    held = np.isin(accounts.astype(str), leads.index.astype(str)).astype(float)
    return LeadTime(
        churned_accounts=len(accounts),
        warned=len(leads),
        share_warned=share_of(held, resampling),
        days=median_of(np.asarray(leads, dtype=np.float64), resampling),
        usual_share=float(warned.mean()) if len(warned) else float("nan"),
    )


def days_before(rows: pd.DataFrame, churns: pd.DataFrame, lead_days: int) -> pd.Series[float]:
    """Return the days from each row to its account's end, for rows within `lead_days` of it."""
    ends = rows["account_id"].map(churns.set_index("account_id")["churned_at"])
    days = (ends - rows["as_of"]).dt.total_seconds() / 86_400
    return days[(days > 0) & (days <= lead_days)]


def approach(
    rows: pd.DataFrame,
    warned: pd.Series[bool],
    churns: pd.DataFrame,
    *,
    lead_days: int,
    resampling: Resampling,
) -> pd.DataFrame:
    """Return the share with a warning by time before the end; it should rise towards the end.

    Returns
    -------
    pd.DataFrame, shape = (n_steps, 11)
        As `group_rates`, furthest from the end first; empty if nobody left.
    """
    before = days_before(rows, churns, lead_days)
    if before.empty:
        return pd.DataFrame()
    steps = [
        (start, min(start + _STEP_DAYS, lead_days)) for start in range(0, lead_days, _STEP_DAYS)
    ]
    names = [f"{start}-{end}" for start, end in steps]
    place = np.minimum((np.ceil(before).astype(int) - 1) // _STEP_DAYS, len(steps) - 1)
    return group_rates(
        place.map(dict(enumerate(names))),
        warned.loc[before.index].astype(float),
        group_codes(rows.loc[before.index, "account_id"], len(before)),
        resampling,
        order=names[::-1],
    )
