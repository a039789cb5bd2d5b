"""What the feature engine is measured against, each written as one would without it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from tests.benchmarks.features_data import EVENTS

#: Windows of what is summed up of use and of orders.
_USE_DAYS, _ORDER_DAYS = (7, 28, 90, 126), (90, 365)
#: Of the other tables that features are made from the numbers, and the texts and times.
_OTHERS = {
    "subscriptions": (
        ("mrr", "list_mrr", "billing_months", "seats", "quota"),
        ("product", "plan", "quota_event", "started_at", "ended_at", "renews_at", "notice_at"),
    ),
    "tickets": (
        ("csat",),
        (
            *("opened_at", "first_replied_at", "solved_at", "reopened_at", "csat_at"),
            *("requester_id", "priority", "channel", "escalated"),
        ),
    ),
    "surveys": (
        ("score", "expected"),
        ("kind", "sent_at", "answered_at", "respondent_id", "role"),
    ),
}


def duckdb_sums(folder: Path, as_of: datetime) -> int:
    """Sum the columns that features are made from per account in one query: the scan limit.

    Use and orders in windows, the other tables as a whole. What cannot be summed, texts and times,
    is counted, which reads a column and does nothing else with it.
    """
    connection = duckdb.connect(config={"preserve_insertion_order": "false"})
    use = _windows(("quantity", "errors"), "occurred_at", as_of, _USE_DAYS)
    orders = _windows(("amount",), "ordered_at", as_of, _ORDER_DAYS)
    parts = {
        "use": f"{use}, count(user_id), count(event) FROM read_parquet('{folder}/usage/*.parquet') "
        f"WHERE occurred_at < TIMESTAMP '{as_of}'",
        "orders": f"{orders} FROM '{folder}/orders.parquet' WHERE ordered_at < TIMESTAMP '{as_of}'",
    }
    for name, (numbers, others) in _OTHERS.items():
        result = [
            *(f"sum({column})" for column in numbers),
            *(f"count({column})" for column in others),
        ]
        parts[name] = f"{', '.join(result)} FROM '{folder}/{name}.parquet'"
    tables = [f"(SELECT account_id, {part} GROUP BY 1) AS {name}" for name, part in parts.items()]
    query = " FULL JOIN ".join(
        [tables[0], *(f"{table} USING (account_id)" for table in tables[1:])]
    )
    return len(connection.execute(f"SELECT * FROM {query}").df())


def _windows(
    columns: tuple[str, ...], dated_by: str, as_of: datetime, windows: tuple[int, ...]
) -> str:
    """Return the sums of columns in windows of this many days, in SQL."""
    return ", ".join(
        f"sum({column}) FILTER ({dated_by} >= TIMESTAMP '{as_of - timedelta(days=days)}')"
        for days in windows
        for column in columns
    )


def pandas_usage(folder: Path, as_of: datetime, paying: pd.DataFrame) -> pd.DataFrame:
    """Make the features of use in plain pandas, one group-by after another.

    Parameters
    ----------
    folder : Path
        The company's tables.
    as_of : datetime
        The date.
    paying : pd.DataFrame
        account_id, created_at and seats of the accounts that pay on it.
    """
    use = pd.read_parquet(folder / "usage")
    use = use[use["occurred_at"] < as_of]
    use["ago"] = (pd.Timestamp(as_of) - use["occurred_at"].dt.floor("D")).dt.days
    index = pd.Index(paying["account_id"])
    out = pd.DataFrame(index=index)
    for days in (7, 28, 90):
        window = use[use["ago"] <= days]
        grouped = window.groupby("account_id")
        out[f"usage_active_users_{days}d"] = grouped["user_id"].nunique()
        out[f"usage_active_days_{days}d"] = grouped["ago"].nunique()
        out[f"usage_events_{days}d"] = grouped["quantity"].sum()
        out[f"usage_records_{days}d"] = grouped.size()
    month = use[use["ago"] <= 28]
    out = out.join(_breadth(use, month, index)).join(_people(use, month, index))
    errors = month.groupby("account_id")[["errors", "quantity"]].sum()
    last = use.groupby("account_id")["ago"].min()
    levels = [c for c in out.columns if c not in _NOT_ZERO]
    ever = pd.Series(index.isin(last.index), index=index)
    out[levels] = out[levels].fillna(0.0).where(ever, axis=0)
    out["usage_errors_per_100_events_28d"] = 100 * errors["errors"] / errors["quantity"]
    out["usage_recency_days"] = last - 1
    old = (paying["created_at"] <= as_of - timedelta(days=126)).to_numpy()
    out = out.join(_trends(use, index, out).where(old & ever, axis=0))
    fleet = out["usage_events_trend"].median()
    out["usage_events_vs_fleet_trend"] = out["usage_events_trend"] - fleet
    seats = paying["seats"].to_numpy()
    out["usage_seat_utilisation_28d"] = out["usage_active_users_28d"] / seats
    out["usage_seats_in_use_daily_28d"] = _user_days(month).reindex(index).fillna(0.0) / 28 / seats
    out.loc[~ever, "usage_seats_in_use_daily_28d"] = np.nan
    for days in (28, 90):
        user_days = _user_days(use[use["ago"] <= days])
        out[f"usage_days_per_user_{days}d"] = user_days / out[f"usage_active_users_{days}d"]
    return out.join(_quota(folder, use, as_of)).reset_index()


_NOT_ZERO = {"usage_top_user_share_28d", "usage_champions_silent", "usage_regular_share_28d"}


def _user_days(window: pd.DataFrame) -> pd.Series[float]:
    """Return the days of use of each account's users, those of each user counted."""
    days = window.groupby(["account_id", "user_id"])["ago"].nunique()
    return days.groupby("account_id").sum().astype(float)


