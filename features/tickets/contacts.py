"""Who contacts support, through which channels and how often, and how long tickets take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from features.windows.day_rows import Codes, Numbers, latest, summed
from features.windows.table_columns import (
    DAY_US,
    Mask,
    Quantiles,
    TableColumns,
    Times,
    days_before,
    quantiles,
    some,
    within,
)

#: Days of the recent windows.
RECENT_DAYS = 90
#: The account's own past: from this many days to a quarter before the date.
PAST_DAYS = 365
#: A ticket of the same person within this many days repeats the previous one.
REPEAT_DAYS = 7
#: Contacts are counted from tickets opened this many days before a date.
LOOK_BACK_DAYS = RECENT_DAYS + REPEAT_DAYS
_HOUR_US = 3_600_000_000
#: Channels on which somebody waits for an answer.
_LIVE = ("call", "chat", "live chat", "phone", "telephone", "voice")


class Contacts:
    """The contacts of a company's accounts, as of one date after another.

    Parameters
    ----------
    tickets : TableColumns
        Those opened more than `LOOK_BACK_DAYS` before the first date are left out.
    first : int
        The moment of the first date.
    """

    def __init__(self, tickets: TableColumns, first: int) -> None:
        opened = tickets["opened_at"]
        rows = np.flatnonzero(opened >= days_before(first, LOOK_BACK_DAYS))
        rows = rows[np.argsort(opened[rows])]
        tickets = tickets.only("opened_at", "known_from", "requester_id", "channel").taken(rows)
        self._tickets, self._known_from = tickets, tickets["known_from"]
        # Requesters without a name count as one person: they may be the same.
        self._person, self._person_account = _numbered(
            tickets, "requester_id", tickets.people("requester_id")
        )
        self._is_named = tickets["requester_id"] >= 0
        self._channel, self._channel_account = _numbered(tickets, "channel", tickets["channel"])
        self._has_channel = tickets["channel"] >= 0
        # By person, and in order of opening.
        self._by_person = np.argsort(self._person, kind="stable")
        self._rank = np.empty(len(tickets), dtype=np.int64)
        self._rank[self._by_person] = np.arange(len(tickets))
        # If no row is late, the previous ticket of the person is the same on every date.
        is_late = (self._known_from > tickets["opened_at"]).any()
        self._is_again = None if is_late else self._soon_again(np.arange(len(tickets)))
        self._is_live = tickets.is_text("channel", lambda text: text in _LIVE)

    def as_of(self, as_of: int) -> dict[str, Numbers]:
        """Return the features of every account as of a moment."""
        rows = self._opened_within(as_of, RECENT_DAYS)
        count = self._tickets.accounts
        named = rows[np.flatnonzero(self._is_named[rows])]
        has_contacted = summed(self._person[named], len(self._person_account)) > 0
        with_channel = rows[np.flatnonzero(self._has_channel[rows])]
        per_channel = summed(self._channel[with_channel], len(self._channel_account))
        used = per_channel > 0
        most = latest(self._channel_account[used], count, per_channel[used])
        account = self._tickets.account[with_channel]
        whole = some(summed(account, count))
        live = summed(account, count, self._is_live[with_channel].astype(float))
        return {
            "tickets_requesters_90d": summed(self._person_account[has_contacted], count),
            "tickets_channels_90d": summed(self._channel_account[used], count),
            "tickets_top_channel_share_90d": most / whole,
            "tickets_live_channel_share_90d": live / whole,
            "tickets_repeated_share_90d": self._repeated(as_of),
        }

    def _repeated(self, as_of: int) -> Numbers:
        """Return the share of a quarter's tickets that soon follow one of the same person."""
        is_again = self._is_again
        if is_again is None:
            is_again = self._soon_again(self._opened_within(as_of, LOOK_BACK_DAYS))
        rows = self._opened_within(as_of, RECENT_DAYS)
        account, again = self._tickets.account[rows], is_again[rows].astype(float)
        repeated, whole = (
            summed(account, self._tickets.accounts, weights) for weights in (again, None)
        )
        return repeated / some(whole)

    def _soon_again(self, rows: npt.NDArray[np.intp]) -> Mask:
        """Mark the tickets that follow another of these rows from the same person within days."""
        rows = self._by_person[np.sort(self._rank[rows])]
        person, opened = self._person[rows], self._tickets["opened_at"][rows]
        soon = (person[1:] == person[:-1]) & (np.diff(opened) <= REPEAT_DAYS * DAY_US)
        is_again = np.zeros(len(self._tickets), dtype=bool)
        is_again[rows[1:][soon]] = True
        return is_again

    def _opened_within(self, as_of: int, days: float) -> npt.NDArray[np.intp]:
        """Return the tickets, in order, opened in this many days before a moment and known then."""
        opened = self._tickets["opened_at"]
        first, past = np.searchsorted(opened, [days_before(as_of, days), as_of])
        known: npt.NDArray[np.intp] = np.flatnonzero(self._known_from[first:past] < as_of)
        return known + int(first)


def _numbered(tickets: TableColumns, name: str, codes: Codes) -> tuple[Codes, Codes]:
    """Return each ticket's pair of account and text, by number, and each pair's account."""
    width = len(tickets.texts[name]) + 1
    pair = tickets.account * width + codes + 1
    pairs, number = np.unique(pair, return_inverse=True)
    return number, pairs // width


class Speed:
    """The time from opening to one kind of end, as of one date after another.

    Parameters
    ----------
    account : array of int
        Each ticket's account, below `accounts`.
    accounts : int
        How many there are.
    opened_at, ended_at : array of int
        Moments; a missing end is `NEVER`. An end before the opening is ignored: its times are
        wrong, and 0 hours would be the best value.
    """

    def __init__(self, account: Codes, accounts: int, opened_at: Times, ended_at: Times) -> None:
        self._account, self._accounts = account, accounts
        self._opened_at, self._ended_at = opened_at, ended_at

    def as_of(self, as_of: int, in_spell: Mask) -> dict[str, Numbers]:
        """Return the hours of every account by name, of the marked rows."""
        now, before = (
            self._lasted(within(self._ended_at, as_of, *days) & in_spell)
            for days in ((RECENT_DAYS, 0), (PAST_DAYS, RECENT_DAYS))
        )
        median, past = now.of(0.5) / _HOUR_US, before.of(0.5) / _HOUR_US
        return {
            "hours_median_90d": median,
            "hours_p90_90d": now.of(0.9) / _HOUR_US,
            # An hour is added to both: a few minutes are no trend.
            "trend": np.log((median + 1) / (past + 1)),
        }

    def _lasted(self, ended: Mask) -> Quantiles:
        """Return how long the marked rows took."""
        rows = np.flatnonzero(ended & (self._ended_at >= self._opened_at))
        lasted = self._ended_at[rows] - self._opened_at[rows]
        return quantiles(self._account[rows], self._accounts, lasted)
