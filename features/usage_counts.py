"""The rows of a large usage table counted, as kept roll-ups tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.day_rows import Codes, earliest, summed
from features.usage_parts import UsageParts
from features.usage_rollup import by_account_day, named_codes
from features.usage_so_far import Extend, following


@dataclass(frozen=True)
class UsageCounts:
    """What the files of a usage table hold, without a look at a row that was counted before.

    A row without an account or a time is not among them.
    """

    parts: UsageParts

    def spans(self) -> pa.Table:
        """Return the rows of each account: account_id, n, first and last."""
        return self._sum("spans", _spans)

    def calendar(self) -> pa.Table:
        """Return the rows of each day: day, n and last."""
        return self._sum("calendar", _calendar)

    def within(self, days: Sequence[pa.Table]) -> list[pa.Table]:
        """Count rows on some days of accounts, as in `checks.OpenTable`."""
        wanted = [_Days(table) for table in days]
        if any(each.since.size for each in wanted):
            since = min(int(each.since.min()) for each in wanted if each.since.size)
            until = max(int(each.past.max()) for each in wanted if each.past.size)
            columns = ["account_id", "day", "n"]
            for rows in self.parts.tables(
                "days", by_account_day, since=since, until=until, columns=columns
            ):
                for each in wanted:
                    each.count(rows)
        return [each.counted() for each in wanted]

    def _sum(self, name: str, extend: Extend) -> pa.Table:
        found = self.parts.so_far(name, "days", by_account_day, extend)
        # Of no row at all there is no sum, but what it would look like.
        return extend(None, self.parts.tables("days", by_account_day)) if found is None else found


class _Days:
    """Days of accounts, and how many rows were counted on them."""

    def __init__(self, days: pa.Table) -> None:
        days = days.sort_by([("key", "ascending"), ("since", "ascending")])
        self.names = days["key"].combine_chunks().unique()
        self.account = pc.index_in(days["key"], value_set=self.names).to_numpy()
        self.since, self.past = (_day_numbers(days[name]) for name in ("since", "past"))
        self.n = np.zeros(len(self.names), dtype=np.int64)

    def count(self, rows: pa.Table) -> None:
        """Count the rows of a file, which come by account and day."""
        day = rows["day"].to_numpy()
        if not day.size:
            return
        first, past = int(day.min()), int(day.max()) + 1
        near = (self.since < past) & (self.past > first)
        wanted, account = np.unique(self.account[near], return_inverse=True)
        if not wanted.size:
            return
        place = _places(rows["account_id"], self.names.take(pa.array(wanted)))
        found = np.flatnonzero(place >= 0)
        # Of each row the days of its account that begin last before it, if there are any.
        begins = account * (past - first) + np.maximum(self.since[near] - first, 0)
        own = (
            np.searchsorted(begins, place[found] * (past - first) + day[found] - first, "right") - 1
        )
        is_in = (own >= 0) & (account[own] == place[found]) & (day[found] < self.past[near][own])
        found = found[is_in]
        counted = np.bincount(place[found], rows["n"].to_numpy()[found], minlength=wanted.size)
        self.n[wanted] += counted.astype(np.int64)

    def counted(self) -> pa.Table:
        """Return key and n of the accounts that have a row there."""
        is_there = pa.array(self.n > 0)
        return pa.table({"key": self.names, "n": self.n}).filter(is_there)


def _day_numbers(times: pa.ChunkedArray) -> Codes:
    days: Codes = times.to_numpy().astype("datetime64[D]").astype(np.int64)
    return days


def _places(names: pa.ChunkedArray, wanted: pa.Array) -> Codes:
    """Return the place of each row's name among those wanted; −1 where it is none of them."""
    coded = names.combine_chunks()
    place = pc.index_in(coded.dictionary, value_set=wanted).fill_null(-1).to_numpy()
    indices = coded.indices.fill_null(-1).to_numpy()
    places: Codes = np.append(place, -1).astype(np.int64)[indices]
    return places


def _spans(before: pa.Table | None, days: list[pa.Table]) -> pa.Table:
    """Add rows counted by account and day to the spans of accounts."""
    rows = _counted(following(before, days), ["account_id", "n", "first", "last"])
    names, code = named_codes(rows["account_id"])
    first, last = (rows[name].cast(pa.int64()).to_numpy() for name in ("first", "last"))
    return pa.table(
        {
            "account_id": names.dictionary_encode(),
            "n": summed(code, len(names), rows["n"].to_numpy()),
            "first": pa.array(earliest(code, len(names), first), pa.timestamp("us")),
            "last": pa.array(-earliest(code, len(names), -last), pa.timestamp("us")),
        }
    )


def _calendar(before: pa.Table | None, days: list[pa.Table]) -> pa.Table:
    """Add rows counted by account and day to the rows of each day."""
    told = [] if before is None else [before]
    told += [
        pa.table({"day": rows["day"].cast(pa.date32()), "n": rows["n"], "last": rows["last"]})
        for rows in (_counted([table], table.column_names) for table in days)
    ]
    by_day = pa.concat_tables(told).group_by("day").aggregate([("n", "sum"), ("last", "max")])
    return by_day.rename_columns({"n_sum": "n", "last_max": "last"})


def _counted(tables: list[pa.Table], columns: list[str]) -> pa.Table:
    rows = pa.concat_tables([table.select(columns) for table in tables])
    return rows.filter(pc.and_(pc.is_valid(rows["account_id"]), pc.is_valid(rows["first"])))
