"""What was written and still counts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from health.app.database.models import (
    RECORDS,
    Action,
    Assignment,
    Closure,
    Forecast,
    Note,
    Override,
    Raised,
    Undo,
)

#: Most account IDs in one statement; SQLite takes no more than 32,766 parameters.
_AT_ONCE = 5000


def counting(model: Any) -> sa.Select[Any]:
    """Select the rows of a table that nobody has undone."""
    undone = sa.select(Undo.undone_id).where(Undo.kind == model.__tablename__)
    return sa.select(model).where(model.id.not_in(undone))


def actions_since(
    session: Session, since: datetime, accounts: Collection[str] | None = None
) -> list[Action]:
    """Return what was done since a time, newest first; of all accounts, or of some."""
    query = counting(Action).where(Action.created_at >= since)
    rows = _of_accounts(session, query, Action, accounts)
    return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)


def latest_forecasts(
    session: Session, accounts: Collection[str] | None = None
) -> dict[str, Forecast]:
    """Return the last call on each account's renewal."""
    rows = _of_accounts(session, counting(Forecast), Forecast, accounts)
    return {row.account_id: row for row in sorted(rows, key=lambda row: (row.created_at, row.id))}


def running_overrides(session: Session, account_id: str, *, now: datetime) -> list[Override]:
    """Return the overrides of an account that have not expired, newest first."""
    query = counting(Override).where(Override.account_id == account_id, Override.expires_at > now)
    return list(session.scalars(query.order_by(Override.created_at.desc())))


def assigned(session: Session) -> dict[str, str]:
    """Return the CSM of every account that was reassigned."""
    query = counting(Assignment).order_by(Assignment.created_at, Assignment.id)
    return {row.account_id: row.csm for row in session.scalars(query)}


def history(session: Session, account_id: str, *, limit: int = 200) -> list[Any]:
    """Return everything written about an account, newest first, without what was undone."""
    rows: list[Any] = []
    for model in (Action, Override, Forecast, Note, Raised, Closure, Assignment):
        query = counting(model).where(model.account_id == account_id)
        rows += session.scalars(query.order_by(model.created_at.desc()).limit(limit))
    return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)[:limit]


def last_notes(session: Session, accounts: Collection[str]) -> dict[str, Note]:
    """Return the newest note of each account."""
    rows = _of_accounts(session, counting(Note), Note, accounts)
    return {row.account_id: row for row in sorted(rows, key=lambda row: (row.created_at, row.id))}


def record(session: Session, kind: str, record_id: str) -> Any | None:
    """Return a row by its table and ID, None where there is none."""
    return session.get(RECORDS[kind], record_id) if kind in RECORDS else None


def _of_accounts(
    session: Session, query: sa.Select[Any], model: Any, accounts: Collection[str] | None
) -> list[Any]:
    if accounts is None:
        return list(session.scalars(query))
    rows: list[Any] = []
    wanted = sorted(accounts)
    for begin in range(0, len(wanted), _AT_ONCE):
        some = wanted[begin : begin + _AT_ONCE]
        rows += session.scalars(query.where(model.account_id.in_(some)))
    return rows
