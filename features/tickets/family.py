"""Support: open tickets, speed, ratings and repeated contacts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.tickets.catalogue import FEATURES, NEEDS, OPENED
from features.tickets.contacts import PAST_DAYS, RECENT_DAYS, Contacts, Speed
from features.tickets.history import is_escalated, is_urgent, load_tickets, spells_of
from features.windows.day_rows import DayRows, Numbers, earliest, summed
from features.windows.observation_dates import ByAccount, DateFeatures, ObservationDates, OneDate
from features.windows.table_columns import DAY_US, Mask, Times, days_from, moment, some, within

__all__ = ["FEATURES", "prepare"]

_PER = {
    "contacts_per_active_user_90d": "usage_active_users_90d",
    "contacts_per_seat_90d": "seats",
    "contacts_per_order_90d": "orders_count_90d",
}


def prepare(tables: Tables, dates: ObservationDates) -> DateFeatures:
    """Return a function that computes the ticket features of each account on a date.

    Rates and silence use features computed before, if present: usage_active_users_90d,
    usage_active_days_28d, seats, orders_count_90d.

    Parameters
    ----------
    tables : Tables
        Without tickets every feature is NaN.
    dates : ObservationDates
        The observations need created_at.
    """
    if not tables.has("tickets"):
        return lambda _: {}
    rows = _Tickets(tables, dates.observations, dates.accounts)
    absent = [
        name
        for name, needed in NEEDS.items()
        if not all(any(tables.has("tickets", c) for c in some) for some in needed)
    ]

    by_itself = dates.first_computed(lambda date: date.broadcast(rows.as_of(date.as_of)))

    def result(date: OneDate) -> dict[str, Numbers]:
        out = dict(by_itself(date))
        opened = out["tickets_opened_90d"]
        for name, denominator in _PER.items():
            out[name] = opened / some(date.feature(denominator))
        active = date.feature("usage_active_days_28d") > 0
        # An account cannot be silent for longer than it exists.
        whole = active & ~date.younger_than(RECENT_DAYS)
        out["tickets_silent_90d"] = np.where(whole, opened == 0, np.nan)
        return {name: values for name, values in out.items() if name not in absent}

    return result


class _Tickets:
    """The tickets of a company, as of one date after another."""

    def __init__(self, tables: Tables, observations: pd.DataFrame, accounts: pd.Index[str]) -> None:
        self._rows = rows = load_tickets(tables, observations, accounts, PAST_DAYS)
        first, last = (
            moment(day) for day in (observations["as_of"].min(), observations["as_of"].max())
        )
        self._spells = spells_of(tables, rows, first, last)
        self._contacts = Contacts(rows, first)
        self._count, self._known_from = len(accounts), rows["known_from"]
        is_late = (rows["known_from"] > rows["opened_at"]).any()
        known = rows["known_from"] // DAY_US if is_late else None
        day = rows["opened_at"] // DAY_US
        self._opened_on = DayRows.ordered(rows.account, np.arange(len(rows)), day, known, {})
        # Both times of a solution come from a spell.
        account, opened = (of[self._spells.ticket] for of in (rows.account, rows["opened_at"]))
        self._first_reply = Speed(
            rows.account, self._count, rows["opened_at"], rows["first_replied_at"]
        )
        self._solution = {
            name: Speed(account, self._count, opened, ended_at)
            for name, ended_at in (
                ("first_resolution", self._spells.first_resolved_at),
                ("resolution", self._spells.resolved_at),
            )
        }

    def as_of(self, day: pd.Timestamp) -> ByAccount:
        """Return the features of every account as of a date."""
        as_of = moment(day)
        known, in_spell = self._known_from < as_of, self._spells.as_of(as_of)
        out = self._opened(as_of) | self._backlog(as_of, in_spell)
        out |= self._solved(as_of, in_spell) | self._contacts.as_of(as_of)
        speeds = {"first_reply": self._first_reply.as_of(as_of, known)}
        speeds |= {name: speed.as_of(as_of, in_spell) for name, speed in self._solution.items()}
        for name, hours in speeds.items():
            out |= {f"tickets_{name}_{what}": values for what, values in hours.items()}
        return out

    def _per_account(self, tickets: npt.NDArray[Any], weights: Numbers | None = None) -> Numbers:
        return summed(self._rows.account[tickets], self._count, weights)

    def _opened(self, as_of: int) -> dict[str, Numbers]:
        rows, day = self._opened_on, as_of // DAY_US
        year, quarter = (rows.within(day, days) for days in (PAST_DAYS, RECENT_DAYS))
        last = np.full(self._count, np.nan)
        # Rows are in order of day: the last one assigned remains.
        last[rows.account[year]] = rows.day[year]
        tickets = rows.member[quarter]
        escalated = tickets[is_escalated(self._rows, tickets, as_of)]
        return {
            **rows.totals_in_windows(day, self._count, OPENED),
            # The day before is 0, whatever its hour.
            "tickets_days_since_opened": day - 1 - last,
            "tickets_escalated_90d": self._per_account(escalated),
        }

    def _backlog(self, as_of: int, in_spell: Mask) -> dict[str, Numbers]:
        spells = np.flatnonzero(in_spell & self._spells.is_open)
        waiting, since = self._spells.tickets(spells), self._spells.open_since[spells]
        urgent = is_urgent(self._rows, waiting, as_of)
        age = days_from(since, as_of)
        count = self._per_account(waiting)
        return {
            "tickets_backlog": count,
            "tickets_backlog_oldest_days": self._oldest(waiting, since, as_of),
            "tickets_backlog_mean_days": self._per_account(waiting, age) / np.maximum(count, 1.0),
            "tickets_urgent_open": self._per_account(waiting[urgent]),
            "tickets_urgent_oldest_days": self._oldest(waiting[urgent], since[urgent], as_of),
        }

    def _oldest(self, tickets: npt.NDArray[np.intp], since: Times, as_of: int) -> Numbers:
        first = earliest(self._rows.account[tickets], self._count, since)
        return np.nan_to_num(days_from(first, as_of))

    def _solved(self, as_of: int, in_spell: Mask) -> dict[str, Numbers]:
        spells = self._spells
        ended = np.flatnonzero(in_spell & within(spells.ended_at, as_of, RECENT_DAYS))
        reopened = ended[spells.is_reopened[ended]]
        rated = np.flatnonzero(in_spell & within(spells.rated_at, as_of, 180))
        recent = within(spells.rated_at[rated], as_of, RECENT_DAYS)
        rated = spells.tickets(rated)
        is_satisfied, is_bad = (self._rows[name][rated] for name in ("is_satisfied", "is_bad"))
        return {
            "tickets_reopen_rate_90d": self._per_account(spells.tickets(reopened))
            / some(self._per_account(spells.tickets(ended))),
            "tickets_csat_180d": self._per_account(rated[is_satisfied == 1])
            / some(self._per_account(rated[is_satisfied >= 0])),
            "tickets_badly_rated_90d": self._per_account(rated[(is_bad == 1) & recent]),
        }
