"""Contenders compared on the same rows: metrics, and paired differences to the health score."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from health.backtest.bootstrap import Drawn, Resampling, measured
from models.base.inputs import group_codes
from models.evaluation.ranking import Interval, RankingMeasures

#: Metrics by name, in the order they are shown.
METRICS = (
    "auc",
    "average_precision",
    "lift_top_decile",
    "precision_at_capacity",
    "recall_at_capacity",
)


@dataclass(frozen=True)
class Counts:
    """What the metrics were measured on."""

    rows: int
    events: int
    accounts: int
    churned_accounts: int
    dates: int
    first_date: str
    last_date: str

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Counts:
        """Count rows with a known outcome: account_id, as_of, churned."""
        churned = rows["churned"] == 1
        dates = rows["as_of"]
        return cls(
            rows=len(rows),
            events=int(churned.sum()),
            accounts=int(rows["account_id"].nunique()),
            churned_accounts=int(rows.loc[churned, "account_id"].nunique()),
            dates=int(dates.nunique()),
            first_date=str(dates.min().date()) if len(rows) else "",
            last_date=str(dates.max().date()) if len(rows) else "",
        )


@dataclass(frozen=True)
class Difference:
    """How much better one contender's metric is than another's, on the same resamples."""

    better: str
    worse: str
    figure: str
    difference: Interval


@dataclass(frozen=True)
class Comparison:
    """Contenders on the same rows.

    Attributes
    ----------
    counts : Counts
        The rows.
    base_rate : float
        Share of them that churned.
    lists : int
        Number of lists: one per date and CSM.
    listed : int
        Rows that fit on the lists.
    figures : dict of str to dict of str to Interval
        By contender, then metric.
    differences : tuple of Difference
        Between every two contenders, first minus second; above zero, the first is better.
    """

    counts: Counts
    base_rate: float
    lists: int
    listed: int
    figures: dict[str, dict[str, Interval]]
    differences: tuple[Difference, ...]

    def difference(self, better: str, worse: str, metric: str) -> Interval | None:
        """Return one of the differences; None if it was not measured."""
        return next(
            (
                d.difference
                for d in self.differences
                if (d.better, d.worse, d.figure) == (better, worse, metric)
            ),
            None,
        )


def compare(rows: pd.DataFrame, contenders: list[str], *, resampling: Resampling) -> Comparison:
    """Measure contenders on rows that all of them rank.

    Parameters
    ----------
    rows : pd.DataFrame
        account_id, as_of, csm, room, churned (0 or 1), and a column of risk for each contender,
        higher where an account is more likely to leave; nothing missing.
    contenders : list of str
        The columns; the first is the one that the others are compared with.
    resampling : Resampling
        Number of resamples and seed.
    """
    lists = rows.groupby(["as_of", "csm"], dropna=False).ngroup().to_numpy().astype(np.int64)
    room = rows["room"].to_numpy(dtype=float)
    target = rows["churned"].to_numpy(dtype=float)
    drawn = measured(
        {
            key: RankingMeasures(target, rows[key].to_numpy(dtype=float), lists, room)
            for key in contenders
        },
        group_codes(rows["account_id"], len(rows)),
        resampling,
    )
    return Comparison(
        counts=Counts.of(rows),
        base_rate=float(np.mean(target)),
        lists=int(lists.max()) + 1,
        listed=int(np.minimum(rows.groupby(lists)["room"].first(), np.bincount(lists)).sum()),
        figures={
            key: {metric: drawn[key][metric].interval for metric in METRICS} for key in contenders
        },
        differences=_differences(drawn, contenders),
    )


def _differences(
    drawn: dict[str, dict[str, Drawn]], contenders: list[str]
) -> tuple[Difference, ...]:
    return tuple(
        Difference(second, first, metric, drawn[second][metric].minus(drawn[first][metric]))
        for first, second in combinations(contenders, 2)
        for metric in METRICS
    )
