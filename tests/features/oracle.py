"""What every feature should be, worked out row by row in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.features import oracle_contracts
from tests.features.company import Row, Rows

Value = float | None
Oracle = Callable[["Then", str], Value]
ORACLES: dict[str, Oracle] = {}


def oracle(*names: str) -> Callable[[Oracle], Oracle]:
    """File a function under the features it tells."""

    def file(function: Oracle) -> Oracle:
        ORACLES.update(dict.fromkeys(names, function))
        return function

    return file


class Then:
    """The rows as they were at a date: later rows are gone, later values blank."""

    def __init__(self, rows: Rows, day: datetime) -> None:
        self.day = day
        self.rows = {name: [r for r in listed if self._known(r)] for name, listed in rows.items()}
        self.usage = self._dated("usage", "occurred_at")
        self.tickets = [self._ticket(r) for r in self._dated("tickets", "opened_at")]
        self.surveys = [self._survey(r) for r in self.rows["surveys"]]
        self.orders = self._dated("orders", "ordered_at")
        self.contracts = oracle_contracts.Contracts(self._dated("subscriptions", "started_at"), day)
        self.paid = [r for r in self.contracts.rows if r["mrr"] > 0]
        starts = [(r["account_id"], r["started_at"]) for r in self.paid]
        if "subscriptions" not in rows:
            starts = [(r["account_id"], r["ordered_at"]) for r in self.orders]
        self.created = {r["account_id"]: r["created_at"] for r in self.rows["accounts"]}
        for account, at in starts:
            if account in self.created:
                self.created[account] = min(self.created[account], at)
        self.segments = {r["account_id"]: r.get("segment") for r in rows["accounts"]}
        self.all_running = [r for r in self.contracts.rows if self._runs(r)]
        self.running = [r for r in self.all_running if r["mrr"] > 0]
        paying = {r["account_id"] for r in self.running}
        self.accounts = sorted(paying & self.created.keys())

    def _known(self, row: Row) -> bool:
        return row.get("known_at") is None or row["known_at"] < self.day

    def _dated(self, table: str, column: str) -> list[Row]:
        return [r for r in self.rows[table] if r[column] < self.day]

    def blank(self, row: Row, time: str, *others: str) -> Row:
        """Blank a time that lies ahead, and what came with it."""
        if row.get(time) is not None and row[time] < self.day:
            return row
        return {**row, time: None, **dict.fromkeys(others)}

    def _ticket(self, row: Row) -> Row:
        if row.get("escalated_at") is not None:
            row = {**row, "escalated": row["escalated_at"] < self.day}
        if row.get("priority_at") is not None and row["priority_at"] >= self.day:
            row = {**row, "priority": row.get("first_priority")}
        for column in ("first_replied_at", "first_solved_at", "solved_at", "reopened_at"):
            row = self.blank(row, column)
        row = self.blank(self.blank(row, "closed_at"), "csat_at", "csat")
        return {**row, "solved_at": row["solved_at"] or row["closed_at"] or row["first_solved_at"]}

    def _survey(self, row: Row) -> Row:
        row = self.blank(self.blank(row, "answered_at", "score"), "sent_at")
        return {**row, "kind": row["kind"].lower()}

    def effective_end(self, row: Row) -> datetime | None:
        """Return until when a row of subscriptions counts; None while it runs."""
        return self.contracts.effective_end(row)

    def _runs(self, row: Row) -> bool:
        end = self.effective_end(row)
        return end is None or end >= self.day

    def days_since(self, time: datetime) -> float:
        return (self.day - time) / timedelta(days=1)

    def of(self, table: str, account: str) -> list[Row]:
        return [r for r in getattr(self, table) if r["account_id"] == account]

    def uses(self, account: str, days: float, until: float = 0) -> list[Row]:
        """Return the account's use in [date − days, date − until)."""
        return [
            r
            for r in self.of("usage", account)
            if until < self.days_since(r["occurred_at"]) <= days
        ]
