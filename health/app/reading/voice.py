"""What customers write, as a run has it: themes, and the comments of accounts a user may see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from health.app.access.roles import AccountFilter
from health.app.reading.accounts import names_of
from health.app.reading.runs import Run
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