def _breadth(use: pd.DataFrame, month: pd.DataFrame, index: pd.Index[str]) -> pd.DataFrame:
    earlier = use[(use["ago"] > 28) & (use["ago"] <= 56)]
    now = month[["account_id", "event"]].drop_duplicates()
    before = earlier[["account_id", "event"]].drop_duplicates()
    reached = before.groupby("event").size()
    kept = before.merge(now, on=["account_id", "event"]).groupby("event").size()
    enough = reached >= max(3, 0.05 * before["account_id"].nunique())
    sticky = enough & (kept.reindex(reached.index).fillna(0) >= 0.5 * reached)
    held = sticky[sticky].index
    out = pd.DataFrame(index=index)
    out["usage_distinct_events_28d"] = now.groupby("account_id").size()
    out["usage_breadth_share_28d"] = out["usage_distinct_events_28d"] / now["event"].nunique()
    own = now[now["event"].isin(held)].groupby("account_id").size()
    out["usage_sticky_share_28d"] = own.reindex(index) / len(held)
    return out


def _people(use: pd.DataFrame, month: pd.DataFrame, index: pd.Index[str]) -> pd.DataFrame:
    out = pd.DataFrame(index=index)
    who = ["account_id", "user_id"]
    done = month.groupby(who)["quantity"].sum()
    per_account = done.groupby("account_id")
    out["usage_top_user_share_28d"] = per_account.max() / per_account.sum()
    days = month.groupby(who)["ago"].nunique()
    out["usage_regular_share_28d"] = (days >= 4).groupby("account_id").mean()
    first = use.groupby(who)["ago"].max()
    out["usage_new_users_28d"] = (first <= 28).groupby("account_id").sum()
    quarter = use[(use["ago"] > 28) & (use["ago"] <= 118)].groupby(who)["quantity"].sum()
    quarter = quarter.reset_index().sort_values(
        ["account_id", "quantity", "user_id"], ascending=[True, False, True]
    )
    champions = quarter.groupby("account_id").head(3)
    silent = ~pd.MultiIndex.from_frame(champions[who]).isin(days.index)
    out["usage_champions_silent"] = (
        pd.Series(silent, index=champions["account_id"]).groupby(level=0).mean()
    )
    return out


