"""On which day each account's usage reached a count, and when that was known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.rollups.daily_usage import REACH_DAYS, DailyUsage
from features.rollups.kept_files import KeptRollups
from features.rollups.usage_rollup import (
    FIRST_DAY,
    PART_DAYS,
    Name,
    cut,
    first_day,
    kept_until,
    keys_with_known,
    named_codes,
    parts_of_rows,
    rollup_columns,
)
from features.tables.opened import Tables
from features.windows.day_rows import Codes, Numbers, day_number, summed
from features.windows.table_columns import NEVER, Mask, TableColumns, load_columns, places_of

_Events = Sequence[tuple[str, ...]]
#: What is read of a roll-up.
_COLUMNS = ("account_id", "event", "day", "known", "quantity")
#: This many days are read at a time once most accounts have reached every step.
_LATER_DAYS = 4 * PART_DAYS


class Step(NamedTuple):
    """A count of usage to reach: this many of these events (of any event, where empty)."""

    events: tuple[str, ...]
    times: int


@dataclass(frozen=True)
class Reached:
    """The day whose usage completed a step, and the day on which that was known.

    `NEVER` for an account that has not reached it.
    """

    day: Codes
    known: Codes

    def age(self, as_of: int, account: Codes) -> Numbers:
        """Return the days since then for accounts as of a day; NaN where it was not known yet."""
        since = (as_of - self.day[account]).astype(float)
        return np.where(self.known[account] < as_of, since, np.nan)


@dataclass(frozen=True)
class Counts:
    """How far each account has come, after all usage up to some day.

    Attributes
    ----------
    totals : mapping of tuple of str to array of float
        The usage of each set of events, by account.
    reached : mapping of Step to Reached
        Each step once.
    """

    totals: Mapping[tuple[str, ...], Numbers]
    reached: Mapping[Step, Reached]

    @classmethod
    def nothing(cls, steps: Sequence[Step], accounts: int) -> Counts:
        """Return the counts of accounts that have used nothing yet."""
        never = {s: Reached(np.full(accounts, NEVER), np.full(accounts, NEVER)) for s in steps}
        return cls({step.events: np.zeros(accounts) for step in steps}, never)

    @classmethod
    def of(cls, table: pa.Table | None, steps: Sequence[Step], accounts: pd.Index[str]) -> Counts:
        """Return the counts of some accounts from what `table` returned; None counts nothing."""
        counts = cls.nothing(steps, len(accounts))
        if table is not None:
            names = table["account_id"].cast(pa.string())
            place = places_of(names, pa.array(accounts, pa.string()))
            own = np.flatnonzero(place >= 0)
            for name, values in counts._columns().items():
                values[place[own]] = table[name].to_numpy()[own]
        return counts

    def table(self, accounts: pd.Index[str]) -> pa.Table:
        """Return the counts with the accounts they belong to."""
        names = pa.array(accounts, pa.string()).dictionary_encode()
        return pa.table({"account_id": names} | self._columns())

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        return {
            **{f"total_{number}": total for number, total in enumerate(self.totals.values())},
            **{f"day_{number}": found.day for number, found in enumerate(self.reached.values())},
            **{
                f"known_{number}": found.known for number, found in enumerate(self.reached.values())
            },
        }

    def and_then(self, usage: TableColumns) -> Counts:
        """Return the counts after further usage, none of which was known before what is counted.

        Parameters
        ----------
        usage : TableColumns
            Columns day, known (where it may be later than the day), and uses_0, uses_1 … in the
            order of `totals`.
        """
        totals, reached = {}, dict(self.reached)
        for number, (events, so_far) in enumerate(self.totals.items()):
            added = usage[f"uses_{number}"]
            totals[events] = total = so_far + summed(usage.account, len(so_far), added)
            waiting = {step: found for step, found in reached.items() if step.events == events}
            # Most accounts complete no step here: only the rows of those that do are sorted.
            full = np.zeros(len(total), dtype=bool)
            for step, found in waiting.items():
                full |= (total >= step.times) & (found.known == NEVER)
            rows = np.flatnonzero(full[usage.account])
            if len(rows):
                reached |= _counted(waiting, so_far, usage.taken(rows), f"uses_{number}")
        return Counts(totals, reached)

    def waiting(self) -> Mask:
        """Mark the accounts that have not reached every step yet."""
        result: Mask = np.any([found.known == NEVER for found in self.reached.values()], axis=0)
        return result


def _counted(
    waiting: Mapping[Step, Reached], so_far: Numbers, usage: TableColumns, column: str
) -> dict[Step, Reached]:
    """Return the steps after a column of usage is counted in the order in which it was known."""
    day, known = usage["day"], usage.columns.get("known", usage["day"])
    order = np.lexsort((day, known))
    account, day, known = usage.account[order], day[order], known[order]
    added, total = usage[column][order], so_far.copy()
    reached = {
        step: Reached(found.day.copy(), found.known.copy()) for step, found in waiting.items()
    }
    changes = np.flatnonzero((day[1:] != day[:-1]) | (known[1:] != known[:-1])) + 1
    for first, past in pairwise([0, *changes.tolist(), len(day)]):
        users = account[first:past]
        np.add.at(total, users, added[first:past])
        for step, found in reached.items():
            full = users[(total[users] >= step.times) & (found.known[users] == NEVER)]
            found.day[full], found.known[full] = day[first], known[first]
    return reached


def reached(
    tables: Tables,
    observations: pd.DataFrame,
    steps: Sequence[Step],
    accounts: pd.Index[str],
    usage: Callable[[], DailyUsage] | None = None,
) -> list[Reached]:
    """Return when each account reached each step.

    Usage counts in the order in which it became known: what is filled in later about earlier
    days changes no step that was reached before.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    observations : pd.DataFrame
        Needs as_of; usage after the last date does not matter.
    steps : sequence of Step
        The steps.
    accounts : pd.Index
        The accounts.
    usage : callable, optional
        Returns the roll-up for the dates of the observations: its days are not read again.
    """
    counts = Counts.nothing(steps, len(accounts))
    events = list(counts.totals)
    end = day_number(observations["as_of"].max())
    if any(events):
        usage = None
    if usage is not None:
        end = day_number(observations["as_of"].min()) - REACH_DAYS
    start = first_day(tables, "events" if any(events) else "days", end)
    if isinstance(tables.rollups, KeptRollups) and not tables.has("usage", "known_at"):
        past = kept_until(tables, FIRST_DAY, end)
        kept, start_of_rest = _of_finished_months(tables.rollups, steps, past)
        counts = Counts.of(kept, steps, accounts)
        start = None if start is None else max(start, start_of_rest)
    waiting = counts.waiting()
    parts = _read(tables, events, accounts, (start, end), waiting)
    if usage is not None:
        parts = chain(parts, _rolled_up(usage, end, accounts, waiting))
    # A late row of an earlier part may have been known after rows of a later one.
    for part in _together(list(parts)) if tables.has("usage", "known_at") else parts:
        counts = counts.and_then(part)
        # Of accounts that have reached every step nothing more is read.
        waiting[:] = counts.waiting()
    return [counts.reached[step] for step in steps]


def _together(parts: list[TableColumns]) -> list[TableColumns]:
    """Return one part with the rows of all."""
    if not parts:
        return []
    columns = {
        name: np.concatenate([part.columns.get(name, part["day"]) for part in parts])
        for name in {"known", *(name for part in parts for name in part.columns)}
    }
    account = np.concatenate([part.account for part in parts])
    return [TableColumns(account, parts[0].accounts, columns, {})]


def _read(
    tables: Tables,
    events: _Events,
    accounts: pd.Index[str],
    days: tuple[int | None, int],
    waiting: Mask,
) -> Iterator[TableColumns]:
    """Yield the usage of each set of events on some days, in parts of consecutive days.

    Rows have an account, a day and the day on which they were known, some of them the same.
    Roll-ups are read of the accounts that are waiting when a part is read.
    """
    name: Name = "events" if any(events) else "days"
    start, end = days
    if start is None or start >= end:
        return
    uses = [_uses(names).alias(f"uses_{number}") for number, names in enumerate(events)]
    since = kept_until(tables, start, end)
    # Few accounts wait for long, so that later parts may be larger.
    soon = min(start + PART_DAYS, end)
    for first, past in [(start, soon), *cut(soon, end, _LATER_DAYS)]:
        kept = max(first, min(since, past))
        if kept > first:
            rolled_up = _of_days(tables.rollups, name, first, kept)
            yield _counted_uses(rollup_columns(rolled_up, accounts), events, waiting)
        for rows in parts_of_rows(tables, kept, past, _LATER_DAYS):
            keys = keys_with_known(rows, "account_id", "day")
            if "known" in keys:
                late = nw.max_horizontal("day", "known")
                rows = rows.with_columns(known=late)  # noqa: PLW2901
            yield load_columns(rows.group_by(*keys).agg(*(use.sum() for use in uses)), accounts)


def _of_days(rollups: Any, name: Name, start: int, end: int) -> pa.Table:
    parts = rollups.tables(name, start, end, columns=_COLUMNS)
    return pa.concat_tables(parts, promote_options="default")


def _of_finished_months(
    rollups: KeptRollups, steps: Sequence[Step], past: int
) -> tuple[pa.Table | None, int]:
    """Return the counts of every account after the last month that ends before a day."""
    events = list(Counts.nothing(steps, 0).totals)
    name: Name = "events" if any(events) else "days"

    def add(before: pa.Table | None, every: KeptRollups, start: int, end: int) -> pa.Table:
        first = every.first_day(name, end)
        days = cut(max(start, end if first is None else first), end, _LATER_DAYS)
        parts = [_of_days(every, name, *ends) for ends in days]
        columns = [part["account_id"] for part in (before, *parts) if part is not None]
        names = {text for column in columns for text in named_codes(column)[0].to_pylist()}
        accounts = pd.Index(sorted(names), dtype=object)
        counts = Counts.of(before, steps, accounts)
        for part in parts:
            rows = rollup_columns(part, accounts)
            counts = counts.and_then(_counted_uses(rows, events, counts.waiting()))
        return counts.table(accounts)

    return rollups.carried_on("journey", [*map(list, steps)], past, add)


def _uses(events: tuple[str, ...]) -> nw.Expr:
    if not events:
        return nw.col("quantity")
    return nw.when(nw.col("event").is_in(events)).then(nw.col("quantity")).otherwise(nw.lit(0.0))


def _counted_uses(rows: TableColumns, events: _Events, waiting: Mask) -> TableColumns:
    """Return how often the accounts that are waiting used each set of events, from a roll-up."""
    rows = rows.taken(waiting[rows.account])
    day, quantity = rows["day"], rows["quantity"]
    columns = {"day": day}
    if "known" in rows.columns:
        columns["known"] = np.fmax(day, rows["known"]).astype(np.int64)
    for number, names in enumerate(events):
        is_counted = rows.is_text("event", {*names}.__contains__) if names else True
        columns[f"uses_{number}"] = np.where(is_counted, quantity, 0.0)
    return TableColumns(rows.account, rows.accounts, columns, {})


def _rolled_up(
    usage: Callable[[], DailyUsage], since: int, accounts: pd.Index[str], waiting: Mask
) -> Iterator[TableColumns]:
    """Yield the usage since a day from the roll-up, which another thread may be computing.

    It is that of the accounts that are waiting by then.
    """
    daily = usage()
    place = places_of(pa.array(daily.accounts, pa.string()), pa.array(accounts, pa.string()))
    own = np.flatnonzero(place >= 0)
    is_read = np.zeros(len(place), dtype=bool)
    is_read[own] = waiting[place[own]]
    first = int(np.searchsorted(daily.rows.day, since))
    rows = np.flatnonzero(is_read[daily.rows.account[first:]]) + first
    columns = {"day": daily.rows.day[rows], "uses_0": daily.rows.values["quantity"][rows]}
    if daily.rows.known is not None:
        columns["known"] = daily.rows.known_from[rows]
    yield TableColumns(place[daily.rows.account[rows]], len(accounts), columns, {})
