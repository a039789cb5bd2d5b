"""Use: who used what, how often, and whether that is more or less than it used to be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.feature import Feature, Unit
from features.point_in_time import collect, known_rows, running, sum_where, within
from features.tables import Tables

#: The account's own baseline: weeks from BASELINE_DAYS to BUFFER_DAYS before the date. The week
#: between is a buffer, so that a slow fall does not hide itself in its own baseline.
RECENT_DAYS, BUFFER_DAYS, BASELINE_DAYS = 28, 35, 126
#: A regular is a user who was active on so many days of the last 28.
REGULAR_DAYS = 4


def _usage(
    name: str,
    window: int | None,
    unit: Unit,
    sentence: str,
    zero: str,
    *,
    direction: int = 1,
    null: str = "no use was ever recorded",
    size: bool = False,
) -> Feature:
    return Feature(
        f"usage_{name}", "usage", "usage", window, unit, direction, null, zero, sentence, size
    )


FEATURES = (
    *(
        _usage(
            f"active_users_{w}d",
            w,
            "count",
            f"Active users in the last {w} days: {{value}}",
            f"nobody was active in the last {w} days",
            null="no user was ever recorded",
            size=True,
        )
        for w in (7, 28, 90)
    ),
    *(
        _usage(
            f"active_days_{w}d",
            w,
            "count",
            f"Days with use in the last {w}: {{value}}",
            f"no use on any of the last {w} days",
        )
        for w in (28, 90)
    ),
    *(
        _usage(
            f"events_{w}d",
            w,
            "count",
            f"Actions in the last {w} days: {{value}}",
            f"no use in the last {w} days",
            size=True,
        )
        for w in (7, 28, 90)
    ),
    _usage(
        "distinct_events_28d",
        28,
        "count",
        "Different features used in 28 days: {value}",
        "no feature was used in 28 days",
    ),
    _usage(
        "breadth_share_28d",
        28,
        "share",
        "Uses {value} of the features that customers use",
        "no feature was used in 28 days",
    ),
    *(
        _usage(
            name,
            126,
            "ratio",
            f"{subject} {{value}} against {against}",
            f"{subject} unchanged against {against}",
            null="too young for a baseline of its own, or never used",
        )
        for name, subject, against in (
            ("events_trend", "Use is", "its own baseline"),
            ("users_trend", "The number of active users is", "two months ago"),
            ("active_days_trend", "The number of days with use is", "its own baseline"),
            ("events_vs_fleet_trend", "Use is", "the trend of all accounts"),
        )
    ),
    _usage(
        "recency_days",
        None,
        "days",
        "Days without use: {value}",
        "used on the day before",
        direction=-1,
    ),
    _usage(
        "seat_utilisation_28d",
        28,
        "share",
        "Active users in 28 days make up {value} of the seats",
        "no seat was in use in 28 days",
        null="no seats in the contract, or never used",
    ),
    _usage(
        "quota_use_30d",
        30,
        "share",
        "{value} of the fullest monthly quota was used",
        "nothing of the quota was used in 30 days",
        direction=0,
        null="no product with a quota",
    ),
    _usage(
        "errors_per_100_events_28d",
        28,
        "count",
        "Errors per 100 actions in 28 days: {value}",
        "no errors in 28 days",
        direction=-1,
        null="no use in 28 days, or errors are not recorded",
    ),
    _usage(
        "top_user_share_28d",
        28,
        "share",
        "The busiest user does {value} of what people did in 28 days",
        "no user stands out",
        direction=-1,
        null="no use in 28 days, or users are not recorded",
    ),
    _usage(
        "champions_silent",
        118,
        "share",
        "{value} of the most active users of the quarter before have gone quiet",
        "the most active users are still there",
        direction=-1,
        null="nobody was active in the quarter before, or users are not recorded",
    ),
    _usage(
        "new_users_28d",
        28,
        "count",
        "New users in 28 days: {value}",
        "no new user in 28 days",
        null="no user was ever recorded",
    ),
    _usage(
        "regular_share_28d",
        28,
        "share",
        "{value} of the active users are regulars (on 4 of 28 days or more)",
        "none of the active users is a regular (on 4 of 28 days or more)",
        null="nobody was active in 28 days, or users are not recorded",
    ),
)


def build(tables: Tables, as_of: datetime, accounts: pd.DataFrame) -> pd.DataFrame:
    """Return the usage features as of a date.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    as_of : datetime
        Only what was known before it counts.
    accounts : pd.DataFrame
        Indexed by account_id, with created_at and seats.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts, n_features)
        The index of `accounts`; a column per feature.
    """
    rows = _rows(tables, as_of)
    level = collect(_levels(rows, as_of)).set_index("account_id").reindex(accounts.index)
    ever = level["last_used"].notna()
    days = _active_days(rows, as_of).reindex(accounts.index).fillna(0.0)
    old = accounts["created_at"] <= as_of - timedelta(days=BASELINE_DAYS)
    out = pd.DataFrame(index=accounts.index)
    users, user_out = _users(rows, tables, as_of, level, accounts.index)
    for window in (7, 28, 90):
        out[f"usage_active_users_{window}d"] = users[window]
        out[f"usage_events_{window}d"] = level[f"events_{window}d"]
    for window in (28, 90):
        out[f"usage_active_days_{window}d"] = days[f"days_{window}d"].where(ever)
    out = out.join(_trends(level, users, days).where(ever & old, axis=0))
    measured = out["usage_events_trend"].dropna()
    fleet = measured.median() if len(measured) else np.nan
    out["usage_events_vs_fleet_trend"] = out["usage_events_trend"] - fleet
    since = pd.Timestamp(as_of) - pd.to_datetime(level["last_used"])
    out["usage_recency_days"] = np.ceil(since.dt.total_seconds() / 86_400) - 1
    seats = accounts["seats"].where(accounts["seats"] > 0)
    out["usage_seat_utilisation_28d"] = users[28] / seats
    errors = level["errors_28d"].where(level["errors_known"] > 0)
    out["usage_errors_per_100_events_28d"] = _share(errors, level["events_28d"]) * 100
    events = _events(rows, as_of)
    breadth = events[events["events_28d"] > 0].groupby("account_id").size()
    fleet_events = events.loc[events["events_28d"] > 0, "event"].nunique()
    out["usage_distinct_events_28d"] = breadth.reindex(out.index).fillna(0.0).where(ever)
    out["usage_breadth_share_28d"] = out["usage_distinct_events_28d"] / max(fleet_events, 1)
    out["usage_quota_use_30d"] = _quota_use(tables, as_of, events).reindex(out.index)
    return out.join(user_out)[[feature.name for feature in FEATURES]].astype(float)


def _rows(tables: Tables, as_of: datetime) -> nw.LazyFrame[Any]:
    """Return the usage known before the date, with every optional column present."""
    rows = known_rows(tables, "usage", as_of)
    kinds: dict[str, Any] = {"user_id": nw.String, "quantity": nw.Float64, "errors": nw.Float64}
    columns = [
        nw.col(name) if tables.has("usage", name) else nw.lit(None, dtype=kind).alias(name)
        for name, kind in (kinds | {"active_users": nw.Float64}).items()
    ]
    rows = rows.select("account_id", "event", "occurred_at", *columns)
    return rows.with_columns(nw.col("quantity").fill_null(1.0))


def _levels(rows: nw.LazyFrame[Any], as_of: datetime) -> nw.LazyFrame[Any]:
    """Sum up per account: one scan for every level."""
    quantity, recent = nw.col("quantity"), within("occurred_at", as_of, RECENT_DAYS)
    return rows.group_by("account_id").agg(
        nw.col("occurred_at").max().alias("last_used"),
        *(
            sum_where(within("occurred_at", as_of, w), quantity).alias(f"events_{w}d")
            for w in (7, 28, 90)
        ),
        sum_where(
            within("occurred_at", as_of, BASELINE_DAYS, until_days=BUFFER_DAYS), quantity
        ).alias("baseline"),
        nw.when(recent).then(nw.col("errors")).sum().alias("errors_28d"),
        nw.when(recent).then(nw.col("errors")).count().alias("errors_known"),
        *(
            nw.when(within("occurred_at", as_of, w))
            .then(nw.col("active_users"))
            .max()
            .alias(f"peak_users_{w}d")
            for w in (7, 28, 90)
        ),
        nw.when(within("occurred_at", as_of, 63, until_days=BUFFER_DAYS))
        .then(nw.col("active_users"))
        .max()
        .alias("peak_users_before"),
        nw.col("active_users").count().alias("users_counted"),
    )


def _active_days(rows: nw.LazyFrame[Any], as_of: datetime) -> pd.DataFrame:
    windowed = rows.filter(within("occurred_at", as_of, BASELINE_DAYS))
    daily = windowed.select("account_id", nw.col("occurred_at").dt.truncate("1d").alias("day"))
    counted = (
        daily.unique(["account_id", "day"])
        .group_by("account_id")
        .agg(
            sum_where(within("day", as_of, 28)).alias("days_28d"),
            sum_where(within("day", as_of, 90)).alias("days_90d"),
            sum_where(within("day", as_of, BASELINE_DAYS, until_days=BUFFER_DAYS)).alias(
                "baseline"
            ),
        )
    )
    return collect(counted).set_index("account_id")


def _events(rows: nw.LazyFrame[Any], as_of: datetime) -> pd.DataFrame:
    month = rows.filter(within("occurred_at", as_of, 30)).group_by("account_id", "event")
    recent = sum_where(within("occurred_at", as_of, 28), nw.col("quantity"))
    both = month.agg(recent.alias("events_28d"), nw.col("quantity").sum().alias("events_30d"))
    return collect(both)


def _users(
    rows: nw.LazyFrame[Any],
    tables: Tables,
    as_of: datetime,
    level: pd.DataFrame,
    index: pd.Index[str],
) -> tuple[dict[Any, pd.Series[float]], pd.DataFrame]:
    """Return active users by window and what is told from users one by one."""
    names = ["top_user_share_28d", "champions_silent", "new_users_28d", "regular_share_28d"]
    if not tables.has("usage", "user_id"):
        # Rows summed up before they reached us: the busiest day's users are a lower bound.
        counted = level["users_counted"] > 0
        ends = {7: "7d", 28: "28d", 90: "90d", "before": "before"}
        peaks = {
            key: level[f"peak_users_{end}"].fillna(0.0).where(counted) for key, end in ends.items()
        }
        return peaks, pd.DataFrame(np.nan, index=index, columns=[f"usage_{n}" for n in names])
    one = collect(_per_user(rows, as_of))
    grouped = one.groupby("account_id")
    counts = grouped[["in_7d", "in_28d", "in_90d", "before"]].sum().reindex(index)
    users: dict[Any, pd.Series[float]] = {w: counts[f"in_{w}d"] for w in (7, 28, 90)}
    users["before"] = counts["before"]
    out = pd.DataFrame(index=index)
    active = users[28].where(users[28] > 0)
    # Of what people did: machines that call an interface are nobody's colleagues.
    by_people = grouped["events_28d"]
    out["usage_top_user_share_28d"] = _share(by_people.max(), by_people.sum()).reindex(index)
    out["usage_champions_silent"] = _champions_silent(one).reindex(index)
    out["usage_new_users_28d"] = grouped["is_new"].sum().reindex(index)
    out["usage_regular_share_28d"] = grouped["regular"].sum().reindex(index) / active
    return users, out


def _per_user(rows: nw.LazyFrame[Any], as_of: datetime) -> nw.LazyFrame[Any]:
    """Sum up per account, user and day first, then per account and user."""
    daily = (
        rows.filter(~nw.col("user_id").is_null())
        .with_columns(nw.col("occurred_at").dt.truncate("1d").alias("day"))
        .group_by("account_id", "user_id", "day")
        .agg(nw.col("quantity").sum())
    )
    recent, quantity = within("day", as_of, RECENT_DAYS), nw.col("quantity")
    per_user = daily.group_by("account_id", "user_id").agg(
        nw.col("day").min().alias("first_day"),
        *(sum_where(within("day", as_of, w)).alias(f"days_{w}d") for w in (7, 28, 90)),
        sum_where(within("day", as_of, 63, until_days=BUFFER_DAYS)).alias("days_before"),
        sum_where(recent, quantity).alias("events_28d"),
        sum_where(within("day", as_of, 118, until_days=28), quantity).alias("quarter"),
    )
    return per_user.select(
        "account_id",
        "user_id",
        "events_28d",
        "quarter",
        *((nw.col(f"days_{w}d") > 0).cast(nw.Float64).alias(f"in_{w}d") for w in (7, 28, 90)),
        (nw.col("days_before") > 0).cast(nw.Float64).alias("before"),
        within("first_day", as_of, RECENT_DAYS).cast(nw.Float64).alias("is_new"),
        (nw.col("days_28d") >= REGULAR_DAYS).cast(nw.Float64).alias("regular"),
    )


def _champions_silent(users: pd.DataFrame) -> pd.Series[float]:
    """Return the share of the three most active users of the quarter who have gone quiet."""
    ordered = users[users["quarter"] > 0].sort_values(
        ["account_id", "quarter", "user_id"], ascending=[True, False, True]
    )
    champions = ordered.groupby("account_id").head(3)
    silent = (champions["in_28d"] == 0).astype(float)
    return silent.groupby(champions["account_id"]).mean()


def _quota_use(tables: Tables, as_of: datetime, events: pd.DataFrame) -> pd.Series[float]:
    """Return the fullest quota of each account: use of its event in 30 days over the quota."""
    if not (tables.has("subscriptions", "quota") and tables.has("subscriptions", "quota_event")):
        return pd.Series(dtype=float)
    limits = collect(
        running(tables, as_of)
        .filter((nw.col("quota") > 0) & ~nw.col("quota_event").is_null())
        .group_by("account_id", "quota_event")
        .agg(nw.col("quota").sum())
    )
    used = limits.merge(
        events.rename(columns={"event": "quota_event"}),
        on=["account_id", "quota_event"],
        how="left",
    )
    used["share"] = used["events_30d"].fillna(0.0) / used["quota"]
    fullest: pd.Series[float] = used.groupby("account_id")["share"].max()
    return fullest


def _trends(
    level: pd.DataFrame, users: dict[Any, pd.Series[float]], days: pd.DataFrame
) -> pd.DataFrame:
    """Return the trends, before it is asked who is old enough to have one."""
    return pd.DataFrame(
        {
            "usage_events_trend": _trend(level["events_28d"] / 4, level["baseline"] / 13, 1.0),
            "usage_users_trend": _trend(users[28], users["before"], 1.0),
            "usage_active_days_trend": _trend(days["days_28d"] / 4, days["baseline"] / 13, 0.5),
        }
    )


def _trend(now: pd.Series[float], before: pd.Series[float], smoothing: float) -> pd.Series[float]:
    """Return the logarithm of a level over the one before, smoothed so that zero is defined."""
    ratio = (now + smoothing) / (before + smoothing)
    return pd.Series(np.log(ratio), index=ratio.index)


def _share(part: pd.Series[float], whole: pd.Series[float]) -> pd.Series[float]:
    return part / whole.where(whole > 0)
