"""Tables of the app's database.

What people write (actions, overrides, forecasts, notes, assignments) is append-only: nothing is
changed, and an undo is a row of its own. Every such row has an audit row that was written in the
same transaction.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime

#: Length of IDs and hex digests.
_ID, _DIGEST, _NAME = 36, 64, 320


class Base(DeclarativeBase):
    """Base of every table; times are naive UTC."""

    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        datetime: DateTime(timezone=False),
        float: Float(53),
    }


class User(Base):
    """A person who signs in.

    `csm` is the name in accounts.csm whose accounts are the user's own. `issuer` and `subject` are
    the person at the OpenID Connect provider who first signed in with the login.
    """

    __tablename__ = "users"
    __table_args__ = (Index("ix_users_identity", "issuer", "subject", unique=True),)

    id: Mapped[str] = mapped_column(String(_ID), primary_key=True)
    login: Mapped[str] = mapped_column(String(_NAME), unique=True)
    name: Mapped[str] = mapped_column(String(_NAME))
    role: Mapped[str] = mapped_column(String(16))
    csm: Mapped[str | None] = mapped_column(String(_NAME))
    team: Mapped[str | None] = mapped_column(String(_NAME))
    password_hash: Mapped[str | None] = mapped_column(Text)
    issuer: Mapped[str | None] = mapped_column(String(_NAME))
    subject: Mapped[str | None] = mapped_column(String(_NAME))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Session(Base):
    """A signed-in browser; only the digest of the cookie is stored."""

    __tablename__ = "sessions"

    digest: Mapped[str] = mapped_column(String(_DIGEST), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    csrf: Mapped[str] = mapped_column(String(_DIGEST))
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Token(Base):
    """A user's API token; only its digest is stored."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(_ID), primary_key=True)
    digest: Mapped[str] = mapped_column(String(_DIGEST), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(_NAME))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Attempt(Base):
    """A failed sign-in; `key` is the digest of the login or of the address."""

    __tablename__ = "attempts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(_DIGEST), index=True)
    at: Mapped[datetime]


class SignIn(Base):
    """A sign-in with the OIDC provider that has started; the key is a digest of a cookie."""

    __tablename__ = "sign_ins"

    digest: Mapped[str] = mapped_column(String(_DIGEST), primary_key=True)
    state: Mapped[str] = mapped_column(String(128))
    nonce: Mapped[str] = mapped_column(String(128))
    verifier: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime]


class SavedView(Base):
    """A set of filters on the accounts, by a name its user gave it."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[str] = mapped_column(String(_ID), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(_NAME))
    filters: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class Notice(Base):
    """That a CSM was sent the week of a run; `sent_at` is empty while it is not known to be."""

    __tablename__ = "notices"
    __table_args__ = (UniqueConstraint("as_of", "csm", "channel"),)

    id: Mapped[str] = mapped_column(String(_ID), primary_key=True)
    as_of: Mapped[date] = mapped_column(Date)
    csm: Mapped[str] = mapped_column(String(_NAME))
    channel: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class Record:
    """What every row that people write has in common.

    `request_id` is made by the page that shows the form: the same request twice is one row.
    `salt` hides the row's content from anyone who only has the audit log.
    """

    id: Mapped[str] = mapped_column(String(_ID), primary_key=True)
    request_id: Mapped[str] = mapped_column(String(_DIGEST), unique=True)
    account_id: Mapped[str] = mapped_column(String(_NAME), index=True)
    user_id: Mapped[str] = mapped_column(String(_ID), index=True)
    author: Mapped[str] = mapped_column(String(_NAME))
    created_at: Mapped[datetime] = mapped_column(index=True)
    salt: Mapped[str] = mapped_column(String(_DIGEST))


class Action(Record, Base):
    """What someone did about a flag of an account."""

    __tablename__ = "actions"

    action: Mapped[str] = mapped_column(String(16))
    flag: Mapped[str | None] = mapped_column(String(16))
    product: Mapped[str | None] = mapped_column(String(_NAME))
    until: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)


class Override(Record, Base):
    """A person's own value of a measure or of the health score, until it expires."""

    __tablename__ = "overrides"

    measure: Mapped[str] = mapped_column(String(_NAME))
    value: Mapped[float]
    computed: Mapped[float | None]
    reason: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]


class Forecast(Record, Base):
    """A person's own call on a renewal."""

    __tablename__ = "forecasts"

    call: Mapped[str] = mapped_column(String(16))
    amount: Mapped[float | None]
    renews_at: Mapped[datetime | None]


class Note(Record, Base):
    """A note about an account."""

    __tablename__ = "notes"

    text: Mapped[str] = mapped_column(Text)


class Raised(Record, Base):
    """That a theme, or the reason of a flag, was raised with product, sales or support."""

    __tablename__ = "raised"

    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(_NAME))
    raised_with: Mapped[str] = mapped_column(String(16))


class Closure(Record, Base):
    """That what was raised before about a subject is closed, and what came of it."""

    __tablename__ = "closures"

    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(_NAME))
    closed_at: Mapped[datetime]
    outcome: Mapped[str | None] = mapped_column(Text)


class Assignment(Record, Base):
    """From when on an account is another CSM's; the batch's own CSM counts where there is none."""

    __tablename__ = "assignments"

    csm: Mapped[str] = mapped_column(String(_NAME))


class Undo(Record, Base):
    """That a row does not count any more."""

    __tablename__ = "undos"
    __table_args__ = (UniqueConstraint("kind", "undone_id"),)

    kind: Mapped[str] = mapped_column(String(16))
    undone_id: Mapped[str] = mapped_column(String(_ID))


class Audit(Base):
    """One entry of the hash chain: when, which row of which table, and its salted digest."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(16))
    record_id: Mapped[str] = mapped_column(String(_ID), index=True)
    digest: Mapped[str] = mapped_column(String(_DIGEST))
    chain: Mapped[str] = mapped_column(String(_DIGEST))


class ChainHead(Base):
    """The end of the chain, one row; every writer locks it first."""

    __tablename__ = "chain_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seq: Mapped[int]
    chain: Mapped[str] = mapped_column(String(_DIGEST))


#: The append-only tables by name.
RECORDS: dict[str, Any] = {
    model.__tablename__: model
    for model in (Action, Override, Forecast, Note, Raised, Closure, Assignment, Undo)
}
