"""Totals of the tables by month, to be compared with the company's own books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.rollups.kept_files import KeptRollups
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.windows.day_rows import Numbers
from health.business.company import Company
from health.business.kinds import Business, business_of_tables

#: Full months shown before the end of the data.
MONTHS = 12
#: Tables whose share of paying accounts is shown, and what an account has in them.
_COVERED = {"usage": "usage", "tickets": "tickets", "surveys": "answers"}


@dataclass(frozen=True)
class Reconciliation:
    """MRR and accounts of a company, by month, and what its tables cover.

    Attributes
    ----------
    money : str
        What an account pays: MRR, or a month of orders.
    currency : str
        Of every amount.
    months : pd.DataFrame, shape = (n_months, 8)
        One row per month that ends with the day `until`: until (its last day), mrr and accounts
        at its end, and gained, lost, expanded, contracted, amounts within it that add up to the
        change of mrr. The last row reaches to the end of the data. Gained is the money of
        accounts that paid nothing at the start of the month, lost that of accounts that pay
        nothing at its end. All is as known now.
    median, largest : float
        MRR per account at the end of the data; NaN where none pays.
    largest_account : str
        The account_id with the largest MRR.
    covered : dict of str to float
        Share of the paying accounts that ever had usage, tickets and answers, where the table is
        given.
    unmatched : dict of str to dict
        By table, ``rows`` that belong to no account (and are excluded) and their ``share``.
    """

    money: str
    currency: str
    months: pd.DataFrame
    median: float
    largest: float
    largest_account: str
    covered: dict[str, float]
    unmatched: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for run.json."""
        months = self.months.assign(until=self.months["until"].astype(str)).round(2)
        return {
            "money": self.money,
            "currency": self.currency,
            "months": months.to_dict("records"),
            "median_mrr": None if np.isnan(self.median) else round(self.median, 2),
            "largest_mrr": None if np.isnan(self.largest) else round(self.largest, 2),
            "largest_account": self.largest_account,
            "accounts_with": {name: round(share, 4) for name, share in self.covered.items()},
            "rows_without_account": self.unmatched,
        }


def reconcile(company: Company) -> Reconciliation:
    """Add up the tables by month, up to the end of the data."""
    tables, config = company.opened.tables, company.config
    business = business_of_tables(tables)
    ends = _month_ends(_first_payment(tables, business), company.data_end)
    levels = business.mrr(tables, ends, config.feature_settings)
    now = [levels[end].to_numpy() for end in ends]
    before = [np.full(len(levels), np.nan), *now[:-1]]
    rows = [_month(end, *both) for end, *both in zip(ends, before, now, strict=True)]
    last = levels[ends[-1]].dropna()
    return Reconciliation(
        money=business.money,
        currency=config.currency,
        months=pd.DataFrame(rows[1:] if len(rows) > 1 else rows),
        median=float(last.median()),
        largest=float(last.max()),
        largest_account=str(last.idxmax()) if len(last) else "",
        covered={
            what: _covered(tables, table, last.index)
            for table, what in _COVERED.items()
            if tables.has(table)
        },
        unmatched={
            s.table: {"rows": s.unmatched, "share": round(s.unmatched_share, 4)}
            for s in company.opened.summaries
            if s.table != "accounts"
        },
    )


def _first_payment(tables: Tables, business: Business) -> datetime:
    column = business.first_time
    first = collect(tables[business.table].select(nw.col(column).min()))[column]
    return pd.Timestamp(first.iloc[0]).to_pydatetime()


def _month_ends(start: datetime, end: datetime) -> list[datetime]:
    """Return the starts of the last months, oldest first, and the end of the data."""
    months = pd.date_range(end=end, periods=MONTHS + 1, freq="MS").to_pydatetime().tolist()
    return [month for month in months if start <= month < end] + [end]


def _month(end: datetime, then: Numbers, now: Numbers) -> dict[str, Any]:
    """Return the money at the end of a month and its changes; NaN where nothing is paid."""
    paid_then, pays_now = ~np.isnan(then), ~np.isnan(now)
    before, after = np.where(paid_then, then, 0.0)[pays_now], now[pays_now]
    step, paid, pays = after - before, before > 0, after > 0
    both = step[paid & pays]
    return {
        "until": (end - timedelta(days=1)).date(),
        "mrr": float(after.sum()),
        "accounts": len(after),
        "gained": float(step[~paid].sum()),
        # Not -0.0 if nobody left.
        "lost": float(then[paid_then & ~pays_now].sum() - step[~pays].sum()) + 0.0,
        "expanded": float(both.clip(min=0.0).sum()),
        "contracted": float((-both).clip(min=0.0).sum()),
    }


def _covered(tables: Tables, table: str, accounts: pd.Index[str]) -> float:
    rows, kept = tables[table], tables.rollups
    if table == "surveys":
        rows = rows.filter(~nw.col("answered_at").is_null())
    elif table == "usage" and isinstance(kept, KeptRollups):
        # A few rows of an account, instead of all its events.
        rows = nw.from_native(kept.connection.sql(kept.by_account()))
    present = collect(rows.select("account_id").unique())["account_id"]
    return float(accounts.isin(present).mean()) if len(accounts) else 0.0
