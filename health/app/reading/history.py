"""What the runs record about one account: a year of scores, reasons, changes, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from health.app.reading.runs import Run, Runs
from health.app.reading.week import urgency
from health.reasons.signals import BASELINE
from health.scoring.run import WEEKLY_USE

#: Days of history that an account's page shows.
YEAR = 365
#: Tables that a run of an older release, or of a company without that data, does not have.
CONTRACTS, CONTACTS, EVENTS = "contracts", "contacts", "events"
FEATURES, POINTS = "features", "points"
_VALUES = ("as_of", "health_score", "churn_probability")
_MOST_EVENTS = 400
_PRESENT_FIRST = "left_at IS NOT NULL, is_champion DESC NULLS LAST, contact_id"


@dataclass(frozen=True)
class Point:
    """One run's values of an account."""

    day: date
    score: float | None
    probability: float | None
    events: float | None


@dataclass(frozen=True)
class Event:
    """Something that happened: a ticket, an answer, a change of contract, an action.

    `author` and `undo` (table and ID) are only there for what was written in the app.
    """

    day: date
    kind: str
    title: str
    text: str = ""
    author: str = ""
    undo: tuple[str, str] | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class Reason:
    """One term behind a value: what it adds, and for the score what it still misses."""

    term: str
    text: str
    contribution: float
    missing: float


def year_of(runs: Runs, run: Run, account_id: str) -> list[Point]:
    """Return the account's values in the runs of the year up to `run`, oldest first.

    Only the rows of this account are read. Its events are those of the week before the run.
    """
    first = run.as_of - timedelta(days=YEAR)
    chosen = [
        runs.open(published)
        for published in runs.published()
        if first < published.as_of <= run.as_of
    ]
    recent = [other for other in chosen if other.has(POINTS)]
    # Runs of older releases have the same in two tables of many columns.
    older = [other for other in chosen if not other.has(POINTS)]
    rows = _of_runs(run, recent, POINTS, (*_VALUES, WEEKLY_USE), account_id)
    use = {r["as_of"]: r for r in _of_runs(run, older, FEATURES, ("as_of", WEEKLY_USE), account_id)}
    rows += [
        row | {WEEKLY_USE: use.get(row["as_of"], {}).get(WEEKLY_USE)}
        for row in _of_runs(run, older, "scores", _VALUES, account_id)
    ]
    points = [
        Point(row["as_of"].date(), row["health_score"], row["churn_probability"], row[WEEKLY_USE])
        for row in rows
    ]
    return sorted(points, key=lambda point: point.day)


def _of_runs(
    run: Run, others: Sequence[Run], table: str, columns: Sequence[str], account_id: str
) -> list[dict[str, Any]]:
    """Read all runs at once, of each only the rows of this account."""
    files = [
        other.file(table)
        for other in others
        if other.has(table) and {*columns} <= other.columns(table)
    ]
    if not files:
        return []
    chosen = ", ".join(f'"{column}"' for column in columns)
    return run.query(
        f"SELECT {chosen} FROM read_parquet([{', '.join(files)}], hive_partitioning = false, "
        "union_by_name = true) WHERE account_id = ? ORDER BY as_of",
        [account_id],
    )


def reasons_of(run: Run, account_id: str) -> dict[str, list[Reason]]:
    """Return the reasons for the score (health) and the probability (churn), in one reading.

    Those of the score that cost most come first, and those of the probability that weigh most.
    """
    known = run.columns("reasons")
    missing = "coalesce(missing, 0)" if "missing" in known else "0"
    rows = run.query(
        f"""
        SELECT output, term, text, contribution, {missing} AS missing
        FROM {run.source("reasons")}
        WHERE account_id = ? AND output IN ('health', 'churn') AND term <> ? ORDER BY term
        """,
        [account_id, BASELINE],
    )
    found: dict[str, list[Reason]] = {"health": [], "churn": []}
    for r in rows:
        reason = Reason(
            r["term"], r["text"] or r["term"], r["contribution"] or 0.0, r["missing"] or 0.0
        )
        found[r["output"]].append(reason)
    found["health"].sort(key=lambda reason: (-reason.missing, -reason.contribution))
    found["churn"].sort(key=lambda reason: -abs(reason.contribution))
    return found


def changes_of(run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return what moved the score since the run before, the largest first."""
    if not run.has("changes"):
        return []
    return run.rows(
        "changes",
        ["term", "kind", "before", "now", "change", "text"],
        "account_id = ?",
        [account_id],
        order="abs(change) DESC, term",
    )


def flags_of_account(run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return the account's flags of this run, the most urgent first, as in its week."""
    columns = ["flag", "product", "value", "probability", "since", "reasons", "suggested_play"]
    found = run.rows("flags", columns, "account_id = ?", [account_id], order="rank")
    return sorted(found, key=lambda row: urgency(row["flag"]))


def products_of(run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return the products an account owns and those it does not, with the reason why not."""
    if not run.has("whitespace"):
        return []
    columns = ["product", "status", "held_mrr", "probability", "value", "why", "why_not"]
    return run.rows("whitespace", columns, "account_id = ?", [account_id], order="status, product")


def contracts_of(run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return the running contracts of an account."""
    columns = ["product", "plan", "seats", "mrr", "started_at", "renews_at", "notice_at"]
    return _optional(run, CONTRACTS, columns, account_id, "mrr DESC, product")


def contacts_of(run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return the people at an account, those who have left last."""
    columns = ["contact_id", "role", "is_champion", "created_at", "left_at"]
    return _optional(run, CONTACTS, columns, account_id, _PRESENT_FIRST)


def events_of(run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return tickets, answers and changes of contract of a year, newest first."""
    columns = ["at", "kind", "title", "text", "is_open"]
    return _optional(run, EVENTS, columns, account_id, '"at" DESC, kind, title')[:_MOST_EVENTS]


def _optional(
    run: Run, table: str, columns: Sequence[str], account_id: str, order: str
) -> list[dict[str, Any]]:
    if not run.has(table):
        return []
    return run.rows(table, columns, "account_id = ?", [account_id], order=order)
