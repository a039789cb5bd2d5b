"""Tickets from one change to the next: values that are filled in later are not known before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import Frame, known_from, seen
from features.tables.schema import Kind
from features.tables.survey_scales import by_scale
from features.tables.ticket_statuses import UNSOLVED
from features.tickets.contacts import LOOK_BACK_DAYS
from features.windows.table_columns import NEVER, Mask, TableColumns, Times, load_columns

#: Before every time there is.
_BEGINNING = np.iinfo(np.int64).min
#: A rating without its own time counts as known this many days after the ticket was opened.
_RATED_AFTER = timedelta(days=30)
#: The times of which one is the first or the final solution of a ticket.
_ENDS = ("first_solved_at", "solved_at", "reopened_at", "closed_at")
#: Columns that are loaded, empty where the table lacks them.
_OPTIONAL: dict[str, Kind] = {
    **dict.fromkeys((*_ENDS, "first_replied_at", "csat_at"), "time"),
    **dict.fromkeys(("escalated_at", "priority_at"), "time"),
    **dict.fromkeys(("requester_id", "channel"), "text"),
    **dict.fromkeys(("is_urgent", "was_urgent", "is_escalated", "is_satisfied", "is_bad"), "flag"),
    **dict.fromkeys(("is_merged", "is_unsolved"), "flag"),
}
#: Rows of some tickets, or of all.
_Rows = slice | npt.NDArray[np.intp]


@dataclass(frozen=True)
class Spells:
    """A row for each time between two changes of a ticket's solution.

    As of a date a ticket is in the one spell with ``since`` < date ≤ ``until``; before its first
    solution it is open. No spell starts before the ticket is known.

    Attributes
    ----------
    ticket : array of int, or slice
        Row of the ticket; a slice where every ticket has a single spell.
    since, until : array of int
        Moments of the change that started the spell, and of the next one (`NEVER` for none).
    is_open, is_reopened : array of bool
        Whether it waits for a solution, and whether it was ever reopened.
    open_since : array of int
        When it was opened, or last reopened.
    ended_at : array of int
        The latest solution; `NEVER` for a ticket that was merged or closed unsolved.
    first_resolved_at : array of int
        Without a first_solved_at, a ticket that was reopened before its solved_at was first
        solved at an unknown time: its reopening, the latest possible time, is used.
    resolved_at : array of int
        The solution for good; `NEVER` where it is open.
    rated_at : array of int
        When its rating became known, from the best column there is.
    """

    ticket: _Rows
    since: Times
    until: Times
    is_open: Mask
    is_reopened: Mask
    open_since: Times
    ended_at: Times
    first_resolved_at: Times
    resolved_at: Times
    rated_at: Times

    def as_of(self, as_of: int) -> Mask:
        """Mark the spells that include a date."""
        return (self.since < as_of) & (as_of <= self.until)

    def tickets(self, spells: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the rows of the tickets of some spells."""
        return spells if isinstance(self.ticket, slice) else self.ticket[spells]


def load_tickets(
    tables: Tables, observations: pd.DataFrame, accounts: pd.Index[str], days: float
) -> TableColumns:
    """Load the tickets that matter for windows of this many days, in no particular order.

    Parameters
    ----------
    tables : Tables
        Needs tickets.
    observations : pd.DataFrame
        Needs as_of.
    accounts : pd.Index
        The accounts of the observations.
    days : float
        At least half a year, for ratings.

    Returns
    -------
    TableColumns
        opened_at, known_from and the other times of a ticket. Times after the last date are
        `NEVER`, except escalated_at and priority_at, which show that something was not yet so.
        requester_id and channel (lower case) are loaded only for the tickets that `Contacts`
        needs. is_urgent, was_urgent (by its first priority), is_escalated, is_satisfied and is_bad
        (by its rating). Columns that the table lacks are empty.
    """
    first, last = (
        day.to_pydatetime() for day in (observations["as_of"].min(), observations["as_of"].max())
    )
    rows = tables["tickets"].filter(nw.col("opened_at") < last)
    rows = _that_matter(tables, rows, first - timedelta(days=days))
    made = [
        expression.alias(name)
        for name, (column, expression) in _made(tables, first, last).items()
        if tables.has("tickets", column)
    ]
    late = [known_from(rows, "opened_at")] if tables.has("tickets", "known_at") else []
    loaded = load_columns(
        rows.select("account_id", "opened_at", *late, *made), accounts, optional=_OPTIONAL
    )
    if late:
        return loaded
    return replace(loaded, columns={**loaded.columns, "known_from": loaded["opened_at"]})


