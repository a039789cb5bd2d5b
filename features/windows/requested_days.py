"""How many rows lie on some days of some accounts, counted file by file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.windows.day_rows import Codes
from features.windows.table_columns import placed

#: Which of several lists of days it is, the account, and its days as numbers, the last excluded.
_ASKED = pa.schema(
    [("list", pa.int8()), ("key", pa.string()), ("since", pa.int64()), ("past", pa.int64())]
)
_FOUND = pa.schema([("list", pa.int8()), ("key", pa.string()), ("n", pa.int64())])


def requested_days(lists: Sequence[pa.Table]) -> pa.Table:
    """Put lists of days into one, in order: list, key, since and past.

    Parameters
    ----------
    lists : sequence of pa.Table
        As in `checks.OpenTable.within`.
    """
    asked = [
        pa.table([np.full(len(days), number), days["key"], *_numbers(days)], schema=_ASKED)
        for number, days in enumerate(lists)
    ]
    order = [(name, "ascending") for name in ("list", "key", "since")]
    return pa.concat_tables(asked).sort_by(order).combine_chunks()


def _numbers(days: pa.Table) -> list[Codes]:
    times = (days[name].to_numpy() for name in ("since", "past"))
    return [time.astype("datetime64[D]").astype(np.int64) for time in times]


def requested_between(asked: pa.Table, first: int, past: int) -> pa.Table:
    """Return what is asked of the days of [first, past)."""
    since, until = (asked[name].to_numpy() for name in ("since", "past"))
    near = asked.filter((since < past) & (until > first))
    within = (pc.max_element_wise(near["since"], first), pc.min_element_wise(near["past"], past))
    return pa.table([near["list"], near["key"], *within], schema=_ASKED)


def counted_on(rows: pa.Table, asked: pa.Table) -> pa.Table:
    """Count rows on the days that are asked for.

    Parameters
    ----------
    rows : pa.Table
        By account and day: account_id as codes, day as a number, and n.
    asked : pa.Table
        As `asked_between` returns it.

    Returns
    -------
    pa.Table
        list, key and n, of those with a row there.
    """
    found = [_FOUND.empty_table()]
    for number in np.unique(asked["list"].to_numpy()):
        days = asked.filter(asked["list"].to_numpy() == number)
        names = days["key"].combine_chunks().unique()
        n = _counted(rows, names, days)
        result = [np.full(len(names), number), names, n]
        found.append(pa.table(result, schema=_FOUND).filter(n > 0))
    return pa.concat_tables(found)


def _counted(rows: pa.Table, names: pa.Array, days: pa.Table) -> Codes:
    """Return how many rows of each name lie on its days."""
    account = pc.index_in(days["key"], value_set=names).to_numpy().astype(np.int64)
    since, past = (days[name].to_numpy() for name in ("since", "past"))
    first, length = int(since.min()), int(past.max() - since.min())
    place, day = _places(rows["account_id"], names), rows["day"].to_numpy()
    near = np.flatnonzero((place >= 0) & (day >= first) & (day < first + length))
    place, day = place[near], day[near]
    # Of each row the days of its account that begin last before it, if there are any.
    begins, is_at = account * length + (since - first), place * length + (day - first)
    last = np.searchsorted(begins, is_at, side="right") - 1
    is_in = (last >= 0) & (account[last] == place) & (day < past[last])
    n = np.bincount(place[is_in], rows["n"].to_numpy()[near[is_in]], minlength=len(names))
    counts: Codes = n.astype(np.int64)
    return counts


def _places(names: pa.ChunkedArray, wanted: pa.Array) -> Codes:
    """Return the place of each row's name among those wanted; −1 where it is none of them."""
    coded = names.combine_chunks()
    return placed(coded.indices.fill_null(-1).to_numpy(), coded.dictionary, wanted)


def of_each_list(found: Sequence[pa.Table], lists: int) -> list[pa.Table]:
    """Add up what was found in each file; return key and n for each list."""
    result = pa.concat_tables([_FOUND.empty_table(), *found])
    added = result.group_by(["list", "key"]).aggregate([("n", "sum")])
    return [
        pa.table({"key": of_list["key"], "n": of_list["n_sum"]})
        for of_list in (added.filter(pc.field("list") == number) for number in range(lists))
    ]
