"""Tickets as they stood from one change to the next: what was filled in later is not seen yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.day_rows import Numbers
from features.many_dates import Frame, column_or_null
from features.table_columns import NEVER, Mask, TableColumns, Times, bring_in, days_from
from features.tables import Tables

#: Before every time there is.
_BEGINNING = np.iinfo(np.int64).min
#: A rating without a time of its own is taken as known so many days after the ticket opened.
_RATED_AFTER = timedelta(days=30)
#: Of these is the time at which a ticket was first solved, or solved for good.
_ENDS = ("first_solved_at", "solved_at", "reopened_at", "closed_at")
_TIMES = (*_ENDS, "first_replied_at", "csat_at", "escalated_at", "priority_at")
_OTHERS: dict[str, Any] = {
    "requester_id": nw.String,
    "channel": nw.String,
    "priority": nw.String,
    "first_priority": nw.String,
    "escalated": nw.Boolean,
    "csat": nw.Float64,
}


@dataclass(frozen=True)
class Spells:
    """A row for each time between two changes of a ticket's solution.

    As of a date a ticket stands in the one spell with ``since`` < date ≤ ``until``; before its
    first solution it is open. No spell begins before the ticket is known.

    Attributes
    ----------
    ticket : array of int
        Row of the ticket.
    since, until : array of int
        Moments of the change that began the spell, and of the next one (`NEVER` for none).
    is_open, is_reopened : array of bool
        Whether it waits for a solution, and whether it was ever reopened.
    ended_at : array of int
        The latest solution.
    first_resolved_at : array of int
        Without a first_solved_at, a ticket that was reopened before its solved_at was first
        solved at an unknown time: its reopening, the latest possible, stands for it.
    resolved_at : array of int
        The solution for good; `NEVER` where it is open.
    rated_at : array of int
        When its rating became known, from the best column there is.
    """

    ticket: npt.NDArray[np.intp]
    since: Times
    until: Times
    is_open: Mask
    is_reopened: Mask
    ended_at: Times
    first_resolved_at: Times
    resolved_at: Times
    rated_at: Times

    def as_of(self, as_of: int) -> Mask:
        """Tell which spells a date lies in."""
        return (self.since < as_of) & (as_of <= self.until)


def tickets_brought_in(
    tables: Tables, spine: pd.DataFrame, accounts: pd.Index[str], days: float
) -> TableColumns:
    """Return the tickets that can matter for windows of so many days, in order of opening.

    Returns
    -------
    TableColumns
        Every column of a ticket, empty where the table was given without it; channel in lower
        case.
    """
    known = ["known_at"] if tables.has("tickets", "known_at") else []
    rows = tables["tickets"].select(
        "account_id",
        "opened_at",
        *known,
        *(column_or_null(tables, "tickets", c, nw.Datetime("us")) for c in _TIMES),
        *(column_or_null(tables, "tickets", c, kind) for c, kind in _OTHERS.items()),
    )
    rows = rows.filter(nw.col("opened_at") < spine["as_of"].max().to_pydatetime())
    since = spine["as_of"].min().to_pydatetime() - timedelta(days=days)
    rows = _that_matter(rows, since).with_columns(nw.col("channel").str.to_lowercase())
    return bring_in(rows, accounts, in_order_of="opened_at")


def _that_matter(rows: Frame, since: Any) -> Frame:
    """Leave out what was over before a moment and was not opened again."""
    ended = nw.max_horizontal("solved_at", "closed_at", "first_solved_at")
    matters = ended.is_null() | (nw.col("reopened_at") >= ended).fill_null(False)
    for time in ("opened_at", "first_replied_at", "reopened_at", "csat_at"):
        matters = matters | (nw.col(time) >= since).fill_null(False)
    # A rating may be known some time after the end.
    return rows.filter(matters | (ended >= since - _RATED_AFTER).fill_null(False))


def spells_of(tables: Tables, tickets: TableColumns, first: int, last: int) -> Spells:
    """Return how each ticket stood, from one change of its solution to the next.

    Those of which no moment from `first` to `last` is a part are left out.
    """
    times = np.sort(np.stack([tickets[name] for name in _ENDS]), axis=0)
    beginning, never = (np.broadcast_to(at, len(tickets)) for at in (_BEGINNING, NEVER))
    seen_from, parts = tickets.seen_from("opened_at"), []
    for since, until in pairwise([beginning, *times, never]):
        begins = np.maximum(since, seen_from)
        rows = np.flatnonzero((begins < until) & (begins < last) & (until >= first))
        parts.append(_spells(tables, tickets, rows, since[rows], until[rows]))
    names = Spells.__dataclass_fields__
    whole = {n: np.concatenate([getattr(part, n) for part in parts]) for n in names}
    whole["since"] = np.maximum(whole["since"], seen_from[whole["ticket"]])
    return Spells(**whole)


def _spells(
    tables: Tables, tickets: TableColumns, rows: npt.NDArray[np.intp], since: Times, until: Times
) -> Spells:
    """Return how some tickets stood after what happened until `since`, and nothing later."""
    first, solved_at, reopened, closed = (
        np.where(tickets[name][rows] <= since, tickets[name][rows], NEVER) for name in _ENDS
    )
    solved = _first_there(solved_at, closed, first)
    ended = _latest(solved_at, closed, first)
    is_open = (ended == NEVER) | ((reopened != NEVER) & (reopened >= ended))
    # The last solution: of a ticket reopened after it was solved, its closing.
    lasting = (reopened == NEVER) | ((solved != NEVER) & (solved > reopened))
    return Spells(
        ticket=rows,
        since=since,
        until=until,
        is_open=is_open,
        is_reopened=reopened != NEVER,
        ended_at=ended,
        first_resolved_at=_first_there(first, np.minimum(solved, reopened)),
        resolved_at=np.where(is_open, NEVER, np.where(lasting, solved, closed)),
        rated_at=_rated_at(tables, tickets, rows, solved),
    )


def hours_until(tickets: TableColumns, rows: npt.NDArray[np.intp], end: Times) -> Numbers:
    """Return the hours from opening; 0 where the data has the end before it."""
    return np.maximum(days_from(tickets["opened_at"][rows], end) * 24, 0.0)


def is_urgent(tickets: TableColumns, rows: npt.NDArray[np.intp], as_of: int) -> Mask:
    """Tell which of some tickets were urgent on a date.

    A priority set at priority_at counts from then on, and first_priority before; without these
    columns a priority holds from the opening.
    """
    urgent, first = (
        tickets.is_text(name, lambda text: text.lower() == "urgent", rows)
        for name in ("priority", "first_priority")
    )
    unknown, set_at = tickets["priority"][rows] < 0, tickets["priority_at"][rows]
    set_later = (set_at >= as_of) & (set_at != NEVER)
    was_urgent: Mask = np.where(set_later | unknown, first, urgent)
    return was_urgent


def is_escalated(tickets: TableColumns, rows: npt.NDArray[np.intp], as_of: int) -> Mask:
    """Tell which of some tickets were escalated by a date; a time of it says it by itself."""
    at = tickets["escalated_at"][rows]
    escalated: Mask = (at < as_of) | ((at == NEVER) & (tickets["escalated"][rows] == 1.0))
    return escalated


def _rated_at(
    tables: Tables, tickets: TableColumns, rows: npt.NDArray[np.intp], solved: Times
) -> Times:
    if tables.has("tickets", "csat_at"):
        return tickets["csat_at"][rows]
    if tables.has("tickets", "solved_at") or tables.has("tickets", "closed_at"):
        return solved
    return tickets["opened_at"][rows] + _RATED_AFTER // timedelta(microseconds=1)


def _first_there(*times: Times) -> Times:
    """Return the first of some times that there is."""
    found = times[-1]
    for time in reversed(times[:-1]):
        found = np.where(time != NEVER, time, found)
    return found


def _latest(*times: Times) -> Times:
    """Return the latest of some times, as far as they are there."""
    latest = np.max([np.where(time == NEVER, _BEGINNING, time) for time in times], axis=0)
    return np.where(latest == _BEGINNING, NEVER, latest)
