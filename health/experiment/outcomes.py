"""Outcomes of accounts after their assignment, and their state before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.targets.labels import build_labels
from features.windows.contracts import known_spans
from health.runs.directory import PublishedRun

#: Maximum distance between a date and the run that is used for it.
_NEAR = pd.Timedelta(days=14)
#: State of the accounts before the assignment; the arms should be similar in each.
BASELINE = ("mrr", "tenure_days", "health_score", "churn_probability")


def with_outcomes(
    assigned: pd.DataFrame,
    tables: Tables,
    runs: Sequence[PublishedRun],
    until: datetime,
    *,
    horizon_days: int,
    grace_days: int,
) -> pd.DataFrame:
    """Join what was known before the assignment and what followed within the horizon.

    Parameters
    ----------
    assigned : pd.DataFrame
        account_id, as_of, arm of one experiment.
    tables : Tables
        Subscriptions and accounts.
    runs : sequence of PublishedRun
        For health before and after; a run at most 14 days before, or after, the date is used.
    until : datetime
        Exclusive end of what is known.
    horizon_days, grace_days : int
        Horizon and grace period of the churn label.

    Returns
    -------
    pd.DataFrame
        The rows whose account paid on the date, with `BASELINE`, churned (1, 0, or NaN if not
        known yet), mrr_change and health_change (NaN if not known).
    """
    known = tables.until(min(until, tables.observed_until))
    rows = assigned.reset_index(drop=True)
    subscriptions = known_spans(known, known.observed_until, grace_days=grace_days)
    rows["mrr"] = _mrr(subscriptions, rows, pd.Timedelta(0))
    rows = rows[rows["mrr"] > 0].reset_index(drop=True)
    created = collect(known["accounts"].select("account_id", "created_at"))
    born = rows["account_id"].map(created.set_index("account_id")["created_at"])
    first = rows["account_id"].map(subscriptions.groupby("account_id")["started_at"].min())
    born = born.where(born < first, first)
    rows["tenure_days"] = (rows["as_of"] - born).dt.total_seconds() / 86_400
    horizon = pd.Timedelta(days=horizon_days)
    labels = build_labels(
        known, rows[["account_id", "as_of"]], horizon_days=horizon_days, grace_days=grace_days
    )
    rows = rows.merge(labels[["account_id", "as_of", "churned"]], on=["account_id", "as_of"])
    passed = rows["as_of"] + horizon <= pd.Timestamp(known.observed_until)
    later = _mrr(subscriptions, rows, horizon)
    rows["mrr_change"] = (later - rows["mrr"]).where(passed)
    before = _of_runs(runs, rows, rows["as_of"], later=False)
    after = _of_runs(runs, rows, rows["as_of"] + horizon, later=True)
    rows["health_score"] = before["health_score"]
    rows["churn_probability"] = before["churn_probability"]
    rows["health_change"] = after["health_score"] - before["health_score"]
    return rows


def _mrr(subscriptions: pd.DataFrame, rows: pd.DataFrame, after: pd.Timedelta) -> pd.Series[float]:
    """Return the MRR of each row's account some time after its date; 0 if it pays nothing."""
    keyed = rows[["account_id", "as_of"]].rename_axis("row").reset_index()
    both = keyed.merge(subscriptions, on="account_id")
    when = both["as_of"] + after
    runs = (both["started_at"] <= when) & (both["ended_at"].isna() | (both["ended_at"] > when))
    paid = both[runs].groupby("row")["mrr"].sum()
    return paid.reindex(rows.index, fill_value=0.0)


def _of_runs(
    runs: Sequence[PublishedRun], rows: pd.DataFrame, dates: pd.Series[pd.Timestamp], *, later: bool
) -> pd.DataFrame:
    """Return health and churn probability in the run nearest to each row's date, on one side."""
    columns = ["health_score", "churn_probability"]
    found = pd.DataFrame(np.nan, index=rows.index, columns=columns)
    days = pd.Series([pd.Timestamp(run.as_of) for run in runs], dtype="datetime64[us]")
    for date, own in rows.groupby(dates):
        gaps = days - date if later else date - days
        near = gaps[(gaps >= pd.Timedelta(0)) & (gaps <= _NEAR)]
        if near.empty:
            continue
        run = runs[int(near.idxmin())]
        scores = run.table("scores", ["account_id", *columns]).set_index("account_id")
        found.loc[own.index] = scores.reindex(own["account_id"]).to_numpy()
    return found
