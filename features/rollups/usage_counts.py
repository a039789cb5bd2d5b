"""The rows of a large usage table counted, as kept roll-ups tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.rollups.running_totals import Extend, following
from features.rollups.usage_files import UsageParts
from features.rollups.usage_rollup import by_account_day, named_codes
from features.windows.day_rows import earliest, summed
from features.windows.requested_days import (
    counted_on,
    of_each_list,
    requested_between,
    requested_days,
)


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

    def within(self, lists: Sequence[pa.Table]) -> list[pa.Table]:
        """Count rows on some days of accounts, as in `checks.OpenTable`."""
        asked = requested_days(lists)
        found = self.parts.answers(
            "within",
            partial(requested_between, asked),
            counted_on,
            ("days", by_account_day, ("account_id", "day", "n")),
        )
        return of_each_list(found, len(lists))

    def _sum(self, name: str, extend: Extend) -> pa.Table:
        found = self.parts.so_far(name, "days", by_account_day, extend)
        # Of no row at all there is no sum, but what it would look like.
        return extend(None, self.parts.tables("days", by_account_day)) if found is None else found


def _spans(before: pa.Table | None, days: list[pa.Table]) -> pa.Table:
    """Add rows counted by account and day to the spans of accounts."""
    rows = _counted(following(before, days), ["account_id", "n", "first", "last"])
    names, code = named_codes(rows["account_id"])
    first, last = (rows[name].cast(pa.int64()).to_numpy() for name in ("first", "last"))
    return pa.table(
        {
            "account_id": pa.DictionaryArray.from_arrays(
                np.arange(len(names), dtype=np.int32), names
            ),
            "n": summed(code, len(names), rows["n"].to_numpy()),
            "first": pa.array(earliest(code, len(names), first), pa.timestamp("us")),
            "last": pa.array(-earliest(code, len(names), -last), pa.timestamp("us")),
        }
    )


def _calendar(before: pa.Table | None, days: list[pa.Table]) -> pa.Table:
    """Add rows counted by account and day to the rows of each day."""
    result = [] if before is None else [before]
    result += [
        pa.table({"day": rows["day"].cast(pa.date32()), "n": rows["n"], "last": rows["last"]})
        for rows in (_counted([table], table.column_names) for table in days)
    ]
    by_day = pa.concat_tables(result).group_by("day").aggregate([("n", "sum"), ("last", "max")])
    return by_day.rename_columns({"n_sum": "n", "last_max": "last"})


def _counted(tables: list[pa.Table], columns: list[str]) -> pa.Table:
    rows = pa.concat_tables([table.select(columns) for table in tables])
    return rows.filter(pc.and_(pc.is_valid(rows["account_id"]), pc.is_valid(rows["first"])))
