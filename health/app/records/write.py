"""Writing: one row and its audit row in one transaction, the same request once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from features.errors import HealthError
from health.app.database.engine import Database
from health.app.database.models import RECORDS, Undo, User
from health.app.records import audit
from health.app.records.entries import ENTRIES, Entry


class EntryError(HealthError):
    """What a person wanted to write cannot be written; the message states why."""


def write_entry(
    database: Database,
    entry: Entry,
    *,
    account_id: str,
    user: User,
    request_id: str,
    now: datetime,
) -> str:
    """Write what a person did about an account; return the ID of its row.

    Parameters
    ----------
    database : Database
        Where to.
    entry : Entry
        What was done.
    account_id : str
        Whom it is about; the caller has checked that the user may write about it.
    user : User
        Who did it.
    request_id : str
        Made by the page: a request that arrives twice is written once.
    now : datetime
        UTC.

    Raises
    ------
    EntryError
        A date of the entry has passed.
    HealthError
        The database is locked or cannot be reached; nothing was written.
    """
    (record_id,) = write_entries(
        database, entry, requests={account_id: request_id}, user=user, now=now
    )
    return record_id


def write_entries(
    database: Database, entry: Entry, *, requests: Mapping[str, str], user: User, now: datetime
) -> list[str]:
    """Write the same about several accounts, all of it or nothing; return the IDs of the rows.

    Parameters
    ----------
    requests : mapping of str to str
        The ID of the request for each account; the others are those of `write_entry`.
    """
    try:
        values = entry.row(now=now)
    except ValueError as error:
        raise EntryError(str(error)) from None
    model = RECORDS[ENTRIES[type(entry)]]
    written = []
    with database.write() as session:
        audit.lock_chain(session)
        for account_id, request_id in requests.items():
            known = _known(session, model, request_id, user)
            if known is None:
                at = audit.next_time(session, now)
                common = _common(account_id, user, request_id, at)
                known = _add(session, model(**common, **values))
            written.append(known)
    return written


def undo(
    database: Database, kind: str, record_id: str, *, user: User, request_id: str, now: datetime
) -> None:
    """Record that a row does not count any more; undoing twice is the same as once.

    Raises
    ------
    EntryError
        There is no such row, or somebody else wrote it and the user may not undo it.
    """
    with database.write() as session:
        audit.lock_chain(session)
        row = session.get(RECORDS[kind], record_id) if kind in RECORDS and kind != "undos" else None
        if row is None:
            raise EntryError("there is nothing to undo")
        if row.user_id != user.id and user.role not in {"lead", "admin"}:
            raise EntryError("only the person who wrote it, or a lead, can undo it")
        done = sa.select(Undo.id).where(Undo.kind == kind, Undo.undone_id == record_id)
        if session.scalar(done) is None:
            at = audit.next_time(session, now)
            common = _common(row.account_id, user, request_id, at)
            _add(session, Undo(**common, kind=kind, undone_id=record_id))


def _common(account_id: str, user: User, request_id: str, now: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "request_id": request_id,
        "account_id": account_id,
        "user_id": user.id,
        "author": user.name,
        "created_at": now,
        "salt": audit.new_salt(),
    }


def _known(session: Session, model: Any, request_id: str, user: User) -> str | None:
    row = session.execute(
        sa.select(model.id, model.user_id).where(model.request_id == request_id)
    ).one_or_none()
    if row is None:
        return None
    if row.user_id != user.id:
        raise EntryError("the form was sent by another person; load the page again")
    return str(row.id)


def _add(session: Session, row: Any) -> str:
    session.add(row)
    session.flush()
    audit.append(session, row)
    return str(row.id)
