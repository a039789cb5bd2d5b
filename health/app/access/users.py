"""Users: added, changed, disabled; passwords are hashed with Argon2."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.orm import Session

from features.errors import HealthError
from health.app.access.roles import ROLES
from health.app.database.engine import Database
from health.app.database.models import Attempt, User
from health.app.database.models import Session as WebSession

#: The one user of an app without sign-in.
LOCAL_LOGIN = "local"
#: Failed sign-ins with one login, and from one address, before the next ones are refused.
MOST_BY_LOGIN, MOST_BY_ADDRESS = 5, 30
#: They are counted over this many minutes.
WINDOW_MINUTES = 15
LEAST_PASSWORD = 12

_hasher = PasswordHasher()
#: Checked where there is no such user, so that the answer takes as long as for one that exists.
_NOBODY = _hasher.hash("no password of anybody")


def add_user(
    database: Database,
    login: str,
    *,
    role: str,
    now: datetime,
    name: str = "",
    csm: str = "",
    team: str = "",
    password: str = "",
) -> None:
    """Add a user, or change the one with this login; what is empty stays as it is.

    Raises
    ------
    HealthError
        The role is unknown or the password too short.
    """
    if role and role not in ROLES:
        raise HealthError(
            f"no role is called {role!r}", where="--role", fix=f"use one of {', '.join(ROLES)}"
        )
    if password and len(password) < LEAST_PASSWORD:
        raise HealthError(
            f"the password has {len(password)} characters",
            where=f"user {login}",
            fix=f"give at least {LEAST_PASSWORD}; a few random words are easy to remember",
        )
    login = normalise(login)
    with database.write() as session:
        user = session.scalar(sa.select(User).where(User.login == login))
        if user is None:
            user = User(
                id=str(uuid.uuid4()), login=login, name=name or login, role=role, created_at=now
            )
            session.add(user)
        user.role = role or user.role
        user.name = name or user.name
        user.csm = csm or user.csm
        user.team = team or user.team
        user.disabled_at = None
        if password:
            user.password_hash = _hasher.hash(password)
            _end_sessions(session, user.id, now)


def disable_user(database: Database, login: str, *, now: datetime) -> None:
    """Refuse a user from now on, and end their sessions; HealthError where there is none."""
    with database.write() as session:
        user = session.scalar(sa.select(User).where(User.login == normalise(login)))
        if user is None:
            raise HealthError(
                f"no user is called {login!r}",
                where="users",
                fix="list the users with `health users list CONFIG`",
            )
        user.disabled_at = now
        # Added again, the login may be of another person at the provider.
        user.issuer = user.subject = None
        _end_sessions(session, user.id, now)


def list_users(database: Database) -> list[User]:
    """Return every user by login."""
    with database.read() as session:
        return list(session.scalars(sa.select(User).order_by(User.login)))


def local_user(database: Database, *, now: datetime) -> User:
    """Return the one user of an app without sign-in, who may do everything."""
    with database.read() as session:
        user = session.scalar(sa.select(User).where(User.login == LOCAL_LOGIN))
    if user is None:
        add_user(database, LOCAL_LOGIN, role="admin", name="You", now=now)
        return local_user(database, now=now)
    return user


def find_user(database: Database, login: str) -> User | None:
    """Return the user of a login who may sign in, None where there is none."""
    query = sa.select(User).where(User.login == normalise(login), User.disabled_at.is_(None))
    with database.read() as session:
        return session.scalar(query)


def check_password(
    database: Database, login: str, password: str, *, address: str, now: datetime
) -> User | None:
    """Return the user whom login and password belong to, None where they do not match.

    Raises
    ------
    HealthError
        There were too many failures with this login or from this address.
    """
    keys = {_key("login", normalise(login)): MOST_BY_LOGIN, _key("from", address): MOST_BY_ADDRESS}
    # Counted before the password is looked at, so that attempts at the same time count too.
    with database.write() as session:
        session.execute(
            sa.delete(Attempt).where(Attempt.at < now - timedelta(minutes=WINDOW_MINUTES))
        )
        for key, most in keys.items():
            count = session.scalar(sa.select(sa.func.count()).where(Attempt.key == key)) or 0
            if count >= most:
                raise HealthError(
                    "too many failed attempts",
                    where="sign-in",
                    fix=f"wait {WINDOW_MINUTES} minutes, or ask an admin for a new password",
                )
        attempts = [Attempt(key=key, at=now) for key in keys]
        session.add_all(attempts)
    user = find_user(database, login)
    stored = user.password_hash if user is not None and user.password_hash else _NOBODY
    if not _matches(stored, password) or user is None or stored is _NOBODY:
        return None
    with database.write() as session:
        session.execute(sa.delete(Attempt).where(Attempt.id.in_([a.id for a in attempts])))
    return user


def normalise(login: str) -> str:
    """Return a login as it is compared: without spaces around it, in lower case."""
    return login.strip().casefold()


def _matches(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _end_sessions(session: Session, user_id: str, now: datetime) -> None:
    session.execute(
        sa.update(WebSession)
        .where(WebSession.user_id == user_id, WebSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def _key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}\n{value}".encode()).hexdigest()
