"""Who comes to support, by which channels, and how often somebody comes again within days."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from features.windows.day_rows import Codes, Numbers, latest, summed
from features.windows.table_columns import DAY_US, Mask, TableColumns, days_before, some

#: Days of the recent windows.
RECENT_DAYS = 90
#: A customer who comes again within so many days repeats themself.
REPEAT_DAYS = 7
#: What was opened so many days before a date is looked at.
LOOK_BACK_DAYS = RECENT_DAYS + REPEAT_DAYS
#: Channels on which somebody waits for an answer.
_LIVE = ("call", "chat", "live chat", "phone", "telephone", "voice")


class Contacts:
    """The contacts of a company's accounts, looked at as of one date after another.

    Parameters
    ----------
    tickets : TableColumns
        Those opened more than `LOOK_BACK_DAYS` before the first date are left aside.
    first : int
        The moment of the first date.
    """

    def __init__(self, tickets: TableColumns, first: int) -> None:
        opened = tickets["opened_at"]
        rows = np.flatnonzero(opened >= days_before(first, LOOK_BACK_DAYS))
        rows = rows[np.argsort(opened[rows])]
        tickets = tickets.only("opened_at", "known_from", "requester_id", "channel").taken(rows)
        self._tickets, self._known_from = tickets, tickets["known_from"]
        # The nameless of an account are one person here: they may be the same.
        self._person, self._person_account = _numbered(tickets, "requester_id")
        self._is_named = tickets["requester_id"] >= 0
        self._channel, self._channel_account = _numbered(tickets, "channel")
        self._has_channel = tickets["channel"] >= 0
        # By person, and each one's in order of opening.
        self._by_person = np.argsort(self._person, kind="stable")
        self._rank = np.empty(len(tickets), dtype=np.int64)
        self._rank[self._by_person] = np.arange(len(tickets))
        # Where no row comes late, every date sees the same one before a ticket.
        is_late = (self._known_from > tickets["opened_at"]).any()
        self._is_again = None if is_late else self._soon_again(np.arange(len(tickets)))
        self._is_live = tickets.is_text("channel", lambda text: text in _LIVE)

    def as_of(self, as_of: int) -> dict[str, Numbers]:
        """Return the features of every account as of a moment."""
        rows = self._opened_within(as_of, RECENT_DAYS)
        count = self._tickets.accounts
        named = rows[np.flatnonzero(self._is_named[rows])]
        came = summed(self._person[named], len(self._person_account)) > 0
        result = rows[np.flatnonzero(self._has_channel[rows])]
        per_channel = summed(self._channel[result], len(self._channel_account))
        used = per_channel > 0
        most = latest(self._channel_account[used], count, per_channel[used])
        account = self._tickets.account[result]
        whole = some(summed(account, count))
        live = summed(account, count, self._is_live[result].astype(float))
        return {
            "tickets_requesters_90d": summed(self._person_account[came], count),
            "tickets_channels_90d": summed(self._channel_account[used], count),
            "tickets_top_channel_share_90d": most / whole,
            "tickets_live_channel_share_90d": live / whole,
            "tickets_repeated_share_90d": self._repeated(as_of),
        }

    def _repeated(self, as_of: int) -> Numbers:
        """Return the share of a quarter's tickets that came soon after the same person's before."""
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
        """Tell of which tickets one of some came from the same person in the days before."""
        rows = self._by_person[np.sort(self._rank[rows])]
        person, opened = self._person[rows], self._tickets["opened_at"][rows]
        soon = (person[1:] == person[:-1]) & (np.diff(opened) <= REPEAT_DAYS * DAY_US)
        is_again = np.zeros(len(self._tickets), dtype=bool)
        is_again[rows[1:][soon]] = True
        return is_again

    def _opened_within(self, as_of: int, days: float) -> npt.NDArray[np.intp]:
        """Return the tickets, in order, opened in so many days before a moment and known then."""
        opened = self._tickets["opened_at"]
        first, past = np.searchsorted(opened, [days_before(as_of, days), as_of])
        known: npt.NDArray[np.intp] = np.flatnonzero(self._known_from[first:past] < as_of)
        return known + int(first)


def _numbered(tickets: TableColumns, name: str) -> tuple[Codes, Codes]:
    """Return each ticket's pair of account and text, by number, and each pair's account."""
    width = len(tickets.texts[name]) + 1
    pair = tickets.account * width + tickets[name] + 1
    pairs, number = np.unique(pair, return_inverse=True)
    return number, pairs // width