def _made(tables: Tables, first: datetime, last: datetime) -> dict[str, tuple[str, nw.Expr]]:
    """Return what is loaded for dates from `first` to `last`: from which column, and how."""
    lately = nw.when(nw.col("opened_at") >= first - timedelta(days=LOOK_BACK_DAYS))
    # To engines a NaN is larger than every number.
    is_rated = nw.when(~nw.col("csat").is_nan())
    scale = "csat_scale" if tables.has("tickets", "csat_scale") else None
    rating = partial(by_scale, "csat", column=scale)
    return {
        **{name: (name, seen(name, last)) for name in (*_ENDS, "first_replied_at", "csat_at")},
        **{name: (name, nw.col(name)) for name in ("escalated_at", "priority_at")},
        "requester_id": ("requester_id", lately.then(nw.col("requester_id"))),
        "channel": ("channel", lately.then(nw.col("channel").str.to_lowercase())),
        "is_urgent": ("priority", nw.col("priority").str.to_lowercase() == "urgent"),
        "was_urgent": ("first_priority", nw.col("first_priority").str.to_lowercase() == "urgent"),
        "is_escalated": ("escalated", nw.col("escalated")),
        "is_satisfied": ("csat", is_rated.then(rating(lambda on: nw.col("csat") >= on.good_from))),
        "is_bad": ("csat", is_rated.then(rating(lambda on: nw.col("csat") <= on.bad_to))),
        "is_merged": ("merged_into", ~nw.col("merged_into").is_null()),
        "is_unsolved": ("status", nw.col("status").str.to_lowercase().is_in(UNSOLVED)),
    }


def _that_matter(tables: Tables, rows: Frame, since: datetime) -> Frame:
    """Leave out tickets that ended before a moment and were not reopened."""

    def present(*names: str) -> list[str]:
        return [name for name in names if tables.has("tickets", name)]

    ends = present("solved_at", "closed_at", "first_solved_at")
    if not ends:
        return rows
    ended = nw.max_horizontal(*ends)
    matters = ended.is_null() | (ended >= since)
    for time in ("opened_at", *present("first_replied_at", "reopened_at", "csat_at")):
        matters = matters | (nw.col(time) >= since)
    if present("reopened_at"):
        matters = matters | (nw.col("reopened_at") >= ended)
    return rows.filter(matters)


