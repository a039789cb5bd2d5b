"""Accounts that are known to leave: their last day, and their value until then."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.windows.contracts import GRACE_DAYS, running_contracts
from health.business.risk import known_to_leave
from health.settings.config import Config
from models.clv.lifetime_value import discount_factors
from models.survival.peer_survival import DAYS_PER_MONTH

_MONTHS = 12


def terms_of_contracts(
    tables: Tables, features: pd.DataFrame, as_of: datetime, *, grace_days: int = GRACE_DAYS
) -> dict[str, pd.Series]:
    """Return when each account leaves or renews, and its plan, by column of scores.parquet.

    Parameters
    ----------
    tables : Tables
        The input tables.
    features : pd.DataFrame
        account_id, notice_given, mrr and days_to_renewal of one date.
    as_of : datetime
        The date.
    grace_days : int
        A gap between two rows of a contract that is shorter does not end it.

    Returns
    -------
    dict of str to pd.Series
        known_to_leave (notice was given), last_day (of those; NaT if no end is known),
        leaving_arr (a year of their MRR, NaN for all others), renewal_date (of all others; NaT
        if the term has none) and plan (of the contract that pays most), on the index of
        `features`.
    """
    leaves = known_to_leave(features)
    today = pd.Timestamp(as_of)
    rows = _running_rows(tables, as_of, grace_days)
    gone = rows[rows["account_id"].isin(features.loc[leaves, "account_id"])]
    by_account = gone.groupby("account_id")["end"]
    # The last end is unknown where one of them is.
    ends = by_account.max()[by_account.count() == by_account.size()]
    last_day = pd.to_datetime(features["account_id"].map(ends)).where(leaves)
    # Only known days: of missing ones, pandas 2 multiplies memory that it never set.
    days = features["days_to_renewal"].dropna()
    renewal = (today + pd.to_timedelta(days, unit="D")).reindex(features.index)
    plan = rows[rows["plan"].notna()].drop_duplicates("account_id").set_index("account_id")["plan"]
    return {
        "known_to_leave": leaves,
        "last_day": last_day.astype("datetime64[us]"),
        "leaving_arr": (features["mrr"] * _MONTHS).where(leaves),
        "renewal_date": renewal.where(~leaves).astype("datetime64[us]"),
        "plan": features["account_id"].map(plan).astype(object),
    }


def _running_rows(tables: Tables, as_of: datetime, grace_days: int) -> pd.DataFrame:
    """Return account_id, plan and planned end of each running contract, the largest first.

    An end beyond the data is a plan. One within the data was recorded afterwards, so on the date
    itself only the end of the term was known.
    """
    columns = ["ended_at", "plan", "renews_at"]
    rows = running_contracts(tables, as_of, grace_days=grace_days, columns=columns)
    rows = rows[rows["mrr"] > 0].copy()
    planned = rows["ended_at"].where(rows["ended_at"] >= tables.observed_until)
    end = planned.fillna(rows["renews_at"])
    rows["end"] = end.where(end >= pd.Timestamp(as_of))
    return rows.sort_values(["mrr", "plan"], ascending=[False, True]).reset_index(drop=True)


def value_until(scores: pd.DataFrame, config: Config) -> pd.Series[float]:
    """Return the discounted margin of each account until its last day.

    Parameters
    ----------
    scores : pd.DataFrame
        as_of, mrr (currency per month) and last_day; NaT gives NaN, because the value is not known
        without an end.
    config : Config
        Horizon, margin, discount rate.
    """
    days = (scores["last_day"] - scores["as_of"]).dt.total_seconds() / 86_400
    count = config.clv.horizon_months
    # The last month counts in part.
    months = (days / DAYS_PER_MONTH).to_numpy()[:, None] - np.arange(count)[None, :]
    weights = discount_factors(count, config.clv.discount_rate)
    shares = pd.Series(np.clip(months, 0.0, 1.0) @ weights, index=scores.index)
    return scores["mrr"] * config.clv.margin * shares
