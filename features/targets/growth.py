"""Growth within what is held: limits that come near, and a higher plan already tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import narwhals as nw
import numpy as np
import pandas as pd

from features.definitions.feature import Feature, Unit
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows, running

#: A limit further off than this is as good as none.
FAR_DAYS = 730.0
#: Days between the middles of the two spans of active users that `usage_users_trend` compares.
_GAP_DAYS = 35.0
_TRIED_DAYS, _FIRST_TRIED_DAYS = 28, 180


def _growth(
    name: str,
    window: int | None,
    unit: Unit,
    sentence: str,
    zero: str,
    null: str,
    *,
    table: str = "usage",
    size: bool = False,
) -> Feature:
    return Feature(f"growth_{name}", "growth", table, window, unit, 0, null, zero, sentence, size)


FEATURES: tuple[Feature, ...] = (
    _growth(
        "seats_in_use_90d",
        90,
        "share",
        "{value} of the seats were in use within 90 days",
        "no seat was in use within 90 days",
        "no seats in the contract, or never used",
    ),
    _growth(
        "seats_days_to_limit",
        63,
        "days",
        "Days until every seat is in use, at the pace of the last two months: {value}",
        "every seat is in use",
        "the number of users does not grow, or there are no seats",
    ),
    _growth(
        "higher_plan_tried_28d",
        _TRIED_DAYS,
        "count",
        "Has tried features of a higher plan in 28 days: {value} uses",
        "has not tried features of a higher plan in 28 days",
        "no features of a higher plan are known",
    ),
    _growth(
        "days_since_higher_plan",
        _FIRST_TRIED_DAYS,
        "days",
        "Days since features of a higher plan were last tried: {value}",
        "tried features of a higher plan on the day before",
        "has not tried features of a higher plan in half a year",
    ),
    _growth(
        "plans_above",
        None,
        "count",
        "Plans above the one held: {value}",
        "holds the highest plan",
        "plans are not ordered in the configuration",
        table="subscriptions",
        size=True,
    ),
    _growth(
        "days_since_expansion",
        None,
        "days",
        "Days since it last began to pay more for what it holds: {value}",
        "began to pay more on the day before",
        "has never begun to pay more",
        table="subscriptions",
    ),
)
NAMES = tuple(feature.name for feature in FEATURES)


def growth_features(
    tables: Tables,
    features: pd.DataFrame,
    *,
    plans: Sequence[str] = (),
    plan_events: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Describe accounts × dates by how near they are to needing more of what they hold.

    Parameters
    ----------
    tables : Tables
        Needs subscriptions.
    features : pd.DataFrame
        The feature table of these dates.
    plans : sequence of str
        The plans, lowest first.
    plan_events : mapping of str to sequence of str, optional
        Events that only a plan and those above it include; use by an account on a lower plan is
        a trial.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, 6)
        On the index of `features`; float64 columns named as in `FEATURES`.
    """
    out = pd.DataFrame(np.nan, index=features.index, columns=list(NAMES))
    seats = features["seats"].where(features["seats"] > 0)
    out["growth_seats_in_use_90d"] = features["usage_active_users_90d"] / seats
    out["growth_seats_days_to_limit"] = seats_days_to_limit(features)
    for when in pd.to_datetime(features["as_of"].unique()):
        own = features.loc[features["as_of"] == when, "account_id"]
        found = _as_of(tables, when.to_pydatetime(), plans, plan_events or {}).reindex(own)
        out.loc[own.index, list(found.columns)] = found.to_numpy()
    return out.astype(float)


def seats_days_to_limit(features: pd.DataFrame) -> pd.Series[float]:
    """Return the days until every seat is in use, if active users go on growing as they did.

    The pace is that of two spans of four weeks, so that a day's rush changes little.

    Parameters
    ----------
    features : pd.DataFrame
        With seats, usage_active_users_28d and usage_users_trend, the logarithm of the users of
        28 days over those of the 28 days that ended 35 days ago, each with one added.

    Returns
    -------
    pd.Series of float
        0-730; NaN where users do not grow and seats are free, or where either is not known.
    """
    users, seats = features["usage_active_users_28d"], features["seats"]
    before = (users + 1.0) / np.exp(features["usage_users_trend"]) - 1.0
    pace = (users - before) / _GAP_DAYS
    free = seats.where(seats > 0) - users
    days: pd.Series[float] = (free / pace.where(pace > 1e-9)).clip(0.0, FAR_DAYS)
    days[free <= 0] = 0.0
    return days


