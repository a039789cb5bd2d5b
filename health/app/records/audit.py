"""The audit: a hash chain over salted digests of everything that was written.

The chain holds no names and no text, only digests that cannot be guessed without a row's salt. So
a person can be erased together with the salt of their rows, and the chain stays intact.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from health.app.database.models import RECORDS, Audit, ChainHead

#: Kind of the audit rows which record that a row was erased.
ERASURE = "erasure"
#: What the first entry is chained to.
START = "0" * 64


@dataclass(frozen=True)
class ChainCheck:
    """The result of `check_chain`.

    Attributes
    ----------
    entries : int
        Audit rows that were checked.
    faults : tuple of str
        What is wrong, in words; empty where the chain is intact.
    """

    entries: int
    faults: tuple[str, ...]


def new_salt() -> str:
    """Return a salt for one row."""
    return secrets.token_hex(16)


def row_digest(row: Any) -> str:
    """Return the salted digest of a row's content."""
    content = {c.key: getattr(row, c.key) for c in sa.inspect(type(row)).columns if c.key != "salt"}
    return _digest(row.salt, content)


def append(session: Session, row: Any) -> Audit:
    """Add the audit row of a new row to the same transaction; `lock_chain` comes first."""
    return _append(session, row.__tablename__, row.id, row_digest(row), row.created_at)


def append_erasure(session: Session, kind: str, record_id: str, *, at: datetime) -> Audit:
    """Record that a row was erased, or freed of the person who wrote it."""
    content = {"kind": kind, "record_id": record_id, "at": at}
    return _append(session, ERASURE, record_id, _digest(new_salt(), content), at)


def lock_chain(session: Session) -> ChainHead:
    """Take the turn to write: nobody else appends before the transaction ends."""
    return session.execute(sa.select(ChainHead).with_for_update()).scalar_one()


def next_time(session: Session, now: datetime) -> datetime:
    """Return the time of the next row: now, and later than every row before it.

    So the order of the rows is that of the chain, also where two are written at the same time.
    """
    last = session.scalar(sa.select(sa.func.max(Audit.at)))
    return now if last is None else max(now, last + timedelta(microseconds=1))


def check_chain(session: Session) -> ChainCheck:
    """Check that no entry and no row was changed, removed or added past the audit."""
    faults: list[str] = []
    chain, expected, entries = START, 1, 0
    erased = set(
        session.scalars(sa.select(Audit.record_id).where(Audit.kind == ERASURE)).all(),
    )
    audited: dict[str, dict[str, str]] = {kind: {} for kind in RECORDS}
    for entry in session.scalars(sa.select(Audit).order_by(Audit.seq)):
        entries += 1
        if entry.seq != expected:
            faults.append(f"entry {expected} is missing")
        chain, expected = _link(chain, entry), entry.seq + 1
        if chain != entry.chain:
            faults.append(f"entry {entry.seq} does not follow from the one before")
            chain = entry.chain
        if entry.kind != ERASURE:
            audited[entry.kind][entry.record_id] = entry.digest
    head = session.execute(sa.select(ChainHead)).scalar_one()
    if (head.seq, head.chain) != (expected - 1, chain):
        faults.append(f"entries after {expected - 1} are missing")
    for kind, model in RECORDS.items():
        faults += _row_faults(session, kind, model, audited[kind], erased)
    return ChainCheck(entries, tuple(faults))


def _row_faults(
    session: Session, kind: str, model: Any, audited: Mapping[str, str], erased: set[str]
) -> list[str]:
    faults, found = [], set()
    for row in session.scalars(sa.select(model)):
        found.add(row.id)
        if row.id not in audited:
            faults.append(f"{kind} {row.id} was added without an audit entry")
        elif row.id not in erased and row_digest(row) != audited[row.id]:
            faults.append(f"{kind} {row.id} was changed")
    missing = audited.keys() - found - erased
    return faults + [f"{kind} {record_id} was removed" for record_id in sorted(missing)]


def _append(session: Session, kind: str, record_id: str, digest: str, at: datetime) -> Audit:
    head = session.execute(sa.select(ChainHead)).scalar_one()
    entry = Audit(seq=head.seq + 1, at=at, kind=kind, record_id=record_id, digest=digest)
    entry.chain = _link(head.chain, entry)
    head.seq, head.chain = entry.seq, entry.chain
    session.add(entry)
    session.flush()
    return entry


def _link(previous: str, entry: Audit) -> str:
    parts = (previous, entry.seq, entry.at.isoformat(), entry.kind, entry.record_id, entry.digest)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _digest(salt: str, content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=datetime.isoformat)
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()
