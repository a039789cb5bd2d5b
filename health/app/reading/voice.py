"""What customers write, as a run has it: themes, and the comments of accounts a user may see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from health.app.access.roles import AccountFilter
from health.app.database.models import Closure, Raised
from health.app.reading.accounts import names_of
from health.app.reading.runs import Run
from health.app.records.read import counting
from health.voice.followup import EFFECT_COLUMNS, EFFECTS, ROW_COLUMNS, ROWS
from health.voice.summary import PERIOD_DAYS
from health.voice.tables import COMMENT_COLUMNS, COMMENTS, THEME_COLUMNS, THEMES

PER_PAGE = 50
TONES = ("negative", "mixed", "positive")
#: How a source of comments is called.
SOURCES = {"nps": "NPS", "csat": "CSAT", "ces": "CES", "ticket": "Ticket"}
_QUOTES, _LONGEST_QUOTE = 2, 240


@dataclass(frozen=True)
class CommentPage:
    """One page of comments.

    Attributes
    ----------
    rows : list of dict
        Columns of the run's comments; themes is a list, account the name.
    total, page, pages : int
    """

    rows: list[dict[str, Any]]
    total: int
    page: int
    pages: int


def themes_of(run: Run, scope: AccountFilter) -> list[dict[str, Any]]:
    """Return the themes of all comments, with quotes of accounts that the user may see."""
    if not run.has(THEMES):
        return []
    where, parameters = _visible(run, scope)
    found = []
    for row in run.rows(THEMES, THEME_COLUMNS):
        # A comment that is about one theme alone, and not too short, shows best what it means.
        quoted = run.query(
            f"SELECT min(comment) AS comment FROM {run.source(COMMENTS)} "
            f"WHERE {where} AND list_contains({_THEMES}, ?) GROUP BY lower(comment) "
            f"ORDER BY min(len({_THEMES})), least(length(min(comment)), {_LONGEST_QUOTE}) DESC, "
            f"min(comment) LIMIT {_QUOTES}",
            [*parameters, row["theme"]],
        )
        shares = {name: json.loads(row[name] or "{}") for name in ("by_segment", "by_stage")}
        found.append(row | shares | {"quotes": [_cut(quote["comment"]) for quote in quoted]})
    return found


def comments_of(
    run: Run, scope: AccountFilter, *, theme: str = "", tone: str = "", page: int = 1
) -> CommentPage:
    """Return comments that a user may see, the newest first.

    Parameters
    ----------
    run : Run
    scope : AccountFilter
    theme, tone : str
        Empty for all.
    page : int
        From 1 on.
    """
    if not run.has(COMMENTS):
        return CommentPage([], 0, 1, 1)
    where, parameters = _visible(run, scope)
    if theme:
        where, parameters = f"{where} AND list_contains({_THEMES}, ?)", [*parameters, theme]
    if tone:
        where, parameters = f"{where} AND tone = ?", [*parameters, tone]
    counted = run.query(
        f"SELECT count(*) AS n FROM {run.source(COMMENTS)} WHERE {where}", parameters
    )
    total = int(counted[0]["n"])
    pages = max(-(-total // PER_PAGE), 1)
    page = min(page, pages)
    rows = run.rows(
        COMMENTS,
        COMMENT_COLUMNS,
        where,
        parameters,
        order="written_at DESC, account_id, comment",
        limit=PER_PAGE,
        offset=(page - 1) * PER_PAGE,
    )
    names = names_of(run, sorted({row["account_id"] for row in rows}))
    listed = [_row(row) | {"account": names.get(row["account_id"], "")} for row in rows]
    return CommentPage(listed, total, page, pages)


def tones_of(run: Run, scope: AccountFilter) -> list[dict[str, Any]]:
    """Count comments by source and tone, of accounts that the user may see."""
    if not run.has(COMMENTS):
        return []
    where, parameters = _visible(run, scope)
    columns = ", ".join(f"count(*) FILTER (tone = '{tone}') AS {tone}" for tone in TONES)
    rows = run.query(
        f"SELECT source, {columns} FROM {run.source(COMMENTS)} WHERE {where} AND tone IS NOT NULL "
        "GROUP BY source ORDER BY source",
        parameters,
    )
    return [row | {"source": SOURCES.get(row["source"], row["source"])} for row in rows]


def account_comments(run: Run, account_id: str, *, most: int = 8) -> list[dict[str, Any]] | None:
    """Return the newest comments of an account; None where the run has no comments.

    The caller has checked that the user may see the account.
    """
    if not run.has(COMMENTS):
        return None
    rows = run.rows(
        COMMENTS,
        COMMENT_COLUMNS,
        "account_id = ?",
        [account_id],
        order="written_at DESC, comment",
        limit=most,
    )
    return [_row(row) for row in rows]


_THEMES = "from_json(themes, '[\"VARCHAR\"]')"


def _visible(run: Run, scope: AccountFilter) -> tuple[str, list[Any]]:
    clause, parameters = scope.sql()
    return (
        f"account_id IN (SELECT account_id FROM {run.source('scores')} WHERE {clause})",
        list(parameters),
    )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "themes": json.loads(row["themes"] or "[]"),
        "source": SOURCES.get(row["source"], row["source"]),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1].rstrip()}…"


@dataclass(frozen=True)
class RaisedGroup:
    """A subject that was raised with a team, of the accounts that the user may see.

    Attributes
    ----------
    kind, subject, raised_with : str
    accounts, open : int
        Accounts it was raised for, and those for which it is not closed.
    first, closed : datetime or None
        When it was first raised, and last closed.
    outcomes : tuple of str
        The outcome, in the words of the people who closed it.
    """

    kind: str
    subject: str
    raised_with: str
    accounts: int
    open: int
    first: datetime
    closed: datetime | None
    outcomes: tuple[str, ...]


def raised_of(session: Session, run: Run, scope: AccountFilter) -> list[RaisedGroup]:
    """Return what was raised for accounts that the user may see, the newest first."""
    rows = _raised(session, run)
    visible = _visible_ids(run, scope, {row["account_id"] for row in rows})
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["account_id"] in visible:
            key = (row["kind"], row["subject"], row["raised_with"])
            groups.setdefault(key, []).append(row)
    found = [
        RaisedGroup(
            *key,
            len({row["account_id"] for row in own}),
            len({row["account_id"] for row in own if row["closed_at"] is None}),
            min(row["raised_at"] for row in own),
            max((row["closed_at"] for row in own if row["closed_at"] is not None), default=None),
            tuple(dict.fromkeys(row["outcome"] for row in own if row["outcome"]))[:_QUOTES],
        )
        for key, own in groups.items()
    ]
    return sorted(found, key=lambda group: (group.first, group.subject), reverse=True)


def open_accounts(
    session: Session, run: Run, scope: AccountFilter, *, kind: str, subject: str
) -> list[str]:
    """Return the visible accounts for which a subject was raised and is open."""
    own = {
        row["account_id"]
        for row in _raised(session, run)
        if (row["kind"], row["subject"]) == (kind, subject) and row["closed_at"] is None
    }
    return sorted(_visible_ids(run, scope, own))


def open_of_account(session: Session, run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return what was raised for an account and is open, the oldest first."""
    own = [row for row in _raised(session, run, account_id) if row["closed_at"] is None]
    return sorted(own, key=lambda row: row["raised_at"])


