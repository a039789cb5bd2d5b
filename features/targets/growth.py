"""Growth within the products an account owns: approaching limits, trials of a higher plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import narwhals as nw
import numpy as np
import pandas as pd

from features.definitions.feature import Feature, FeatureFamily
from features.rollups.usage_rollup import known_parts
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.windows.contracts import GRACE_DAYS, known_spans, running_contracts
from features.windows.day_rows import day_number, day_of

#: A limit further away than this counts as no limit.
FAR_DAYS = 730.0
#: Days between the middles of the two spans of active users that `usage_users_trend` compares.
_GAP_DAYS = 35.0
_TRIED_DAYS, _FIRST_TRIED_DAYS = 28, 180

_GROWTH = FeatureFamily(name="growth", table="usage", prefix="growth_", direction=0)
FEATURES: tuple[Feature, ...] = (
    _GROWTH.feature(
        name="seats_in_use_90d",
        window_days=90,
        unit="share",
        sentence="{value} of seats were used in the last 90 days",
        zero_means="no seat was used in the last 90 days",
        null_means="no seats in the contract, or never used",
    ),
    _GROWTH.feature(
        name="seats_days_to_limit",
        window_days=63,
        unit="days",
        sentence="At the pace of the last two months, every seat is taken in {value} days",
        zero_means="every seat is taken",
        null_means="the number of users is not growing, or there are no seats",
    ),
    _GROWTH.feature(
        name="higher_plan_tried_28d",
        window_days=_TRIED_DAYS,
        unit="count",
        sentence="Features of a higher plan tried in the last 28 days: {value} times",
        zero_means="no feature of a higher plan was tried in the last 28 days",
        null_means="no features of a higher plan are known",
    ),
    _GROWTH.feature(
        name="days_since_higher_plan",
        window_days=_FIRST_TRIED_DAYS,
        unit="days",
        sentence="Last tried a feature of a higher plan {value} days ago",
        zero_means="tried a feature of a higher plan yesterday",
        null_means="no feature of a higher plan was tried in the last 180 days",
    ),
    _GROWTH.feature(
        name="plans_above",
        unit="count",
        sentence="Plans above the current one: {value}",
        zero_means="is on the highest plan",
        null_means="the configuration does not rank the plans",
        table="subscriptions",
        size=True,
    ),
    _GROWTH.feature(
        name="days_since_expansion",
        unit="days",
        sentence="Last expanded a product {value} days ago",
        zero_means="expanded a product yesterday",
        null_means="never expanded a product",
        table="subscriptions",
    ),
)
NAMES = tuple(feature.name for feature in FEATURES)
#: Columns of the feature table that growth is computed from.
READS = (
    *("account_id", "as_of", "seats", "usage_users_trend"),
    *("usage_active_users_28d", "usage_active_users_90d"),
)


def growth_features(
    tables: Tables,
    features: pd.DataFrame,
    *,
    plans: Sequence[str] = (),
    plan_events: Mapping[str, Sequence[str]] | None = None,
    grace_days: int = GRACE_DAYS,
) -> pd.DataFrame:
    """Return how close accounts × dates are to needing more of what they own.

    Parameters
    ----------
    tables : Tables
        Needs subscriptions.
    features : pd.DataFrame
        The feature table of these dates; of its columns, `READS`.
    plans : sequence of str
        The plans, lowest first.
    plan_events : mapping of str to sequence of str, optional
        Events that only a plan and those above it include; use by an account on a lower plan is
        a trial.
    grace_days : int
        A gap between two rows of a contract that is shorter does not end it.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, 6)
        On the index of `features`; float64 columns with the names of `FEATURES`.
    """
    out = pd.DataFrame(np.nan, index=features.index, columns=list(NAMES))
    seats = features["seats"].where(features["seats"] > 0)
    out["growth_seats_in_use_90d"] = features["usage_active_users_90d"] / seats
    out["growth_seats_days_to_limit"] = seats_days_to_limit(features)
    for when in pd.to_datetime(features["as_of"].unique()):
        own = features.loc[features["as_of"] == when, "account_id"]
        day = when.to_pydatetime()
        found = _as_of(tables, day, plans, plan_events or {}, grace_days=grace_days).reindex(own)
        out.loc[own.index, list(found.columns)] = found.to_numpy()
    return out.astype(float)


def seats_days_to_limit(features: pd.DataFrame) -> pd.Series[float]:
    """Return the days until every seat is taken if active users keep growing at their pace.

    The pace compares two spans of four weeks, so that a single busy day changes little.

    Parameters
    ----------
    features : pd.DataFrame
        With seats, usage_active_users_28d and usage_users_trend, the logarithm of the users of
        28 days over those of the 28 days that ended 35 days ago, each with one added.

    Returns
    -------
    pd.Series of float
        0-730; NaN where users do not grow and seats are free, or where either is unknown.
    """
    users, seats = features["usage_active_users_28d"], features["seats"]
    before = (users + 1.0) / np.exp(features["usage_users_trend"]) - 1.0
    pace = (users - before) / _GAP_DAYS
    free = seats.where(seats > 0) - users
    days: pd.Series[float] = (free / pace.where(pace > 1e-9)).clip(0.0, FAR_DAYS)
    days[free <= 0] = 0.0
    return days


def _as_of(
    tables: Tables,
    day: datetime,
    plans: Sequence[str],
    plan_events: Mapping[str, Sequence[str]],
    *,
    grace_days: int,
) -> pd.DataFrame:
    expanded = _days_since_expansion(tables, day, grace_days)
    found = expanded.to_frame("growth_days_since_expansion")
    if not plans or not tables.has("subscriptions", "plan"):
        return found
    rank = highest_plan(tables, day, plans, grace_days=grace_days)
    found = found.join((len(plans) - 1 - rank).rename("growth_plans_above"), how="outer")
    if plan_events and tables.has("usage"):
        found = found.join(_higher_plan(tables, day, rank, plans, plan_events), how="outer")
    return found


def highest_plan(
    tables: Tables, as_of: datetime, plans: Sequence[str], *, grace_days: int = GRACE_DAYS
) -> pd.Series[float]:
    """Return the place in `plans` (0 = lowest) of the highest plan in use, by account_id."""
    rows = running_contracts(tables, as_of, grace_days=grace_days, columns=["plan"])
    owned = rows[(rows["mrr"] > 0) & rows["plan"].isin(plans)]
    place = owned["plan"].map({plan: float(i) for i, plan in enumerate(plans)})
    highest: pd.Series[float] = place.groupby(owned["account_id"]).max()
    return highest


def _higher_plan(
    tables: Tables,
    day: datetime,
    rank: pd.Series[float],
    plans: Sequence[str],
    plan_events: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    least = {e: plans.index(plan) for plan, listed in plan_events.items() for e in listed}
    end = day_number(day)
    recent = nw.col("day") >= day_of(end - _TRIED_DAYS).date()
    parts = [
        collect(
            rows.filter(nw.col("event").is_in(list(least)))
            .group_by("account_id", "event")
            .agg(
                nw.when(recent).then(nw.col("quantity")).otherwise(nw.lit(0.0)).sum().alias("uses"),
                nw.col("day").max().alias("last"),
            )
        )
        for rows in known_parts(tables, "events", end - _FIRST_TRIED_DAYS, end)
    ]
    uses = pd.concat(parts, ignore_index=True)
    uses = uses[uses["event"].map(least).astype(float) > uses["account_id"].map(rank)]
    grouped = uses.groupby("account_id")
    age = pd.Timestamp(day) - pd.to_datetime(grouped["last"].max())
    tried = pd.DataFrame(index=rank.index)
    # Accounts on the highest plan have nothing higher to try.
    above = rank < max(least.values())
    summed = grouped["uses"].sum().reindex(rank.index).fillna(0.0)
    tried["growth_higher_plan_tried_28d"] = summed.where(above)
    tried["growth_days_since_higher_plan"] = age.dt.days.astype(float) - 1
    return tried


def _days_since_expansion(tables: Tables, day: datetime, grace_days: int) -> pd.Series[float]:
    """Return the days since MRR of one product last rose by 5 % or more, by account_id."""
    rows = known_spans(tables, day, grace_days=grace_days)
    keys = ["account_id", "product"]
    over = rows[rows["ended_at"].notna()]
    both = pd.concat(
        [
            rows.rename(columns={"started_at": "at"}),
            over.assign(at=over["ended_at"], mrr=-over["mrr"]),
        ]
    )
    # A product with a single step never rose.
    both = both[both.duplicated(keys, keep=False)]
    steps = both.groupby([*keys, "at"], as_index=False)["mrr"].sum()
    level = steps.groupby(keys)["mrr"].cumsum()
    before = level - steps["mrr"]
    rose = (before > 1e-6) & (level >= 1.05 * before)
    last = steps[rose].groupby("account_id")["at"].max()
    days: pd.Series[float] = np.floor((pd.Timestamp(day) - last).dt.total_seconds() / 86_400)
    return days
