"""On which day each account's use reached a count, and when that was known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from features.journey.counts import Counts, Reached, Step
from features.rollups.daily_usage import REACH_DAYS, DailyUse
from features.rollups.running_totals import following
from features.rollups.usage_files import UsageParts
from features.rollups.usage_rollup import (
    Roll,
    by_account_day,
    by_event,
    keys_with_known,
    known_days,
    named_codes,
    parts_of_days,
    prepared,
)
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.windows.day_rows import BEFORE_ALL_DAYS, Codes, day_number, day_of
from features.windows.table_columns import NEVER, TableColumns, load_columns, places_of

__all__ = ["Reached", "Step", "reached"]
_Events = Sequence[tuple[str, ...]]


def reached(
    tables: Tables,
    observations: pd.DataFrame,
    steps: Sequence[Step],
    accounts: pd.Index[str],
    use: Callable[[], DailyUse] | None = None,
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
    use : callable, optional
        Returns the roll-up for the spine's dates: what it tells is not read again.
    """
    # A last one stands for all others: to leave their uses out would copy those of the rest.
    counts = Counts.nothing(steps, len(accounts) + 1)
    events, parts = list(counts.totals), tables.parts
    since = day_number(observations["as_of"].min()) - REACH_DAYS
    result = None if any(events) else use
    end = day_number(observations["as_of"].max()) if result is None else since
    is_late = tables.has("usage", "known_at")
    if parts is None:
        uses = _uses(tables, events, accounts, end)
    elif parts.follow_one_another() and not is_late:
        counts = _counted_before(parts, steps, accounts, since)
        uses = _kept_uses(parts, events, accounts, since, end)
    else:
        uses = _kept_uses(parts, events, accounts, BEFORE_ALL_DAYS, end)
    uses = chain(uses, () if result is None else _rolled_up(result, since, accounts))
    # Late rows and files in any order may tell what was known before that which came before them.
    in_turn = not is_late and (parts is None or parts.follow_one_another())
    for part in uses if in_turn else _together(list(uses), len(events), len(accounts) + 1):
        counts = counts.and_then(part)
    return [counts.reached[step] for step in steps]


def _together(uses: list[TableColumns], events: int, accounts: int) -> list[TableColumns]:
    """Put the parts of uses into one."""
    if not uses:
        return []
    columns = {
        name: np.concatenate([part.columns.get(name, part["day"]) for part in uses])
        for name in ("day", "known", *(f"uses_{number}" for number in range(events)))
    }
    account = np.concatenate([part.account for part in uses])
    return [TableColumns(account, accounts, columns, {})]


def _uses(
    tables: Tables, events: _Events, accounts: pd.Index[str], end: int
) -> Iterator[TableColumns]:
    """Yield the uses of each set of events before a day, part by part.

    A row per account, day and day on which they were known.
    """
    sums = [_sum_of(names).alias(f"uses_{number}") for number, names in enumerate(events)]
    rows = tables["usage"].filter(nw.col("occurred_at") < day_of(end).to_pydatetime())
    # Sorted for the first one: of most files an engine then looks at their least time alone.
    first = collect(rows.select("occurred_at").sort("occurred_at").head(1))["occurred_at"]
    if first.empty:
        return
    rows = prepared(rows)
    keys = keys_with_known(rows, "account_id", "day")
    if "known" in keys:
        rows = rows.with_columns(known=nw.max_horizontal("day", "known"))
    for _, part in parts_of_days(rows, day_number(first[0]), end):
        yield load_columns(part.group_by(*keys).agg(*sums), accounts)


def _sum_of(events: tuple[str, ...]) -> nw.Expr:
    if not events:
        return nw.col("quantity").sum()
    among = nw.when(nw.col("event").is_in(events))
    return among.then(nw.col("quantity")).otherwise(nw.lit(0.0)).sum()


def _rolled_up(
    result: Callable[[], DailyUse], since: int, accounts: pd.Index[str]
) -> Iterator[TableColumns]:
    """Yield the uses since a day, as the roll-up tells them; others may be at making it."""
    use = result()
    rows = slice(int(np.searchsorted(use.rows.day, since)), None)
    columns = {"day": use.rows.day[rows], "uses_0": use.rows.values["quantity"][rows]}
    if use.rows.known is not None:
        columns["known"] = use.rows.seen_from[rows]
    account = _or_others(accounts.get_indexer(use.accounts), accounts)[use.rows.account[rows]]
    yield TableColumns(account, len(accounts) + 1, columns, {})


