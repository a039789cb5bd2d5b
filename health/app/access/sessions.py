"""Sessions of browsers and tokens of programs: rows that can be revoked."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from health.app.database.engine import Database
from health.app.database.models import Session as WebSession
from health.app.database.models import Token, User

#: `seen_at` is written at most this often.
_SEEN_EVERY = timedelta(minutes=5)
TOKEN_PREFIX = "chk_"


@dataclass(frozen=True)
class SignedIn:
    """A user, and how the request proves it.

    Attributes
    ----------
    user : User
    csrf : str
        The session's token against forged requests; empty for an API token.
    session : str
        Digest of the session; empty for an API token.
    """

    user: User
    csrf: str = ""
    session: str = ""


def start_session(database: Database, user: User, *, now: datetime) -> str:
    """Start a session; return what its cookie contains."""
    secret = secrets.token_urlsafe(32)
    with database.write() as session:
        session.add(
            WebSession(
                digest=_digest(secret),
                user_id=user.id,
                csrf=secrets.token_urlsafe(32),
                created_at=now,
                seen_at=now,
            )
        )
    return secret


def find_session(
    database: Database, secret: str, *, now: datetime, lasts: timedelta
) -> SignedIn | None:
    """Return who a cookie belongs to; None where the session is unknown, revoked or expired."""
    with database.read() as session:
        found = session.execute(
            sa.select(WebSession, User)
            .join(User, User.id == WebSession.user_id)
            .where(WebSession.digest == _digest(secret))
        ).one_or_none()
    if found is None:
        return None
    row, user = found
    ended = row.revoked_at is not None or user.disabled_at is not None or now - row.seen_at > lasts
    if ended:
        return None
    if now - row.seen_at > _SEEN_EVERY:
        with database.write() as session:
            session.execute(
                sa.update(WebSession).where(WebSession.digest == row.digest).values(seen_at=now)
            )
    return SignedIn(user, row.csrf, row.digest)


def end_session(database: Database, digest: str, *, now: datetime) -> None:
    """Revoke a session."""
    with database.write() as session:
        session.execute(
            sa.update(WebSession).where(WebSession.digest == digest).values(revoked_at=now)
        )


def sessions_of(session: Session, user_id: str) -> list[WebSession]:
    """Return the sessions of a user that were not revoked, newest first."""
    query = sa.select(WebSession).where(
        WebSession.user_id == user_id, WebSession.revoked_at.is_(None)
    )
    return list(session.scalars(query.order_by(WebSession.seen_at.desc())))


def new_token(database: Database, user: User, name: str, *, now: datetime) -> str:
    """Make an API token; it is shown once and only its digest is stored."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with database.write() as session:
        session.add(
            Token(
                id=str(uuid.uuid4()),
                digest=_digest(secret),
                user_id=user.id,
                name=name,
                created_at=now,
            )
        )
    return secret


def find_token(database: Database, secret: str) -> SignedIn | None:
    """Return who a token belongs to; None where it is unknown or revoked."""
    with database.read() as session:
        user = session.scalar(
            sa.select(User)
            .join(Token, Token.user_id == User.id)
            .where(
                Token.digest == _digest(secret),
                Token.revoked_at.is_(None),
                User.disabled_at.is_(None),
            )
        )
    return None if user is None else SignedIn(user)


def tokens_of(session: Session, user_id: str) -> list[Token]:
    """Return the tokens of a user that were not revoked, newest first."""
    query = sa.select(Token).where(Token.user_id == user_id, Token.revoked_at.is_(None))
    return list(session.scalars(query.order_by(Token.created_at.desc())))


def revoke_token(database: Database, token_id: str, *, user_id: str, now: datetime) -> None:
    """Revoke a token of a user."""
    with database.write() as session:
        session.execute(
            sa.update(Token)
            .where(Token.id == token_id, Token.user_id == user_id)
            .values(revoked_at=now)
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
