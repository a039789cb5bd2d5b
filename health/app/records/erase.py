"""Erasing a customer or a person from what was written, with the chain left intact."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from health.app.database.engine import Database
from health.app.database.models import RECORDS, Notice, SavedView, SignIn, Token, User
from health.app.database.models import Session as WebSession
from health.app.records import audit

#: Columns that identify rows, or are made by the app.
_KEYS = ("id", "request_id", "account_id", "user_id", "salt", "kind", "undone_id")
#: Stands where a person's name was.
ERASED = "(erased)"


def erase_account(database: Database, account_id: str, *, now: datetime) -> int:
    """Delete everything written about an account; return how many rows."""
    with database.write() as session:
        audit.lock_chain(session)
        count = 0
        for kind, model in RECORDS.items():
            rows = session.scalars(sa.select(model).where(model.account_id == account_id)).all()
            for row in rows:
                audit.append_erasure(session, kind, row.id, at=now)
                session.delete(row)
            count += len(rows)
    return count


def erase_person(database: Database, login: str, *, now: datetime) -> int:
    """Delete a user and free what they wrote of their name; return how many rows were freed.

    What they did about accounts stays, without who did it: the outcomes belong to the accounts.
    """
    with database.write() as session:
        audit.lock_chain(session)
        user = session.scalar(sa.select(User).where(User.login == login))
        if user is None:
            return 0
        count = _free(session, user.id, now)
        for model in (WebSession, Token, SavedView):
            session.execute(sa.delete(model).where(model.user_id == user.id))
        session.execute(sa.delete(SignIn))
        session.execute(sa.delete(Notice).where(Notice.csm == user.csm))
        session.delete(user)
    return count


def free_texts(database: Database, freed: Callable[[str], str], *, now: datetime) -> int:
    """Replace mentions in what anybody wrote; return how many rows were changed.

    Parameters
    ----------
    database : Database
        The app's database.
    freed : callable
        Returns a text without the mentions.
    now : datetime
        The time, for the audit.
    """
    count = 0
    with database.write() as session:
        audit.lock_chain(session)
        for kind, model in RECORDS.items():
            for row in session.scalars(sa.select(model)).all():
                if _free_columns(row, freed):
                    row.salt = audit.new_salt()
                    audit.append_erasure(session, kind, row.id, at=now)
                    count += 1
        for view in session.scalars(sa.select(SavedView)).all():
            count += _free_columns(view, freed)
    return count


def _free_columns(row: Any, freed: Callable[[str], str]) -> bool:
    """Free every text of a row but its keys; whether one has changed."""
    changed = False
    for column in sa.inspect(type(row)).columns:
        if column.key in _KEYS or not isinstance(column.type, sa.String):
            continue
        old = getattr(row, column.key)
        new = old if old is None else freed(old)
        if new != old:
            setattr(row, column.key, new)
            changed = True
    return changed


def _free(session: Session, user_id: str, now: datetime) -> int:
    count = 0
    for kind, model in RECORDS.items():
        rows = session.scalars(sa.select(model).where(model.user_id == user_id)).all()
        for row in rows:
            row.author, row.user_id, row.salt = ERASED, "", audit.new_salt()
            audit.append_erasure(session, kind, row.id, at=now)
        count += len(rows)
    return count
