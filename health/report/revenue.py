"""How recurring revenue moved between two dates: retention, churn, growth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.windows.contracts import ContractRows, KnownContracts, load_contracts
from features.windows.day_rows import Numbers, summed
from features.windows.table_columns import Mask, moment

#: Less than this is rounding, not money.
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
    tables: Tables,
    start: datetime,
    end: datetime,
    *,
    grace_days: int = 30,
    contracts: ContractRows | None = None,
) -> RevenueMovements:
    """Compare what every account paid on two dates, each as known at the later one.

    Parameters
    ----------
    tables : Tables
        Needs subscriptions.
    start, end : datetime
        `start` before `end`; only what was known before `end` counts.
    grace_days : int
        A gap between two rows of a contract that is shorter does not end it. On `end`, a row
        counts until its end plus the usual lag of the company (see `features.windows.contracts`).
    contracts : ContractRows, optional
        The subscriptions of `tables` with `grace_days`, where several periods are compared.

    Raises
    ------
    ValueError
        `start` is not before `end`.
    """
    if not start < end:
        raise ValueError(f"start {start} is not before end {end}")
    if contracts is None:
        contracts = load_contracts(tables, grace_days=grace_days)
    known = contracts.as_of(end)
    before, after = (_paid_on(contracts, known, day) for day in (start, end))
    paid = known.rows[contracts.is_paid[known.rows] & (known.started < _moment(start))]
    return _summed(before, after, summed(contracts.rows.account[paid], len(before)) > 0)


def _summed(before: Numbers, after: Numbers, paid_once: Mask) -> RevenueMovements:
    held, gained = before > _DUST, after > _DUST
    arrived = ~held & gained
    stayed = (after - before)[held & gained]
    return RevenueMovements(
        start=float(before.sum()),
        new=float(after[arrived & ~paid_once].sum()),
        reactivation=float(after[arrived & paid_once].sum()),
        expansion=float(np.maximum(stayed, 0).sum()),
        contraction=float(-np.minimum(stayed, 0).sum()),
        churn=float(before[held & ~gained].sum()),
        accounts_start=int(held.sum()),
        accounts_lost=int((held & ~gained).sum()),
    )


def _paid_on(contracts: ContractRows, known: KnownContracts, day: datetime) -> Numbers:
    """Return each account's MRR on a date, as known on the later one; 0 where it pays nothing."""
    rows = known.running(_moment(day))
    rows = rows[contracts.rows["mrr"][rows] > 0]
    return summed(
        contracts.rows.account[rows], contracts.rows.accounts, contracts.rows["mrr"][rows]
    )


def _moment(day: datetime) -> int:
    return moment(pd.Timestamp(day))
