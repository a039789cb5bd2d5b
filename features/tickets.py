"""Support: how much is open, how fast it is answered, how it is rated, who comes again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.day_rows import Numbers, earliest, summed
from features.spine_dates import ByAccount, OneDate, SpineDates, Told
from features.table_columns import (
    NEVER,
    Ranked,
    Times,
    days_before,
    days_from,
    moment,
    some,
    within,
)
from features.tables import Tables
from features.tickets_catalogue import FEATURES, NEEDS
from features.tickets_contacts import RECENT_DAYS as _RECENT
from features.tickets_contacts import Contacts, opened_within
from features.tickets_history import (
    hours_until,
    is_escalated,
    is_urgent,
    spells_of,
    tickets_brought_in,
)

__all__ = ["FEATURES", "prepare"]

#: Of 1-5: these and higher are satisfied (top-2-box), these and lower are bad.
_SATISFIED, _BAD = 4.0, 2.0
#: The account's own past: from a year to a quarter before the date.
_PAST = 365
#: What was timed of a solution, and when the timing ended.
_ENDED_AT = {"first_resolution": "first_resolved_at", "resolution": "resolved_at"}
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
        self._spells = spells = spells_of(tables, rows, first, last)
        self._contacts = Contacts(rows)
        self._count, self._seen_from = len(accounts), rows.seen_from("opened_at")
        ever, every = np.full(len(rows), NEVER), np.arange(len(rows))
        replied = rows["first_replied_at"]
        self._timed = {"first_reply": self._ranked(every, replied, self._seen_from, ever)}
        for name in ("first_resolution", "resolution"):
            ended = getattr(spells, _ENDED_AT[name])
            self._timed[name] = self._ranked(spells.ticket, ended, spells.since, spells.until)

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return the features of every account as of a date."""
        as_of = moment(day)
        standing = np.flatnonzero(self._spells.as_of(as_of))
        out = self._opened(as_of) | self._backlog(as_of, standing) | self._solved(as_of, standing)
        for name, ranked in self._timed.items():
            recent = ranked.within(as_of, _RECENT)
            median = recent.of(0.5)
            past = ranked.within(as_of, _PAST, _RECENT).of(0.5)
            out[f"tickets_{name}_hours_median_90d"] = median
            out[f"tickets_{name}_hours_p90_90d"] = recent.of(0.9)
            # An hour on either side: minutes more or less are no trend.
            out[f"tickets_{name}_trend"] = np.log((median + 1) / (past + 1))
        return out | self._contacts.as_of(as_of)

    def _ranked(
        self, ticket: npt.NDArray[np.intp], end: Times, since: Times, until: Times
    ) -> Ranked:
        hours = hours_until(self._rows, ticket, end)
        return Ranked(self._rows.account[ticket], self._count, hours, end, since, until)

    def _per_account(self, tickets: npt.NDArray[Any], weights: Numbers | None = None) -> Numbers:
        return summed(self._rows.account[tickets], self._count, weights)

    def _opened(self, as_of: int) -> dict[str, Numbers]:
        rows = opened_within(self._rows, as_of, _PAST)
        opened = self._rows["opened_at"][rows]
        month, quarter = (
            rows[np.searchsorted(opened, days_before(as_of, days)) :] for days in (28, _RECENT)
        )
        last = np.full(self._count, NEVER)
        # They come in order of opening: the last one written stays.
        last[self._rows.account[rows]] = opened
        escalated = is_escalated(self._rows, quarter, as_of)
        return {
            "tickets_opened_28d": self._per_account(month),
            "tickets_opened_90d": self._per_account(quarter),
            # The day before is 0, whatever its hour.
            "tickets_days_since_opened": np.ceil(days_from(last, as_of)) - 1,
            "tickets_escalated_90d": self._per_account(quarter[escalated]),
        }

    def _backlog(self, as_of: int, standing: npt.NDArray[np.intp]) -> dict[str, Numbers]:
        waiting = self._spells.ticket[standing[self._spells.is_open[standing]]]
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

    def _solved(self, as_of: int, standing: npt.NDArray[np.intp]) -> dict[str, Numbers]:
        spells = self._spells
        ended = standing[within(spells.ended_at[standing], as_of, _RECENT)]
        rated = standing[within(spells.rated_at[standing], as_of, 180)]
        csat = self._rows["csat"][spells.ticket[rated]]
        recent = within(spells.rated_at[rated], as_of, _RECENT)

        def count(found: npt.NDArray[np.intp]) -> Numbers:
            return self._per_account(spells.ticket[found])

        return {
            "tickets_reopen_rate_90d": count(ended[spells.is_reopened[ended]]) / some(count(ended)),
            "tickets_csat_180d": count(rated[csat >= _SATISFIED])
            / some(count(rated[~np.isnan(csat)])),
            "tickets_badly_rated_90d": count(rated[(csat <= _BAD) & recent]),
        }
