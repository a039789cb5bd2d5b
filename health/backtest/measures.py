"""What each measure of the scorecard is worth on its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from health.backtest.bootstrap import Resampling, measured
from health.backtest.lead_time import LeadTime, lead_time
from models.base.inputs import group_codes
from models.evaluation.ranking import Interval, RankingMeasures

#: Below this many points a measure alone counts as a warning.
WARNS_BELOW = 50.0


@dataclass(frozen=True)
class MeasureWorth:
    """One measure alone.

    Attributes
    ----------
    feature : str
        Its name in the catalogue.
    coverage : float
        Share of the rows that have a value, 0-1.
    churned_accounts : int
        Accounts that left, among the rows with a value and a known outcome.
    auc, lift_top_decile : Interval
        Of its points alone, the fewest first; NaN if fewer than `least_churned` accounts left, or
        if its points never differ.
    lead : LeadTime
        From the first date with fewer than 50 points.
    """

    feature: str
    coverage: float
    churned_accounts: int
    auc: Interval
    lift_top_decile: Interval
    lead: LeadTime


def measure_worth(
    rows: pd.DataFrame,
    points: pd.DataFrame,
    churns: pd.DataFrame,
    *,
    least_churned: int,
    lead_days: int,
    resampling: Resampling,
) -> tuple[MeasureWorth, ...]:
    """Evaluate every measure on the rows where it has a value, the best AUC first.

    Parameters
    ----------
    rows : pd.DataFrame, shape = (n_rows, n_columns)
        account_id, as_of, churned (NaN where not known).
    points : pd.DataFrame, shape = (n_rows, n_measures)
        0-100, NaN where missing.
    churns : pd.DataFrame
        account_id, churned_at.
    least_churned : int
        Minimum number of accounts that left for a measure to be evaluated.
    lead_days : int
        How long before the end a warning counts.
    resampling : Resampling
        Number of resamples and seed.
    """
    judged = [
        _worth(rows, points[name], churns, least_churned, lead_days, resampling) for name in points
    ]
    return tuple(sorted(judged, key=lambda m: (-np.nan_to_num(m.auc.value, nan=-1.0), m.feature)))


def _worth(
    rows: pd.DataFrame,
    points: pd.Series[float],
    churns: pd.DataFrame,
    least_churned: int,
    lead_days: int,
    resampling: Resampling,
) -> MeasureWorth:
    present = points.notna()
    known = present & rows["churned"].notna()
    churned = rows.loc[known & (rows["churned"] == 1), "account_id"].nunique()
    auc = lift = Interval(float("nan"), float("nan"), float("nan"))
    if churned >= least_churned and points[known].nunique() > 1:
        own = rows[known]
        ranking = RankingMeasures(
            own["churned"].to_numpy(dtype=float),
            -np.asarray(points[known], dtype=np.float64),
            np.zeros(len(own), dtype=np.int64),
            capacity=1,
        )
        codes = group_codes(own["account_id"], len(own))
        drawn = measured({"own": ranking}, codes, resampling)["own"]
        auc, lift = drawn["auc"].interval, drawn["lift_top_decile"].interval
    return MeasureWorth(
        feature=str(points.name),
        coverage=float(present.mean()),
        churned_accounts=int(churned),
        auc=auc,
        lift_top_decile=lift,
        lead=lead_time(
            rows, points < WARNS_BELOW, churns, lead_days=lead_days, resampling=resampling
        ),
    )
