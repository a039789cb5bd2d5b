"""Retention curves of cohorts and segments, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter

from models.base.inputs import as_floats


def retention_table(
    durations: Any, events: Any, groups: Any, days: Any, *, entry_days: Any = None
) -> pd.DataFrame:
    """Return the share of each group that is still present after some days (Kaplan & Meier 1958).

    Parameters
    ----------
    durations, events, entry_days
        As in `PeerSurvival.fit`.
    groups : array-like, shape = (n_samples,)
        Cohort (such as the quarter of the start) or segment.
    days : array-like, shape = (n_times,)
        Increasing days since the start.

    Returns
    -------
    pd.DataFrame, shape = (n_groups × n_times, 7)
        group, days, survival, low, high (95 %, log-log), at_risk, accounts. A group's rows end at
        the longest time for which any of its accounts was observed.
    """
    time = as_floats(durations, "durations")
    churned = as_floats(events, "events", len(time))
    entry = np.zeros(len(time)) if entry_days is None else as_floats(entry_days, "entry_days")
    seen = time > entry
    lifetimes = pd.DataFrame(
        {"time": time, "churned": churned, "entry": entry, "group": np.asarray(groups).astype(str)}
    )[seen]
    at = as_floats(days, "days")
    parts = [_of_group(str(name), part, at) for name, part in lifetimes.groupby("group")]
    return pd.concat(parts, ignore_index=True)


def cohorts(started: Any, freq: str = "Q") -> pd.Series[str]:
    """Return the cohort of each account, such as ``2025Q3``: the period in which it started."""
    return pd.Series(pd.to_datetime(started)).dt.to_period(freq).astype(str)


def _of_group(name: str, lifetimes: pd.DataFrame, days: Any) -> pd.DataFrame:
    reached = days[days <= lifetimes["time"].max()]
    fitted = KaplanMeierFitter().fit(
        lifetimes["time"], lifetimes["churned"], entry=lifetimes["entry"]
    )
    interval = fitted.confidence_interval_
    place = np.searchsorted(interval.index.to_numpy(), reached, side="right") - 1
    time, entry = lifetimes["time"].to_numpy(), lifetimes["entry"].to_numpy()
    return pd.DataFrame(
        {
            "group": name,
            "days": reached,
            "survival": fitted.survival_function_at_times(reached).to_numpy(),
            "low": interval.iloc[place, 0].to_numpy(),
            "high": interval.iloc[place, 1].to_numpy(),
            "at_risk": [int((((entry < t) | (entry == 0)) & (time >= t)).sum()) for t in reached],
            "accounts": len(lifetimes),
        }
    )
