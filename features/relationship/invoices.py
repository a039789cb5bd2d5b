"""The bills of an account: what is overdue, what failed, and how late it pays against its habit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.definitions.feature import Feature, Unit
from features.relationship.rows import AccountRows, load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import DAY_US, NEVER, Mask, moment, some

QUARTER, YEAR = 90, 365
#: A habit of paying is read from so many bills at least.
LEAST_BILLS = 3
#: When attempts to collect failed is not recorded: they count once the bill was paid, or so many
#: days after it was due, when card networks have stopped trying.
_TRIED_DAYS = 30
_NONE = "no bill has been due"


def _invoice(
    name: str,
    window: int | None,
    unit: Unit,
    direction: int,
    sentence: str,
    zero: str,
    *,
    null: str = _NONE,
) -> Feature:
    full = f"invoices_{name}"
    return Feature(full, "invoices", "invoices", window, unit, direction, null, zero, sentence)


FEATURES = (
    _invoice(
        "overdue_amount", None, "money", -1, "Overdue bills: {value} in all", "no bill is overdue"
    ),
    _invoice(
        "overdue_days",
        None,
        "days",
        -1,
        "Days since the oldest unpaid bill was due: {value}",
        "no bill is overdue",
    ),
    _invoice(
        "failed_payments_90d",
        QUARTER,
        "count",
        -1,
        "Failed payments of bills settled or given up in the last 90 days: {value}",
        "no payment has failed in the last 90 days",
        null="no bill has been due, or failed payments are not recorded",
    ),
    _invoice(
        "days_late_90d",
        QUARTER,
        "days",
        -1,
        "Bills paid in the last 90 days were paid {value} days after they were due, on average",
        "bills of the last 90 days were paid on the day they were due",
        null="no bill was paid in 90 days",
    ),
    _invoice(
        "days_late_vs_habit",
        QUARTER + YEAR,
        "days",
        -1,
        "Days later than usual that bills of the last 90 days were paid: {value}",
        "bills are paid as they usually are",
        null="insufficient history: no bill paid in 90 days, or under three in the year before",
    ),
)


def prepare(tables: Tables, dates: ObservationDates) -> DateFeatures:
    """Return what computes the features of invoices of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without invoices every feature is NaN.
    dates : ObservationDates
        The accounts and dates.
    """
    if not tables.has("invoices"):
        return lambda _: {}
    bills = load_rows(
        tables,
        "invoices",
        dates.accounts,
        dated_by="due_at",
        optional={"amount": "number", "paid_at": "time", "failed_attempts": "number"},
    )
    due, paid = bills["due_at"], bills["paid_at"]
    given_up = np.where(due == NEVER, NEVER, due + _TRIED_DAYS * DAY_US)
    settled = np.minimum(paid, given_up)
    late = np.where(paid == NEVER, np.nan, (paid - due) / DAY_US)
    amount = bills.columns["amount"]
    failed = np.nan_to_num(bills.columns["failed_attempts"])
    has_attempts = tables.has("invoices", "failed_attempts")

    def values(as_of: pd.Timestamp) -> dict[str, Numbers]:
        at = moment(as_of)
        seen = bills.known(at)
        ever = bills.count(seen) > 0
        is_paid = seen & (paid < at)
        open_bills = seen & ~is_paid & (amount > 0)
        tried = seen & (settled < at) & (settled >= at - QUARTER * DAY_US)
        lately = is_paid & (paid >= at - QUARTER * DAY_US)
        before = is_paid & ~lately & (paid >= at - (QUARTER + YEAR) * DAY_US)
        mean_late = bills.total(lately, late) / some(bills.count(lately))
        return {
            "invoices_overdue_amount": where(ever, bills.total(open_bills, amount)),
            "invoices_overdue_days": where(
                ever, bills.largest(open_bills, np.floor((at - due) / DAY_US), 0.0)
            ),
            "invoices_failed_payments_90d": where(ever & has_attempts, bills.total(tried, failed)),
            "invoices_days_late_90d": mean_late,
            "invoices_days_late_vs_habit": mean_late - _habit(bills, before, late),
        }

    return lambda date: date.broadcast(values(date.as_of))


def _habit(bills: AccountRows, rows: Mask, late: Numbers) -> Numbers:
    """Return the median days late of rows by account; NaN for fewer than `LEAST_BILLS`."""
    account = bills.columns.account[rows]
    grouped = pd.Series(late[rows], dtype="float64").groupby(account)
    median = grouped.median()[grouped.size() >= LEAST_BILLS]
    found = np.full(bills.columns.accounts, np.nan)
    found[median.index.to_numpy(dtype=np.intp)] = median.to_numpy(dtype=float)
    return found