def _kept(events: _Events) -> tuple[str, Roll]:
    """Return the roll-up that tells the uses of these sets of events."""
    return ("events", by_event) if any(events) else ("days", by_account_day)


def _kept_uses(
    parts: UsageParts, events: _Events, accounts: pd.Index[str], since: int, end: int
) -> Iterator[TableColumns]:
    """Yield the uses before a day that kept roll-ups tell, of files that reach beyond another."""
    tables = parts.tables(*_kept(events), since=since, until=end)
    for table in sorted(tables, key=_first_day):
        names, code = named_codes(table["account_id"])
        place = places_of(names, pa.array(accounts, pa.string()))
        account = _or_others(place, accounts)[code]
        uses = _columns(table, account, len(accounts) + 1, events)
        yield uses if (uses["day"] < end).all() else uses.taken(uses["day"] < end)


def _or_others(place: Codes, accounts: pd.Index[str]) -> Codes:
    """Put what has no place among the accounts after them; as a last one that of no name."""
    return np.append(np.where(place < 0, len(accounts), place), len(accounts))


def _first_day(table: pa.Table) -> int:
    """Return the first day of a roll-up, which is in order of day."""
    return int(table["day"][0].as_py()) if len(table) else BEFORE_ALL_DAYS


def _columns(table: pa.Table, account: Codes, accounts: int, events: _Events) -> TableColumns:
    day, quantity = table["day"].to_numpy().astype(np.int64), table["quantity"].to_numpy()
    columns, known = {"day": day}, known_days(table)
    if known is not None:
        columns["known"] = known
    for number, names in enumerate(events):
        columns[f"uses_{number}"] = quantity
        if names:
            spelt, code = named_codes(table["event"])
            among = np.isin(spelt.to_numpy(zero_copy_only=False), names)
            columns[f"uses_{number}"] = np.where(among[code], quantity, 0.0)
    return TableColumns(account, accounts, columns, {})


def _counted_before(
    parts: UsageParts, steps: Sequence[Step], accounts: pd.Index[str], since: int
) -> Counts:
    """Return the counts of the files that end before a day, no two of which share a day."""
    rolled, roll = _kept([step.events for step in steps])
    name = "steps_" + hashlib.sha256(repr(list(steps)).encode()).hexdigest()[:16]
    table = parts.so_far(name, rolled, roll, partial(_counted, steps), before=since)
    if table is None:
        return Counts.nothing(steps, len(accounts) + 1)
    ids = table["account_id"].cast(pa.string()).combine_chunks()
    place = places_of(pa.array(accounts, pa.string()), ids)
    return _counts_of(table, steps, np.append(place, -1))


def _counted(steps: Sequence[Step], before: pa.Table | None, tables: list[pa.Table]) -> pa.Table:
    """Add the roll-ups of files, one after another, to the counts of those before."""
    ids = [table.select(["account_id"]) for table in following(before, tables)]
    names, code = named_codes(pa.concat_tables(ids)["account_id"])
    counts = Counts.nothing(steps, len(names))
    at = np.cumsum([0, *map(len, ids)])[0 if before is None else 1 :]
    if before is not None:
        place = np.full(len(names), -1)
        place[code[: len(before)]] = np.arange(len(before))
        counts = _counts_of(before, steps, place)
    for table, first, past in zip(tables, at, at[1:], strict=False):
        counts = counts.and_then(_columns(table, code[first:past], len(names), list(counts.totals)))
    columns = {"account_id": names.dictionary_encode()}
    columns |= {f"uses_{n}": pa.array(uses) for n, uses in enumerate(counts.totals.values())}
    columns |= {f"day_{n}": pa.array(step.day) for n, step in enumerate(counts.reached.values())}
    return pa.table(columns)


def _counts_of(table: pa.Table, steps: Sequence[Step], place: Codes) -> Counts:
    """Return what was counted of accounts by their row; nothing of one that has none (−1)."""
    empty = Counts.nothing(steps, 0)
    totals = {
        events: np.append(table[f"uses_{number}"].to_numpy(), 0.0)[place]
        for number, events in enumerate(empty.totals)
    }
    days = [
        np.append(table[f"day_{n}"].to_numpy(), NEVER)[place] for n in range(len(empty.reached))
    ]
    reached = {step: Reached(day, day) for step, day in zip(empty.reached, days, strict=True)}
    return Counts(totals, reached)