def mentioning(run: Run, scope: AccountFilter, theme: str) -> list[str]:
    """Return the visible accounts that mention a theme in the last period of the run."""
    if not run.has(COMMENTS):
        return []
    where, parameters = _visible(run, scope)
    rows = run.query(
        f"SELECT DISTINCT account_id FROM {run.source(COMMENTS)} "
        f"WHERE {where} AND list_contains({_THEMES}, ?) AND written_at >= ? ORDER BY account_id",
        [*parameters, theme, run.midnight - timedelta(days=PERIOD_DAYS)],
    )
    return [row["account_id"] for row in rows]


def effects_of(run: Run) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return how scores moved where a subject was raised, by kind, subject and team."""
    if not run.has(EFFECTS):
        return {}
    rows = run.rows(EFFECTS, EFFECT_COLUMNS)
    return {(row["kind"], row["subject"], row["raised_with"]): row for row in rows}


def _raised(session: Session, run: Run, account_id: str = "") -> list[dict[str, Any]]:
    """Return what was raised, of all accounts or of one, with the first closure after it.

    Rows and closures of the app are as they are now. Rows of the table `raised` are as the run has
    them; they can be closed in the app as well.
    """
    written, ended = counting(Raised), counting(Closure)
    if account_id:
        written = written.where(Raised.account_id == account_id)
        ended = ended.where(Closure.account_id == account_id)
    closures: dict[tuple[str, str, str], list[Closure]] = {}
    for row in session.scalars(ended.order_by(Closure.created_at, Closure.id)):
        closures.setdefault((row.account_id, row.kind, row.subject), []).append(row)
    columns = ("account_id", "kind", "subject", "raised_with")
    in_app = [
        {name: getattr(row, name) for name in columns}
        | {"raised_at": row.created_at, "closed_at": None, "outcome": None}
        for row in session.scalars(written)
    ]
    found = [*in_app, *_raised_elsewhere(run, account_id)]
    for own in found:
        later = closures.get((own["account_id"], own["kind"], own["subject"]), [])
        closed = next((c for c in later if c.created_at > own["raised_at"]), None)
        if own["closed_at"] is None and closed is not None:
            own |= {"closed_at": closed.closed_at, "outcome": closed.outcome}
    return found


def _raised_elsewhere(run: Run, account_id: str) -> list[dict[str, Any]]:
    """Return the run's rows that were not raised in the app, without closures of the app."""
    if not run.has(ROWS):
        return []
    where, parameters = "record_id IS NULL", []
    if account_id:
        where, parameters = f"{where} AND account_id = ?", [account_id]
    rows = run.rows(ROWS, ROW_COLUMNS, where, parameters)
    # What the app closed may have been undone since.
    open_again = {"closed_at": None, "outcome": None}
    return [row if row["closure_id"] is None else row | open_again for row in rows]


def _visible_ids(run: Run, scope: AccountFilter, accounts: set[str]) -> set[str]:
    if not accounts:
        return set()
    clause, parameters = scope.sql()
    rows = run.query(
        f"SELECT account_id FROM {run.source('scores')} "
        f"WHERE {clause} AND list_contains(?, account_id)",
        [*parameters, sorted(accounts)],
    )
    return {row["account_id"] for row in rows}
