"""On which day each account's use reached a count, and when that was known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import narwhals as nw
import numpy as np
import pandas as pd

from features.day_rows import Codes, Numbers, day_number, day_of
from features.many_dates import Frame
from features.point_in_time import collect
from features.table_columns import NEVER, TableColumns, bring_in
from features.tables import Tables
from features.usage_rollup import (
    REACH_DAYS,
    DailyUse,
    by_account_day,
    by_event,
    parts_of_days,
    prepared,
)


class Step(NamedTuple):
    """A sum of uses to reach: of these events (empty: of any), so many."""

    events: tuple[str, ...]
    times: int


@dataclass(frozen=True)
class Reached:
    """The day whose use made a step's count full, and the day on which that was known.

    `NEVER` for an account that has not reached it.
    """

    day: Codes
    known: Codes

    def age(self, as_of: Codes, account: Codes) -> Numbers:
        """Return the days since then for accounts as of days; NaN where it was not known yet."""
        since = (as_of - self.day[account]).astype(float)
        return np.where(self.known[account] < as_of, since, np.nan)


def reached(
    tables: Tables,
    spine: pd.DataFrame,
    steps: Sequence[Step],
    accounts: pd.Index[str],
    use: DailyUse | None = None,
) -> list[Reached]:
    """Return when each account reached each step.

    Uses count in the order in which they became known: what is filled in later about earlier
    days moves no step that was reached before.

    Parameters
    ----------
    tables : Tables
        Needs usage.
    spine : pd.DataFrame
        Needs as_of; what comes after its last date does not matter.
    steps : sequence of Step
        What is to be reached.
    accounts : pd.Index
        Whose.
    use : DailyUse, optional
        The roll-up for the spine's dates: what it tells is not read again.
    """
    events = list(dict.fromkeys(step.events for step in steps))
    last = day_number(spine["as_of"].max())
    if use is None or any(events):
        uses = list(_uses(tables, events, accounts, last))
    else:
        since = day_number(spine["as_of"].min()) - REACH_DAYS
        uses = [*_uses(tables, events, accounts, since), _rolled_up(use, since, accounts)]
    account = np.concatenate([np.empty(0, dtype=np.int64), *(part.account for part in uses)])
    day, known = (
        np.concatenate([np.empty(0, dtype=np.int32), *(part[name] for part in uses)])
        for name in ("day", "known")
    )
    order = _in_order(day, known)
    account, day, known = account[order], day[order], known[order]
    found: dict[Step, Reached] = {}
    for number, names in enumerate(events):
        quantity = np.concatenate([np.empty(0), *(part[f"uses_{number}"] for part in uses)])[order]
        of_events = [step for step in steps if step.events == names]
        found |= _filled(account, day, known, quantity, of_events, len(accounts))
    return [found[step] for step in steps]


def _in_order(day: Codes, known: Codes) -> Codes:
    """Return the order in which uses became known, those of one day in order of their own."""
    # Small whole numbers are sorted by counting.
    first = int(min(day.min(initial=0), known.min(initial=0)))
    order = np.argsort((day - first).astype(np.uint16), kind="stable")
    if (day == known).all():
        return order
    return order[np.argsort((known[order] - first).astype(np.uint16), kind="stable")]


def _filled(
    account: Codes, day: Codes, known: Codes, quantity: Numbers, steps: list[Step], accounts: int
) -> dict[Step, Reached]:
    """Add up rows in order, and note the one that makes each step's count full."""
    found = {step: Reached(np.full(accounts, NEVER), np.full(accounts, NEVER)) for step in steps}
    total = np.zeros(accounts)
    changes = np.flatnonzero((day[1:] != day[:-1]) | (known[1:] != known[:-1])) + 1
    for rows in np.split(np.arange(len(day)), changes):
        users = account[rows]
        before = total[users]
        np.add.at(total, users, quantity[rows])
        after = total[users]
        for step, reach in found.items():
            full = users[(before < step.times) & (after >= step.times)]
            full = full[reach.known[full] == NEVER]
            reach.day[full], reach.known[full] = day[rows[:1]], known[rows[:1]]
    return found


def _uses(
    tables: Tables, events: Sequence[tuple[str, ...]], accounts: pd.Index[str], end: int
) -> Iterator[TableColumns]:
    """Yield the uses of each set of events before a day.

    A row per account, day and day on which they were known.
    """
    sums = [_sum_of(names).alias(f"uses_{number}") for number, names in enumerate(events)]
    keys = ("account_id", "day", "known")
    if tables.parts is not None:
        name, roll = ("events", by_event) if any(events) else ("days", by_account_day)
        kept = _with_known(tables.parts.daily(name, roll).filter(nw.col("day") < end))
        if any(events):
            kept = kept.group_by(*keys).agg(*sums)
        else:
            kept = kept.select(*keys, uses_0=nw.col("quantity"))
        yield bring_in(kept, accounts)
        return
    rows = tables["usage"].filter(nw.col("occurred_at") < day_of(end).to_pydatetime())
    first = collect(rows.select(nw.col("occurred_at").min())).iloc[0, 0]
    if not pd.isna(first):
        for part in parts_of_days(prepared(rows), day_number(first), end):
            yield bring_in(_with_known(part).group_by(*keys).agg(*sums), accounts)


def _rolled_up(use: DailyUse, since: int, accounts: pd.Index[str]) -> TableColumns:
    """Return the uses since a day, as the roll-up tells them."""
    place = accounts.get_indexer(use.accounts)
    rows = np.flatnonzero((use.rows.day >= since) & (place[use.rows.account] >= 0))
    day = use.rows.day[rows]
    columns = {
        "day": day,
        "known": use.rows.seen_from[rows],
        "uses_0": use.rows.values["quantity"][rows],
    }
    return TableColumns(place[use.rows.account[rows]], len(accounts), columns, {})


def _with_known(rows: Frame) -> Frame:
    late = "known" in rows.collect_schema().names()
    return rows.with_columns(known=nw.max_horizontal("day", "known") if late else nw.col("day"))


def _sum_of(events: tuple[str, ...]) -> nw.Expr:
    if not events:
        return nw.col("quantity").sum()
    among = nw.when(nw.col("event").is_in(events))
    return among.then(nw.col("quantity")).otherwise(nw.lit(0.0)).sum()
