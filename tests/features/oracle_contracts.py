"""Which rows of subscriptions count on a date, and until when, row by row in plain Python."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tests.features.company import Row

GRACE = timedelta(days=30)
NOTHING = timedelta(0)


def _is(row: Row, *names: str) -> tuple[object, ...]:
    return tuple(row.get(name) for name in names)


class Contracts:
    """The rows that started, and reached the warehouse, before a date.

    Parameters
    ----------
    rows : list of dict
        Rows of subscriptions known before the date.
    day : datetime
        The date.
    """

    def __init__(self, rows: list[Row], day: datetime) -> None:
        self.day = day
        self.rows = self._current([self._seen(row) for row in rows])
        self._next: dict[int, Row] = {}
        for row in sorted(self.rows, key=lambda r: (r["started_at"], r["mrr"])):
            if row["mrr"] > 0:
                self._continue_by(row)
        gaps = sorted(
            gap
            for row in self.rows
            if id(row) in self._next
            and (gap := self._known_from(self._next[id(row)]) - row["ended_at"]) < GRACE
        )
        self.lag = gaps[math.ceil(0.9 * len(gaps)) - 1] if len(gaps) >= 20 else NOTHING

    def effective_end(self, row: Row) -> datetime | None:
        """Return until when a row counts; None while it runs."""
        if id(row) in self._next:
            start: datetime = self._next[id(row)]["started_at"]
            return start
        end: datetime | None = row["ended_at"]
        if end is None or row["mrr"] <= 0 or end <= row["started_at"]:
            return end
        if self.lag == NOTHING or end + self.lag < self.day:
            return end
        if row.get("notice_at") is not None and row["notice_at"] < self.day:
            return end
        return end if self._is_unpaid_after(row) else None

    def _seen(self, row: Row) -> Row:
        later = row.get("ended_at") is not None and row["ended_at"] >= self.day
        return {**row, "ended_at": None if later else row.get("ended_at")}

    def _known_from(self, row: Row) -> datetime:
        known: datetime = max(row["started_at"], row.get("known_at") or row["started_at"])
        return known

    def _current(self, rows: list[Row]) -> list[Row]:
        """Keep the latest version of each row that has an id."""
        kept: list[Row] = []
        for row in rows:
            if row.get("subscription_id") is None:
                kept.append(row)
                continue
            same = [r for r in rows if self._key(r) == self._key(row)]
            if max(self._arrived(r) for r in same) > self._arrived(row):
                continue
            terms = ("mrr", "seats", "plan")
            copies = [
                r
                for r in same
                if self._arrived(r) == self._arrived(row) and _is(r, *terms) == _is(row, *terms)
            ]
            if copies[0] is row:
                ends = [r["ended_at"] for r in copies if r["ended_at"] is not None]
                notices = [r["notice_at"] for r in copies if r.get("notice_at") is not None]
                merged = {"ended_at": min(ends, default=None)}
                kept.append({**row, **merged, "notice_at": min(notices, default=None)})
        return kept

    def _key(self, row: Row) -> tuple[object, ...]:
        return _is(row, "account_id", "subscription_id", "product", "started_at")

    def _arrived(self, row: Row) -> datetime:
        arrived: datetime = row.get("known_at") or row["started_at"]
        return arrived

    def _continue_by(self, row: Row) -> None:
        """Let a row continue the one, of those that ended shortly before, that is most like it."""
        ended = [
            other
            for other in self.rows
            if other is not row
            and other["mrr"] > 0
            and id(other) not in self._next
            and _is(other, "account_id", "product") == _is(row, "account_id", "product")
            and other["ended_at"] is not None
            and NOTHING <= row["started_at"] - other["ended_at"] < GRACE
        ]
        if ended:
            self._next[id(max(ended, key=lambda other: self._likeness(other, row)))] = row

    def _likeness(self, other: Row, row: Row) -> tuple[object, ...]:
        def seats(r: Row) -> float:
            return r.get("seats") or 0.0

        return (
            _is(other, "subscription_id") == _is(row, "subscription_id"),
            _is(other, "plan") == _is(row, "plan"),
            other["mrr"] == row["mrr"],
            seats(other) == seats(row),
            other["ended_at"],
        )

    def _is_unpaid_after(self, row: Row) -> bool:
        """Tell whether an unpaid row of the product follows, or runs on."""
        same = [
            other
            for other in self.rows
            if other["mrr"] <= 0
            and _is(other, "account_id", "product") == _is(row, "account_id", "product")
        ]
        return any(
            other["started_at"] >= row["ended_at"]
            or other["ended_at"] is None
            or other["ended_at"] > row["ended_at"]
            for other in same
        )
