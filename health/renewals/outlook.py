"""Everything a run publishes about renewals: the months ahead, the calls, and the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from features.tables.opened import Tables
from health.renewals.calls import COLUMNS as CALL_COLUMNS
from health.renewals.calls import latest_calls, no_calls, read_calls
from health.renewals.forecast import (
    MONTH_COLUMNS,
    Basis,
    due_parts,
    learn_basis,
    month_table,
    no_basis,
    with_calls,
    with_level,
)
from health.renewals.history import past_renewals
from health.renewals.ledger import COLUMNS as LEDGER_COLUMNS
from health.renewals.ledger import build_ledger, match_calls
from health.runs.directory import PublishedRun

_TIMES = ("due", "called_at", "run")
_TEXTS = ("account_id", "author", "call")


@dataclass(frozen=True)
class Outlook:
    """The renewals of a run.

    Attributes
    ----------
    basis : Basis
        What past months teach.
    due : pd.DataFrame
        The renewals by term, as from `due_accounts`, with the CSMs' calls. Accounts without a term
        are in no row: they are due every month, which is too much for memory.
    months : pd.DataFrame
        As from `month_table`.
    calls : pd.DataFrame
        The last call on each account, whatever its source.
    ledger : pd.DataFrame
        As from `build_ledger`.
    warnings : list of str
        Calls that are about no renewal.
    """

    basis: Basis = field(default_factory=no_basis)
    due: pd.DataFrame = field(default_factory=pd.DataFrame)
    months: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=MONTH_COLUMNS))
    calls: pd.DataFrame = field(default_factory=no_calls)
    ledger: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=LEDGER_COLUMNS))
    warnings: list[str] = field(default_factory=list)

    @property
    def has_terms(self) -> bool:
        """Whether any account has a term to renew; otherwise the forecast is one of retention."""
        return not self.due.empty

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by file name."""
        return {"renewals": self.months, "ledger": self.ledger, "calls": self.calls}

    def info(self) -> dict[str, Any]:
        """Return what run.json has of it."""
        return self.basis.to_dict()


def build_outlook(
    tables: Tables,
    scores: pd.DataFrame,
    earlier: Sequence[PublishedRun],
    as_of: datetime,
    *,
    horizon_days: int = 90,
    grace_days: int = 30,
) -> Outlook:
    """Forecast the months ahead and compare past calls with what came.

    Parameters
    ----------
    tables : Tables
        The input tables; without subscriptions there is nothing to renew.
    scores : pd.DataFrame
        As in scores.parquet.
    earlier : sequence of PublishedRun
        Earlier runs, oldest first.
    as_of : datetime
        The date of the run; nothing that became known on it or later counts.
    horizon_days, grace_days : int
        Of the labels.
    """
    if not tables.has("subscriptions"):
        return Outlook(ledger=_typed(pd.DataFrame(columns=list(LEDGER_COLUMNS))))
    day = pd.Timestamp(as_of)
    calls = read_calls(tables, as_of)
    matched = match_calls(tables, calls, as_of, grace_days=grace_days)
    basis = learn_basis(
        past_renewals(tables, as_of, grace_days=grace_days), horizon_days=horizon_days
    )
    basis = with_level(basis, scores, horizon_days=horizon_days)
    # A call on a renewal that has passed says nothing about the next one.
    upcoming = matched.rows[matched.rows["due"] >= day]
    last = latest_calls(upcoming) if len(upcoming) else no_calls()
    due, months = _upcoming(scores, basis, last, as_of=day, horizon_days=horizon_days)
    ledger = build_ledger(matched, earlier, as_of, grace_days=grace_days)
    return Outlook(basis, due, months, last[list(CALL_COLUMNS)], _typed(ledger), matched.warnings)


def stored_outlook(
    basis: Mapping[str, Any],
    scores: pd.DataFrame,
    calls: pd.DataFrame,
    ledger: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    horizon_days: int,
) -> Outlook:
    """Return the outlook of a published run, from what it stores.

    Parameters
    ----------
    basis : mapping
        As `Outlook.info` returned it.
    scores, calls, ledger : pd.DataFrame
        Tables of the run.
    as_of : pd.Timestamp
        Its date.
    horizon_days : int
        Of its labels.
    """
    known = Basis.from_dict(basis)
    due, months = _upcoming(scores, known, calls, as_of=as_of, horizon_days=horizon_days)
    return Outlook(known, due, months, calls, ledger)


def _upcoming(
    scores: pd.DataFrame,
    basis: Basis,
    calls: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    horizon_days: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the renewals by term, and the sums by month of all accounts."""
    parts = due_parts(scores, basis, as_of=as_of, horizon_days=horizon_days)
    terms = with_calls(next(parts), calls, as_of)
    # The small products of the draws gain nothing from threads and lose much on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        tables = [month_table(terms, basis), *(month_table(part, basis) for part in parts)]
    months = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    return terms, months


def _typed(ledger: pd.DataFrame) -> pd.DataFrame:
    kinds = {
        name: "datetime64[us]" if name in _TIMES else "object" if name in _TEXTS else "float64"
        for name in LEDGER_COLUMNS
    }
    return ledger.astype(kinds)
