"""Support: how much is open, how fast it is answered, how it is rated, who comes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.day_rows import Numbers, earliest, latest, summed
from features.spine_dates import ByAccount, OneDate, SpineDates, Told
from features.table_columns import (
    Mask,
    Quantiles,
    Times,
    days_before,
    days_from,
    in_order_of_size,
    moment,
    some,
    within,
)
from features.tables import Tables
from features.tickets_catalogue import FEATURES, NEEDS
from features.tickets_contacts import RECENT_DAYS as _RECENT
from features.tickets_contacts import Contacts
from features.tickets_history import (
    is_escalated,
    is_urgent,
    spells_of,
    tickets_brought_in,
)

__all__ = ["FEATURES", "prepare"]

#: The account's own past: from a year to a quarter before the date.
_PAST = 365
_HOUR_US = 3_600_000_000
_PER = {
    "contacts_per_active_user_90d": "usage_active_users_90d",
    "contacts_per_seat_90d": "seats",
    "contacts_per_order_90d": "orders_count_90d",
}


def prepare(tables: Tables, dates: SpineDates) -> Told:
    """Return what tells the ticket features of each account on a date.

    Rates and silence are held against what was told before, where it is there:
    usage_active_users_90d, usage_active_days_28d, seats, orders_count_90d.

    Parameters
    ----------
    tables : Tables
        Without tickets every feature is NaN.
    dates : SpineDates
        The accounts and dates.
    """
    if not tables.has("tickets"):
        return lambda _: {}
    as_of = dates.ahead(_Tickets(tables, dates.spine, dates.accounts).as_of)
    not_there = [
        name
        for name, needed in NEEDS.items()
        if not all(any(tables.has("tickets", c) for c in some) for some in needed)
    ]

    def told(date: OneDate) -> dict[str, Numbers]:
        out = date.laid(as_of(date.as_of))
        opened = out["tickets_opened_90d"]
        for name, denominator in _PER.items():
            out[name] = opened / some(date.feature(denominator))
        active = date.feature("usage_active_days_28d") > 0
        out["tickets_silent_90d"] = np.where(active, opened == 0, np.nan)
        return {name: values for name, values in out.items() if name not in not_there}

    return told


class _Tickets:
    """The tickets of a company, looked at as of one date after another."""

    def __init__(self, tables: Tables, spine: pd.DataFrame, accounts: pd.Index[str]) -> None:
        self._rows = rows = tickets_brought_in(tables, spine, accounts, _PAST)
        first, last = (moment(day) for day in (spine["as_of"].min(), spine["as_of"].max()))
        self._spells = spells_of(tables, rows, first, last)
        self._contacts = Contacts(rows, first)
        self._count, self._seen_from = len(accounts), rows.seen_from("opened_at")
        self._every = np.arange(len(rows))

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return the features of every account as of a date."""
        as_of, spells = moment(day), self._spells
        known, standing = self._seen_from < as_of, spells.as_of(as_of)
        out = self._opened(as_of, known) | self._backlog(as_of, standing)
        out |= self._solved(as_of, standing)
        for name, ticket, ended_at, counts in (
            ("first_reply", self._every, self._rows["first_replied_at"], known),
            ("first_resolution", spells.ticket, spells.first_resolved_at, standing),
            ("resolution", spells.ticket, spells.resolved_at, standing),
        ):
            recent, past = (
                self._hours(ticket, ended_at, counts & within(ended_at, as_of, days, until))
                for days, until in ((_RECENT, 0), (_PAST, _RECENT))
            )
            median = recent(0.5)
            out[f"tickets_{name}_hours_median_90d"] = median
            out[f"tickets_{name}_hours_p90_90d"] = recent(0.9)
            # An hour on either side: minutes more or less are no trend.
            out[f"tickets_{name}_trend"] = np.log((median + 1) / (past(0.5) + 1))
        return out | self._contacts.as_of(as_of)

    def _hours(
        self, ticket: npt.NDArray[np.intp], ended_at: Times, counts: Mask
    ) -> Callable[[float], Numbers]:
        """Return what tells quantiles of the hours from opening to an end, where that counts.

        0 where the data has the end before the opening.
        """
        found = np.flatnonzero(counts)
        rows = ticket[found]
        lasted = ended_at[found]
        lasted -= self._rows["opened_at"][rows]
        np.maximum(lasted, 0, out=lasted)
        account = self._rows.account[rows]
        ordered = Quantiles(account, self._count, in_order_of_size(account, lasted))
        return lambda share: ordered.of(share) / _HOUR_US

    def _per_account(self, tickets: npt.NDArray[Any], weights: Numbers | None = None) -> Numbers:
        return summed(self._rows.account[tickets], self._count, weights)

    def _opened(self, as_of: int, known: Mask) -> dict[str, Numbers]:
        at = self._rows["opened_at"]
        rows = np.flatnonzero(known & within(at, as_of, _PAST))
        opened = at[rows]
        month, quarter = (
            rows[np.flatnonzero(opened >= days_before(as_of, days))] for days in (28, _RECENT)
        )
        last = latest(self._rows.account[rows], self._count, opened.astype(float))
        escalated = is_escalated(self._rows, quarter, as_of)
        return {
            "tickets_opened_28d": self._per_account(month),
            "tickets_opened_90d": self._per_account(quarter),
            # The day before is 0, whatever its hour.
            "tickets_days_since_opened": np.ceil((as_of - last) / (24 * _HOUR_US)) - 1,
            "tickets_escalated_90d": self._per_account(quarter[escalated]),
        }

    def _backlog(self, as_of: int, standing: Mask) -> dict[str, Numbers]:
        waiting = self._spells.ticket[np.flatnonzero(standing & self._spells.is_open)]
        urgent = waiting[is_urgent(self._rows, waiting, as_of)]
        age = days_from(self._rows["opened_at"][waiting], as_of)
        count = self._per_account(waiting)
        return {
            "tickets_backlog": count,
            "tickets_backlog_oldest_days": self._oldest(waiting, as_of),
            "tickets_backlog_mean_days": self._per_account(waiting, age) / np.maximum(count, 1.0),
            "tickets_urgent_open": self._per_account(urgent),
            "tickets_urgent_oldest_days": self._oldest(urgent, as_of),
        }

    def _oldest(self, tickets: npt.NDArray[np.intp], as_of: int) -> Numbers:
        first = earliest(self._rows.account[tickets], self._count, self._rows["opened_at"][tickets])
        return np.nan_to_num(days_from(first, as_of))

    def _solved(self, as_of: int, standing: Mask) -> dict[str, Numbers]:
        spells = self._spells
        ended = np.flatnonzero(standing & within(spells.ended_at, as_of, _RECENT))
        reopened = ended[spells.is_reopened[ended]]
        rated = np.flatnonzero(standing & within(spells.rated_at, as_of, 180))
        recent = within(spells.rated_at[rated], as_of, _RECENT)
        rated = spells.ticket[rated]
        is_satisfied, is_bad = (self._rows[name][rated] for name in ("is_satisfied", "is_bad"))
        return {
            "tickets_reopen_rate_90d": self._per_account(spells.ticket[reopened])
            / some(self._per_account(spells.ticket[ended])),
            "tickets_csat_180d": self._per_account(rated[is_satisfied == 1])
            / some(self._per_account(rated[is_satisfied >= 0])),
            "tickets_badly_rated_90d": self._per_account(rated[(is_bad == 1) & recent]),
        }