def spells_of(tables: Tables, tickets: TableColumns, first: int, last: int) -> Spells:
    """Return the spells of each ticket on dates from `first` to `last`."""
    ends = [tickets[name] for name in _ENDS]
    changes = np.zeros(len(tickets), dtype=bool)
    for times in ends:
        changes |= (times >= first) & (times < last)
    changing = np.flatnonzero(changes)
    # Most tickets do not change between these dates: they have one spell.
    settled = np.flatnonzero(~changes) if len(changing) else slice(None)
    since = tickets["known_from"][settled]
    known_times = [times[settled] for times in ends]
    never = np.broadcast_to(NEVER, len(since))
    parts = [_spells(tables, tickets, settled, known_times, since, never)]
    if not len(changing):
        return parts[0]
    parts += _cut_up(tables, tickets, changing, first, last)
    names = Spells.__dataclass_fields__
    return Spells(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def _cut_up(
    tables: Tables, tickets: TableColumns, rows: npt.NDArray[np.intp], first: int, last: int
) -> Iterator[Spells]:
    """Yield the spells of some tickets before, between and after the changes of their solution."""
    known = tickets["known_from"][rows]
    ends = [tickets[name] for name in _ENDS]
    changes = np.sort([times[rows] for times in ends], axis=0)
    beginning, never = (np.broadcast_to(at, len(rows)) for at in (_BEGINNING, NEVER))
    for since, until in pairwise([beginning, *changes, never]):
        starts = np.maximum(since, known)
        inside = np.flatnonzero((starts < until) & (starts < last) & (until >= first))
        then, found = since[inside], rows[inside]
        known_times = [np.where(times[found] <= then, times[found], NEVER) for times in ends]
        yield _spells(tables, tickets, found, known_times, starts[inside], until[inside])


def _spells(
    tables: Tables,
    tickets: TableColumns,
    rows: _Rows,
    known_times: Sequence[Times],
    since: Times,
    until: Times,
) -> Spells:
    """Return the spells of some tickets, for which these times of `_ENDS` are known."""
    first, solved_at, reopened, closed = known_times
    solved = _first_present(solved_at, closed, first)
    ended = _latest(solved_at, closed, first)
    is_open = (ended == NEVER) | ((reopened != NEVER) & (reopened >= ended))
    opened = tickets["opened_at"][rows]
    unsolved = (tickets["is_merged"][rows] == 1) | (tickets["is_unsolved"][rows] == 1)
    rated_at = _rated_at(tables, tickets, rows, solved)
    first, solved, ended, closed = (
        np.where(unsolved, NEVER, time) for time in (first, solved, ended, closed)
    )
    # The last solution: of a ticket reopened after it was solved, its closing.
    lasting = (reopened == NEVER) | ((solved != NEVER) & (solved > reopened))
    resolved = np.where(lasting, solved, closed)
    resolved[is_open] = NEVER
    return Spells(
        ticket=rows,
        since=since,
        until=until,
        is_open=is_open,
        is_reopened=reopened != NEVER,
        open_since=np.where(reopened != NEVER, np.maximum(opened, reopened), opened),
        ended_at=ended,
        first_resolved_at=np.where(
            unsolved, NEVER, _first_present(first, np.minimum(solved, reopened))
        ),
        resolved_at=resolved,
        rated_at=rated_at,
    )


def is_urgent(tickets: TableColumns, rows: npt.NDArray[np.intp], as_of: int) -> Mask:
    """Mark the tickets that were urgent on a date.

    A priority set at priority_at counts from then on, and first_priority before; without these
    columns a priority applies from the opening.
    """
    urgent, first = tickets["is_urgent"][rows], tickets["was_urgent"][rows]
    set_at = tickets["priority_at"][rows]
    set_later = (set_at >= as_of) & (set_at != NEVER)
    was_urgent: Mask = np.where(set_later | (urgent < 0), first, urgent) == 1
    return was_urgent


def is_escalated(tickets: TableColumns, rows: npt.NDArray[np.intp], as_of: int) -> Mask:
    """Mark the tickets that were escalated before a date, by time or else by flag."""
    at = tickets["escalated_at"][rows]
    escalated: Mask = (at < as_of) | ((at == NEVER) & (tickets["is_escalated"][rows] == 1))
    return escalated


def _rated_at(tables: Tables, tickets: TableColumns, rows: _Rows, solved: Times) -> Times:
    if tables.has("tickets", "csat_at"):
        return tickets["csat_at"][rows]
    if tables.has("tickets", "solved_at") or tables.has("tickets", "closed_at"):
        return solved
    return tickets["opened_at"][rows] + _RATED_AFTER // timedelta(microseconds=1)


def _first_present(*times: Times) -> Times:
    """Return the first of some times that is present."""
    *before, found = times
    for time in reversed(before):
        found = np.where(time != NEVER, time, found)
    return found


def _latest(*times: Times) -> Times:
    """Return the latest of some times, leaving out those that are `NEVER`."""
    latest, *others = times
    for time in others:
        is_later = (latest == NEVER) | ((time != NEVER) & (time > latest))
        latest = np.where(is_later, time, latest)
    return latest
