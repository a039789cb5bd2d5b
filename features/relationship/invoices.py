"""The bills of an account: what is overdue, what failed, and how late it pays against its habit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.definitions.feature import FeatureFamily
from features.relationship.rows import AccountRows, load_rows, where
from features.tables.opened import Tables
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates
from features.windows.table_columns import DAY_US, NEVER, Mask, moment, some

QUARTER, YEAR = 90, 365
#: A habit of paying is read from this many bills at least.
LEAST_BILLS = 3
#: When attempts to collect failed is not recorded: they count once the bill was paid, or this many
#: days after it was due, when card networks have stopped trying.
_TRIED_DAYS = 30
_NOT_PAID = "no invoice was ever due, or when invoices are paid is not recorded"
_INVOICES = FeatureFamily(
    name="invoices",
    table="invoices",
    prefix="invoices_",
    null_means="no invoice was ever due",
    direction=-1,
)

FEATURES = (
    _INVOICES.feature(
        name="overdue_amount",
        unit="money",
        sentence="Overdue invoices: {value} in total",
        zero_means="no invoice is overdue",
        null_means=_NOT_PAID,
    ),
    _INVOICES.feature(
        name="overdue_days",
        unit="days",
        sentence="Days since the oldest unpaid invoice was due: {value}",
        zero_means="no invoice is overdue",
        null_means=_NOT_PAID,
    ),
    _INVOICES.feature(
        name="failed_payments_90d",
        unit="count",
        sentence="Failed payment attempts in the last 90 days: {value}",
        zero_means="no payment failed in the last 90 days",
        window_days=QUARTER,
        null_means="no invoice was ever due, or failed payments are not recorded",
    ),
    _INVOICES.feature(
        name="days_late_90d",
        unit="days",
        sentence="Average payment delay in 90 days, in days (below 0: paid early): {value}",
        zero_means="invoices of the last 90 days were paid on their due dates, on average",
        window_days=QUARTER,
        null_means="no invoice was paid in the last 90 days",
    ),
    _INVOICES.feature(
        name="days_late_vs_habit",
        unit="days",
        sentence="Payment delay compared with this account's habit, in days: {value}",
        zero_means="invoices are paid as usual",
        window_days=QUARTER + YEAR,
        null_means="insufficient history: no invoice paid in 90 days, "
        "or fewer than three in the year before",
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
    has_payments = tables.has("invoices", "paid_at")
    has_attempts = tables.has("invoices", "failed_attempts")

    def values(as_of: pd.Timestamp) -> dict[str, Numbers]:
        at = moment(as_of)
        seen = bills.known(at)
        ever = bills.count(seen) > 0
        known = ever & has_payments
        is_paid = seen & (paid < at)
        open_bills = seen & ~is_paid & (amount > 0)
        tried = seen & (settled < at) & (settled >= at - QUARTER * DAY_US)
        lately = is_paid & (paid >= at - QUARTER * DAY_US)
        before = is_paid & ~lately & (paid >= at - (QUARTER + YEAR) * DAY_US)
        mean_late = bills.total(lately, late) / some(bills.count(lately))
        return {
            "invoices_overdue_amount": where(known, bills.total(open_bills, amount)),
            "invoices_overdue_days": where(
                known, bills.largest(open_bills, np.floor((at - due) / DAY_US), 0.0)
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
