"""Past renewals, as they were seen at the time, and what became of them."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from features.commercial.contracts import COLUMNS as CONTRACT_COLUMNS
from features.commercial.contracts import Contracts
from features.tables.drawn import drawn_number
from features.tables.opened import Tables
from features.windows.contracts import ContractRows, KnownContracts, Rows, load_contracts
from features.windows.day_rows import Numbers
from features.windows.table_columns import DAY_US, Times, moment

#: Months of the past that are read.
PAST_MONTHS = 24
#: Most accounts that are read, drawn at random: rates, ratios and their errors need no more.
MOST_ACCOUNTS = 25_000
_SEED = 0
#: Renewals further ahead than this are not forecast.
UPCOMING_DAYS = 366
MONTHS = 12
#: How an account is due: when its term ends, or every month.
TERM, MONTHLY = "term", "monthly"
_KIND = pd.CategoricalDtype([TERM, MONTHLY])
#: Accounts expected to have left by the later rate, above which a time in which nobody left counts
#: as not observed.
MOST_UNSEEN = 5.0
COLUMNS = ("account", "as_of", "kind", "due", "lead_days", "arr", "arr_after")


def past_renewals(
    tables: Tables, as_of: datetime, *, grace_days: int = 30, months: int = PAST_MONTHS
) -> pd.DataFrame:
    """Return what was due as of past dates, and what it paid afterwards, as known before `as_of`.

    On the first day of each past month, an account that paid and had given no notice is due when
    its term ends (within a year), or, without a term of more than 35 days, on the first day of the
    next month. So an account with a term is in as many rows as months saw its renewal ahead.
    With more than `MOST_ACCOUNTS` accounts, only so many are read, drawn by a hash of
    their names, so that they hardly change from week to week.

    Parameters
    ----------
    tables : Tables
        With or without subscriptions.
    as_of : datetime
        Nothing that became known on this date or later counts.
    grace_days : int
        Whether an account left is known this many days after it was due.
    months : int
        Past months that are read.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`: account (a number), as_of, kind (`TERM` or `MONTHLY`), due, lead_days,
        arr (as of that date) and arr_after (of a term after the grace period, of a month at its
        end; 0 where the account left).
    """
    if not tables.has("subscriptions"):
        return pd.DataFrame(columns=list(COLUMNS))
    rows = _some(load_contracts(tables, grace_days=grace_days, columns=CONTRACT_COLUMNS), as_of)
    contracts, now = Contracts(rows), rows.as_of(as_of)
    today = pd.Timestamp(as_of)
    first = today.to_period("M").to_timestamp()
    dates = [first - pd.DateOffset(months=n) for n in range(months, -1, -1)]
    parts = [
        _due(rows, contracts, now, day.to_pydatetime(), today, grace_days)
        for day in dates
        if day < today
    ]
    parts = [part for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    return _observed(pd.concat(parts, ignore_index=True))


def _some(rows: ContractRows, as_of: datetime) -> ContractRows:
    """Return the contracts of at most `MOST_ACCOUNTS` of the accounts known on a date."""
    accounts = np.unique(rows.rows.account[rows.as_of(as_of).rows])
    if len(accounts) <= MOST_ACCOUNTS:
        return rows
    names = rows.rows.texts["account_id"].take(pa.array(accounts)).to_pylist()
    return rows.of(pd.Index(drawn_number(names, MOST_ACCOUNTS, seed=_SEED)))


def _observed(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out the time before the first loss where it cannot have been observed.

    Records that keep only the accounts that were customers at some date show nobody who left before
    it. That time is left out where many accounts would have left in it at the later rate.
    """
    left = rows["arr_after"] <= 0
    if not left.any():
        return rows
    before = rows["due"] < rows.loc[left, "due"].min().to_period("M").to_timestamp()
    once, expected = ~seen_again(rows), 0.0
    for kind in (TERM, MONTHLY):
        own = once & (rows["kind"] == kind)
        if (own & before).any() and (own & ~before).any():
            expected += float((own & before).sum() * left[own & ~before].mean())
    return rows[~before].reset_index(drop=True) if expected > MOST_UNSEEN else rows


def seen_again(rows: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of past renewals were seen again, in a later month.

    Parameters
    ----------
    rows : pd.DataFrame
        As from `past_renewals`, or some of its rows in the same order.
    """
    # A month of an account without a term is seen once.
    term = rows["kind"] == TERM
    again = rows.loc[term, ["account", "due"]].duplicated(keep="last")
    return again.reindex(rows.index, fill_value=False)


def _due(
    rows: ContractRows,
    contracts: Contracts,
    now: KnownContracts,
    day: datetime,
    today: pd.Timestamp,
    grace_days: int,
) -> pd.DataFrame:
    terms = contracts.terms(rows.as_of(day))
    paying = np.flatnonzero((terms["mrr"] > 0) & ~(terms["notice_given"] > 0))
    lead = np.floor(terms["days_to_renewal"][paying])
    has_term = ~np.isnan(lead)
    following = (pd.Timestamp(day) + pd.DateOffset(months=1) - pd.Timestamp(day)).days
    lead = np.where(has_term, lead, following)
    known = lead + grace_days <= (today - pd.Timestamp(day)) / pd.Timedelta(days=1)
    own = known & (lead < UPCOMING_DAYS)
    account, lead = paying[own], lead[own]
    due = moment(pd.Timestamp(day)) + lead.astype(np.int64) * DAY_US
    # A renewal may be late by the grace period; a month is over at its end.
    late = np.where(has_term[own], grace_days * DAY_US, 0)
    after = paid_after(rows, now, account, due + late)
    return pd.DataFrame(
        {
            # Small types: a large company has millions of rows.
            "account": account.astype(np.int32),
            "as_of": pd.Timestamp(day),
            "kind": pd.Categorical.from_codes((~has_term[own]).astype(int).tolist(), dtype=_KIND),
            "due": due.astype("datetime64[us]"),
            "lead_days": lead.astype(np.float32),
            "arr": MONTHS * terms["mrr"][account],
            "arr_after": MONTHS * after,
        }
    )


def paid_after(rows: ContractRows, known: KnownContracts, account: Rows, at: Times) -> Numbers:
    """Return the MRR of accounts, each just before a moment of its own.

    Parameters
    ----------
    rows : ContractRows
        The contracts.
    known : KnownContracts
        What is known of them.
    account : array of int, shape = (n,)
        Numbers of distinct accounts.
    at : array of int, shape = (n,)
        Moments in microseconds.
    """
    moments = np.full(rows.rows.accounts, np.iinfo(np.int64).min)
    moments[account] = at
    paid = rows.is_paid[known.rows]
    seen, started, ended = known.rows[paid], known.started[paid], known.ended[paid]
    then = moments[rows.rows.account[seen]]
    runs = (started < then) & (ended >= then)
    mrr = np.bincount(
        rows.rows.account[seen[runs]], rows.rows["mrr"][seen[runs]], rows.rows.accounts
    )
    found: Numbers = mrr[account].astype(np.float64)
    return found
