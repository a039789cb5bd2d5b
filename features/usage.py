"""Use: who used what, how often, and whether that is more or less than it used to be."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from features.day_rows import day_number
from features.tables import Tables
from features.usage_catalogue import FEATURES
from features.usage_events import breadth
from features.usage_levels import WINDOWS, Columns, levels, peak_users
from features.usage_quota import fullest, quota_use, quotas
from features.usage_rollup import REACH_DAYS, DailyUse, roll_up
from features.usage_users import FROM_USERS, Users

__all__ = ["FEATURES", "build", "quota_levels"]

_TRENDS = [f"usage_{name}_trend" for name in ("events", "users", "active_days")]


def build(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """Return the usage features of all dates, from one roll-up of the raw rows.

    Parameters
    ----------
    tables : Tables
        Where usage is absent every feature is NaN.
    spine : pd.DataFrame
        account_id, as_of and created_at, ordered by as_of; seats where contracts tell them.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_features)
        The spine's index; a float column per feature.
    """
    names = [feature.name for feature in FEATURES]
    if spine.empty or not tables.has("usage"):
        return pd.DataFrame(np.nan, index=spine.index, columns=names)
    use, held = roll_up(tables, spine["as_of"]), quotas(tables)
    users = Users(use) if use.has_users else None
    parts = []
    for as_of in spine["as_of"].drop_duplicates():
        accounts = spine.loc[spine["as_of"] == as_of, "account_id"]
        told = pd.DataFrame(_columns(use, users, day_number(as_of)), index=use.accounts)
        told = told.join(fullest(quota_use(held, use, as_of)), how="outer")
        parts.append(told.reindex(accounts).set_axis(accounts.index))
    out = _with_habits(pd.concat(parts), spine)
    return out[names].astype(float)


def quota_levels(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
    """Return how full the quota of each product is: as_of, and the columns of `quota_use`."""
    use, held = roll_up(tables, spine["as_of"]), quotas(tables)
    dates = spine["as_of"].drop_duplicates()
    parts = [quota_use(held, use, as_of).assign(as_of=as_of) for as_of in dates]
    paying = pd.concat(parts).merge(spine[["account_id", "as_of"]], on=["account_id", "as_of"])
    return paying[["as_of", *[c for c in paying.columns if c != "as_of"]]]


def _columns(use: DailyUse, users: Users | None, as_of: int) -> Columns:
    """Return every value that is told per account of `use` as of a day."""
    out = levels(use, as_of) | breadth(use, as_of)
    if users is None:
        active = peak_users(use, as_of)
        out |= {name: np.full(len(use.accounts), np.nan) for name in FROM_USERS}
    else:
        active = users.active(as_of)
        out |= users.columns(as_of)
    for window in WINDOWS:
        out[f"usage_active_users_{window}d"] = active[str(window)]
    out["usage_users_trend"] = np.log((active["28"] + 1.0) / (active["before"] + 1.0))
    return out


def _with_habits(told: pd.DataFrame, spine: pd.DataFrame) -> pd.DataFrame:
    """Blank what an account has no history for, and add what rests on the spine."""
    ever = told["ever"] == True  # noqa: E712
    levels_of_use = [c for c in told.columns if c != "ever" and not c.startswith("usage_quota")]
    told[levels_of_use] = told[levels_of_use].where(ever, axis=0)
    old = spine["created_at"] <= spine["as_of"] - timedelta(days=REACH_DAYS)
    habits = [*_TRENDS, "usage_weekend_share_change"]
    told[habits] = told[habits].where(old, axis=0)
    fleet = told.groupby(spine["as_of"])["usage_events_trend"].transform("median")
    told["usage_events_vs_fleet_trend"] = told["usage_events_trend"] - fleet
    seats = spine["seats"] if "seats" in spine else pd.Series(np.nan, index=spine.index)
    told["usage_seat_utilisation_28d"] = told["usage_active_users_28d"] / seats.where(seats > 0)
    return told