def _trends(use: pd.DataFrame, index: pd.Index[str], levels: pd.DataFrame) -> pd.DataFrame:
    recent = use[use["ago"] <= 126]
    week = (recent["ago"] - 1) // 7
    quantity = recent.pivot_table(
        index="account_id", columns=week, values="quantity", aggfunc="sum"
    )
    days = recent.pivot_table(index="account_id", columns=week, values="ago", aggfunc="nunique")
    out = pd.DataFrame(index=index)
    for name, table, smoothing in (("events", quantity, 1.0), ("active_days", days, 0.5)):
        whole = table.reindex(index=index, columns=range(18)).fillna(0.0)
        now, before = whole.iloc[:, :4].median(axis=1), whole.iloc[:, 5:].median(axis=1)
        out[f"usage_{name}_trend"] = np.log((now + smoothing) / (before + smoothing))
    earlier = recent[(recent["ago"] > 35) & (recent["ago"] <= 63)]
    users = earlier.groupby("account_id")["user_id"].nunique().reindex(index).fillna(0.0)
    out["usage_users_trend"] = np.log((levels["usage_active_users_28d"] + 1) / (users + 1))
    weekend = recent[recent["occurred_at"].dt.dayofweek >= 5]
    shares = []
    for low, high in ((0, 28), (35, 126)):
        whole = recent[(recent["ago"] > low) & (recent["ago"] <= high)]
        part = weekend[(weekend["ago"] > low) & (weekend["ago"] <= high)]
        sums = whole.groupby("account_id")["quantity"].sum()
        at_weekends = part.groupby("account_id")["quantity"].sum().reindex(sums.index).fillna(0.0)
        shares.append(at_weekends / sums)
    out["usage_weekend_share_change"] = shares[0] - shares[1]
    return out


def _quota(folder: Path, use: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    held = pd.read_parquet(folder / "subscriptions.parquet")
    running = (held["started_at"] < as_of) & ~(held["ended_at"] < as_of) & (held["quota"] > 0)
    limits = held[running].groupby(["account_id", "quota_event"])["quota"].sum().reset_index()
    month = use[(use["ago"] <= 30) & use["event"].isin(limits["quota_event"])]
    keys = ["account_id", "event"]
    used = month.groupby(keys)["quantity"].sum().rename("used")
    recent = month[month["ago"] <= 28]
    weeks = recent.pivot_table(
        index=keys, columns=(recent["ago"] - 1) // 7, values="quantity", aggfunc="sum"
    )
    pace = weeks.reindex(columns=range(4)).fillna(0.0).median(axis=1).rename("pace") / 7
    whole = limits.rename(columns={"quota_event": "event"}).merge(
        used.reset_index(), on=keys, how="left"
    )
    whole = whole.merge(pace.reset_index(), on=keys, how="left").fillna({"used": 0.0, "pace": 0.0})
    left = (whole["quota"] - whole["used"]).clip(lower=0)
    whole["share"] = whole["used"] / whole["quota"]
    whole["days"] = (left / whole["pace"].replace(0.0, np.nan)).where(left > 0, 0.0)
    whole["near"] = (whole["share"] >= 0.8).astype(float)
    grouped = whole.groupby("account_id")
    return pd.DataFrame(
        {
            "usage_quota_use_30d": grouped["share"].max(),
            "usage_quota_days_to_limit": grouped["days"].min(),
            "usage_quotas_near_limit": grouped["near"].sum(),
        }
    )


def featuretools_usage(folder: Path, dates: list[datetime]) -> int:
    """Make sums, counts and trends of use with featuretools and cutoff times; return its columns.

    Four windows, as far as ours reach, of four primitives: fewer and simpler features than ours,
    without trends, habits, champions or quotas.
    """
    import featuretools as ft  # noqa: PLC0415

    use = pd.read_parquet(folder / "usage").reset_index(names="row")
    accounts = pd.read_parquet(folder / "accounts.parquet")[["account_id", "created_at"]]
    use = use[use["event"].isin(EVENTS)]
    entities = ft.EntitySet("company")
    entities.add_dataframe(
        dataframe_name="accounts", dataframe=accounts, index="account_id", time_index="created_at"
    )
    entities.add_dataframe(
        dataframe_name="usage", dataframe=use, index="row", time_index="occurred_at"
    )
    entities.add_relationship("accounts", "account_id", "usage", "account_id")
    cutoffs = pd.concat([accounts[["account_id"]].assign(time=day) for day in dates])
    columns = 0
    for days in (7, 28, 90, 126):
        options: dict[str, Any] = {
            "entityset": entities,
            "target_dataframe_name": "accounts",
            "cutoff_time": cutoffs,
            "training_window": f"{days} days",
            "agg_primitives": ["sum", "count", "num_unique", "max"],
            "trans_primitives": [],
            "max_depth": 1,
        }
        matrix, _ = ft.dfs(**options)
        columns += matrix.shape[1]
    return columns
