"""How the revenue of a book moved between two dates: retention, churn, growth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import narwhals as nw
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows

#: What is below this is dust of sums, not money.
_DUST = 1e-9


@dataclass(frozen=True)
class RevenueMovements:
    """MRR of one start and of what happened to it until the end, in the currency per month.

    Attributes
    ----------
    start : float
        MRR of the accounts that paid at the start.
    new, reactivation : float
        MRR at the end of accounts that did not pay at the start: never before, or once before.
    expansion, contraction : float
        Rises and falls of accounts that paid at both ends, netted within an account. Ending one
        of several subscriptions is contraction.
    churn : float
        MRR at the start of accounts that pay nothing at the end.
    accounts_start, accounts_lost : int
        Accounts that paid at the start, and those of them that pay nothing at the end.
    """

    start: float
    new: float = 0.0
    expansion: float = 0.0
    contraction: float = 0.0
    churn: float = 0.0
    reactivation: float = 0.0
    accounts_start: int = 0
    accounts_lost: int = 0

    @property
    def gross_churn(self) -> float:
        """(churn + contraction) ÷ start; NaN without any MRR at the start.

        Examples
        --------
        >>> RevenueMovements(100, churn=10, contraction=10, expansion=10).gross_churn
        0.2
        """
        return self._of_start(self.churn + self.contraction)

    @property
    def net_churn(self) -> float:
        """(churn + contraction − expansion − reactivation) ÷ start; NaN without a start.

        Examples
        --------
        >>> RevenueMovements(100, churn=10, contraction=10, expansion=10).net_churn
        0.1
        """
        return self._of_start(self.churn + self.contraction - self.expansion - self.reactivation)

    @property
    def grr(self) -> float:
        """Gross revenue retention: (start − contraction − churn) ÷ start, each account capped.

        Examples
        --------
        >>> RevenueMovements(100, churn=10, contraction=10, expansion=10).grr
        0.8
        """
        return self._of_start(self.start - self.contraction - self.churn)

    @property
    def nrr(self) -> float:
        """Net revenue retention: (start + expansion − contraction − churn) ÷ start.

        Examples
        --------
        >>> RevenueMovements(100, churn=10, contraction=10, expansion=10).nrr
        0.9
        """
        return self._of_start(self.start + self.expansion - self.contraction - self.churn)

    @property
    def logo_churn(self) -> float:
        """Accounts lost ÷ accounts at the start; NaN without any."""
        return self.accounts_lost / self.accounts_start if self.accounts_start else float("nan")

    @property
    def quick_ratio(self) -> float:
        """(new + expansion) ÷ (contraction + churn); NaN where nothing was lost."""
        lost = self.contraction + self.churn
        return (self.new + self.expansion) / lost if lost > _DUST else float("nan")

    def _of_start(self, amount: float) -> float:
        return amount / self.start if self.start > _DUST else float("nan")


def revenue_movements(
    tables: Tables, start: datetime, end: datetime, *, grace_days: int = 30
) -> RevenueMovements:
    """Compare what every account paid on two dates, each as known at the later one.

    Parameters
    ----------
    tables : Tables
        Needs subscriptions.
    start, end : datetime
        `start` before `end`; only what was known before `end` counts.
    grace_days : int
        An account whose last subscription ended less than this before a date still counts with
        what it paid: a late renewal is no churn.

    Raises
    ------
    ValueError
        `start` is not before `end`.
    """
    if not start < end:
        raise ValueError(f"start {start} is not before end {end}")
    rows = collect(
        known_rows(tables, "subscriptions", end)
        .filter(nw.col("mrr") > 0)
        .select("account_id", "product", "started_at", "ended_at", "mrr")
    )
    before = _paid_on(rows, pd.Timestamp(start), grace_days)
    after = _paid_on(rows, pd.Timestamp(end), grace_days)
    once = rows.loc[rows["started_at"] < pd.Timestamp(start), "account_id"]
    both = pd.DataFrame({"before": before, "after": after}).fillna(0.0)
    return _summed(both, both.index.isin(once))


def _summed(both: pd.DataFrame, paid_once: object) -> RevenueMovements:
    held, gained = both["before"] > _DUST, both["after"] > _DUST
    moved = both["after"] - both["before"]
    arrived = both.loc[~held & gained, "after"]
    known = pd.Series(paid_once, index=both.index).loc[arrived.index].astype(bool)
    stayed = moved[held & gained]
    return RevenueMovements(
        start=float(both["before"].sum()),
        new=float(arrived[~known].sum()),
        reactivation=float(arrived[known].sum()),
        expansion=float(stayed.clip(lower=0).sum()),
        contraction=float(-stayed.clip(upper=0).sum()),
        churn=float(both.loc[held & ~gained, "before"].sum()),
        accounts_start=int(held.sum()),
        accounts_lost=int((held & ~gained).sum()),
    )


def _paid_on(rows: pd.DataFrame, day: pd.Timestamp, grace_days: int) -> pd.Series[float]:
    """Return each account's MRR on a date: what runs, else what ended within the grace period."""
    started = rows[rows["started_at"] < day]
    ended = started["ended_at"].notna() & (started["ended_at"] < day)
    running = started[~ended].groupby("account_id")["mrr"].sum()
    grace = started[ended & (started["ended_at"] > day - timedelta(days=grace_days))]
    grace = grace[~grace["account_id"].isin(running.index)]
    latest = grace.sort_values("ended_at").drop_duplicates(["account_id", "product"], keep="last")
    waiting = latest.groupby("account_id")["mrr"].sum()
    joined: pd.Series[float] = pd.concat([running, waiting]).sort_index()
    return joined