def _as_of(
    tables: Tables, day: datetime, plans: Sequence[str], plan_events: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    found = _days_since_expansion(tables, day).to_frame("growth_days_since_expansion")
    if not plans or not tables.has("subscriptions", "plan"):
        return found
    rank = highest_plan(tables, day, plans)
    found = found.join((len(plans) - 1 - rank).rename("growth_plans_above"), how="outer")
    if plan_events and tables.has("usage"):
        found = found.join(_higher_plan(tables, day, rank, plans, plan_events), how="outer")
    return found


def highest_plan(tables: Tables, as_of: datetime, plans: Sequence[str]) -> pd.Series[float]:
    """Return the place in `plans` (0 = lowest) of the highest plan held, by account_id."""
    rows = running(tables, as_of).filter((nw.col("mrr") > 0) & nw.col("plan").is_in(list(plans)))
    held = collect(rows.select("account_id", "plan").unique())
    place = held["plan"].map({plan: float(i) for i, plan in enumerate(plans)})
    highest: pd.Series[float] = place.groupby(held["account_id"]).max()
    return highest


def _higher_plan(
    tables: Tables,
    day: datetime,
    rank: pd.Series[float],
    plans: Sequence[str],
    plan_events: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    least = {e: plans.index(plan) for plan, listed in plan_events.items() for e in listed}
    rows = known_rows(tables, "usage", day).filter(
        (nw.col("occurred_at") >= day - timedelta(days=_FIRST_TRIED_DAYS))
        & nw.col("event").is_in(list(least))
    )
    quantity = nw.col("quantity").fill_null(1.0) if tables.has("usage", "quantity") else nw.lit(1.0)
    recent = nw.col("occurred_at") >= day - timedelta(days=_TRIED_DAYS)
    uses = collect(
        rows.with_columns(n=quantity)
        .group_by("account_id", "event")
        .agg(
            nw.when(recent).then(nw.col("n")).otherwise(nw.lit(0.0)).sum().alias("uses"),
            nw.col("occurred_at").max().alias("last"),
        )
    )
    uses = uses[uses["event"].map(least).astype(float) > uses["account_id"].map(rank)]
    grouped = uses.groupby("account_id")
    age = pd.Timestamp(day) - pd.to_datetime(grouped["last"].max())
    tried = pd.DataFrame(index=rank.index)
    # On the highest plan there is nothing above to try.
    above = rank < max(least.values())
    summed = grouped["uses"].sum().reindex(rank.index).fillna(0.0)
    tried["growth_higher_plan_tried_28d"] = summed.where(above)
    tried["growth_days_since_higher_plan"] = np.ceil(age.dt.total_seconds() / 86_400) - 1
    return tried


def _days_since_expansion(tables: Tables, day: datetime) -> pd.Series[float]:
    """Return the days since MRR of one product last rose by 5 % or more, by account_id."""
    rows = known_rows(tables, "subscriptions", day).filter(nw.col("mrr") > 0)
    keys = ["account_id", "product"]
    starts = rows.select(*keys, nw.col("started_at").alias("at"), "mrr")
    ends = rows.filter(nw.col("ended_at") < day).select(
        *keys, nw.col("ended_at").alias("at"), -nw.col("mrr")
    )
    both = nw.concat([starts, ends], how="vertical")
    steps = collect(both.group_by(*keys, "at").agg(nw.col("mrr").sum())).sort_values([*keys, "at"])
    level = steps.groupby(keys)["mrr"].cumsum()
    before = level - steps["mrr"]
    rose = (before > 1e-6) & (level >= 1.05 * before)
    last = steps[rose].groupby("account_id")["at"].max()
    days: pd.Series[float] = np.floor((pd.Timestamp(day) - last).dt.total_seconds() / 86_400)
    return days
