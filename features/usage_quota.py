"""Use of what a contract allows: how full each quota is, and how long it lasts."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.day_rows import DayRows, Numbers, day_number
from features.point_in_time import collect
from features.tables import Tables
from features.usage_rollup import by_event, collected, rolled

#: A quota is near its limit from this share on.
NEAR_LIMIT = 0.8
#: A quota allows so much in so many days.
_REACH_DAYS = 30
_TIMES = {"started_at": "datetime64[us]", "ended_at": "datetime64[us]"}


class Quotas:
    """The quotas of all contracts and the use of them.

    Parameters
    ----------
    tables : Tables
        Subscriptions with quota and quota_event; without these no account has a quota.
    dates : pd.Series of datetime
        The dates that are asked for later.
    """

    def __init__(self, tables: Tables, dates: pd.Series[Any]) -> None:
        held = _held(tables)
        keys = held[["account_id", "quota_event"]].drop_duplicates(ignore_index=True)
        self._held = held.merge(keys.reset_index(names="limit"), on=["account_id", "quota_event"])
        self._keys = keys
        self._rows = _use_of(tables, keys, dates)

    def as_of(self, day: Any) -> pd.DataFrame:
        """Return how full each product's quota is as of a date.

        Returns
        -------
        pd.DataFrame
            A row per account and product with a quota that runs on the date: account_id, product,
            quota_event, quota (of 30 days, summed over the products that share the event),
            used_30d, share (used_30d over quota) and days_to_limit: what is left of the quota
            over the use of a typical day, where typical is the median of the last four weeks, so
            that one burst does not count; 0 where nothing is left, NaN where the typical week is
            silent.
        """
        date = pd.Timestamp(day)
        running = (self._held["started_at"] < date) & ~(self._held["ended_at"] < date)
        if "known_at" in self._held:
            running &= ~(self._held["known_at"] >= date)
        rows = self._held[running]
        quota = np.bincount(rows["limit"], rows["quota"], len(self._keys))
        used, pace = self._use(day_number(date))
        left = np.maximum(quota - used, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            lasts = np.where(pace > 0, left / pace, np.nan)
            share = used / quota
        lasts = np.where(left > 0, lasts, 0.0)
        products = rows[["account_id", "product", "quota_event", "limit"]].drop_duplicates()
        limit = products.pop("limit").to_numpy()
        figures = {"quota": quota, "used_30d": used, "share": share, "days_to_limit": lasts}
        return products.assign(**{name: value[limit] for name, value in figures.items()})

    def _use(self, as_of: int) -> tuple[Numbers, Numbers]:
        """Return the use in 30 days and a day's typical use of each limit."""
        count = len(self._keys)
        used = self._rows.totals(self._rows.within(as_of, _REACH_DAYS), "quantity", count)
        weeks = self._rows.per_week(self._rows.within(as_of, 28), as_of, 4, count, "quantity")
        return used, np.median(weeks, axis=1) / 7


def fullest(quota: pd.DataFrame) -> pd.DataFrame:
    """Return the quota features per account from `Quotas.as_of`."""
    per_account = quota.assign(near=quota["share"] >= NEAR_LIMIT).groupby("account_id")
    return pd.DataFrame(
        {
            "usage_quota_use_30d": per_account["share"].max(),
            "usage_quota_days_to_limit": per_account["days_to_limit"].min(),
            "usage_quotas_near_limit": per_account["near"].sum().astype(float),
        }
    )


def _held(tables: Tables) -> pd.DataFrame:
    """Return the subscription rows that hold a quota; empty where quotas are not recorded."""
    names = ["account_id", "product", "quota", "quota_event", "started_at", "ended_at"]
    if not (tables.has("subscriptions", "quota") and tables.has("subscriptions", "quota_event")):
        return pd.DataFrame(columns=names).astype({"quota": float, **_TIMES})
    names += ["known_at"] if tables.has("subscriptions", "known_at") else []
    held = (nw.col("quota") > 0) & ~nw.col("quota_event").is_null()
    return collect(tables["subscriptions"].filter(held).select(*names))


def _use_of(tables: Tables, keys: pd.DataFrame, dates: pd.Series[Any]) -> DayRows:
    """Return the use that counts against a limit by day, numbered by limit."""
    limit, day = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    known, quantity = np.empty(0), np.empty(0)
    if len(keys):
        counts = nw.col("event").is_in(keys["quota_event"].unique().tolist())
        start, end = day_number(dates.min()) - _REACH_DAYS, day_number(dates.max())
        for _, rows in rolled(tables, "events", by_event, start, end):
            use = collected(rows.filter(counts)).to_pandas()
            pairs = use.rename(columns={"event": "quota_event"}).astype(
                {"account_id": object, "quota_event": object}
            )
            use = pairs.merge(keys.reset_index(names="limit"), on=["account_id", "quota_event"])
            late = use["known"] if "known" in use else pd.Series(np.nan, index=use.index)
            limit, day = np.append(limit, use["limit"]), np.append(day, use["day"])
            known, quantity = np.append(known, late), np.append(quantity, use["quantity"])
    seen = None if np.isnan(known).all() else np.fmax(day, known).astype(np.int64)
    return DayRows.ordered(limit, limit, day, seen, {"quantity": quantity})
