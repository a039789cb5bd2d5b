"""Use of what a contract allows: how full each quota is, and how long it lasts."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.day_rows import day_number, summed
from features.point_in_time import collect
from features.tables import Tables
from features.usage_rollup import DailyUse

#: A quota is near its limit from this share on.
NEAR_LIMIT = 0.8
_COLUMNS = ["account_id", "product", "quota_event", "quota", "used_30d", "share", "days_to_limit"]


def quotas(tables: Tables) -> pd.DataFrame:
    """Return the subscription rows that hold a quota; empty where quotas are not recorded."""
    names = ["account_id", "product", "quota", "quota_event", "started_at", "ended_at"]
    if not (tables.has("subscriptions", "quota") and tables.has("subscriptions", "quota_event")):
        return pd.DataFrame(columns=names)
    names += ["known_at"] if tables.has("subscriptions", "known_at") else []
    held = (nw.col("quota") > 0) & ~nw.col("quota_event").is_null()
    return collect(tables["subscriptions"].filter(held).select(*names))


def quota_use(held: pd.DataFrame, use: DailyUse, as_of: Any) -> pd.DataFrame:
    """Return how full each product's quota is as of a date.

    Parameters
    ----------
    held : pd.DataFrame
        As `quotas` returns it.
    use : DailyUse
        The use rolled up.
    as_of : datetime
        The date; the quotas that run then count.

    Returns
    -------
    pd.DataFrame
        A row per account and product with a quota: account_id, product, quota_event, quota (of
        30 days, summed over the products that share the event), used_30d, share (used_30d over
        quota) and days_to_limit: what is left of the quota over the use of a typical day, where
        typical is the median of the last four weeks, so that one burst does not count; 0 where
        nothing is left, NaN where the typical week is silent.
    """
    day = pd.Timestamp(as_of)
    running = (held["started_at"] < day) & ~(held["ended_at"] < day)
    if "known_at" in held:
        running &= ~(held["known_at"] >= day)
    rows = held[running]
    products = rows[["account_id", "product", "quota_event"]].drop_duplicates()
    limits = rows.groupby(["account_id", "quota_event"])[["quota"]].sum().reset_index()
    limits = limits.join(_used(limits, use, day_number(day)))
    limits["share"] = limits["used_30d"] / limits["quota"]
    left = (limits["quota"] - limits["used_30d"]).clip(lower=0.0)
    pace = limits.pop("pace")
    limits["days_to_limit"] = (left / pace.where(pace > 0)).where(left > 0, 0.0)
    return products.merge(limits, on=["account_id", "quota_event"])[_COLUMNS]


def fullest(quota: pd.DataFrame) -> pd.DataFrame:
    """Return the quota features per account from `quota_use`."""
    per_account = quota.assign(near=quota["share"] >= NEAR_LIMIT).groupby("account_id")
    return pd.DataFrame(
        {
            "usage_quota_use_30d": per_account["share"].max(),
            "usage_quota_days_to_limit": per_account["days_to_limit"].min(),
            "usage_quotas_near_limit": per_account["near"].sum().astype(float),
        }
    )


def _used(limits: pd.DataFrame, use: DailyUse, as_of: int) -> pd.DataFrame:
    """Return used_30d and pace (a day's typical use) of each account and event."""
    account = use.accounts.get_indexer(pd.Index(limits["account_id"]))
    event = use.event_names.get_indexer(pd.Index(limits["quota_event"]))
    place = np.full(len(use.pairs), -1, dtype=np.int64)
    width = max(len(use.event_names), 1)
    wanted = np.where((account >= 0) & (event >= 0), account * width + event, -1)
    number = pd.Index(use.pairs[:, 0] * width + use.pairs[:, 1]).get_indexer(pd.Index(wanted))
    there = np.flatnonzero(number >= 0)
    place[number[there]] = there
    rows, count = use.events, len(limits)

    def of_limits(days: int) -> tuple[Any, Any, Any]:
        window = rows.within(as_of, days)
        mine = place[rows.member[window]]
        kept = mine >= 0
        return mine[kept], rows.values["quantity"][window][kept], rows.day[window][kept]

    month, quantity, _ = of_limits(30)
    used = summed(month, count, quantity)
    weekly, quantity, day = of_limits(28)
    weeks = summed(weekly * 4 + (as_of - 1 - day) // 7, count * 4, quantity).reshape(count, 4)
    pace = np.median(weeks, axis=1) / 7
    return pd.DataFrame({"used_30d": used, "pace": pace}, index=limits.index)
