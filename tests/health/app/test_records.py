"""Writing: append-only, once, audited; undone by a row; erased without breaking the chain."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from health.app.access.users import find_user
from health.app.database.engine import Database
from health.app.database.models import RECORDS, Action, Audit, Note, User
from health.app.records.audit import check_chain
from health.app.records.entries import (
    ActionEntry,
    AssignmentEntry,
    Entry,
    ForecastEntry,
    NoteEntry,
    OverrideEntry,
)
from health.app.records.erase import ERASED, erase_account, erase_person
from health.app.records.read import actions_since, assigned, history, latest_forecasts
from health.app.records.write import EntryError, undo, write_entry
from tests.health.app.company import NOW, OTHER, OWN

LATER = NOW + timedelta(days=30)


def user(database: Database, login: str = "csm") -> User:
    found = find_user(database, login)
    assert found is not None
    return found


def write(database: Database, entry: Entry, account: str = OWN, login: str = "csm") -> str:
    request = uuid.uuid4().hex
    who = user(database, login)
    return write_entry(database, entry, account_id=account, user=who, request_id=request, now=NOW)


def faults(database: Database) -> tuple[str, ...]:
    with database.read() as session:
        return check_chain(session).faults


EVERY_KIND = [
    ActionEntry(action="called", flag="at_risk", reason="=cmd()"),
    OverrideEntry(measure="health", value=20, reason="sponsor left", expires_at=LATER),
    ForecastEntry(call="at_risk", amount=1200.0, renews_at=LATER),
    NoteEntry(text="<script>alert(1)</script>"),
    AssignmentEntry(csm="Viktor Ueda"),
]


def test_every_kind_is_written_with_an_audit_row_that_hides_its_content(
    database: Database,
) -> None:
    for entry in EVERY_KIND:
        write(database, entry)
    with database.read() as session:
        assert len(history(session, OWN)) == len(EVERY_KIND)
        audit = session.scalars(sa.select(Audit)).all()
        assert [entry.seq for entry in audit] == [1, 2, 3, 4, 5]
        shown = " ".join(f"{e.kind} {e.record_id} {e.digest} {e.chain}" for e in audit)
    assert not any(word in shown for word in (OWN, "Chloe", "script", "sponsor"))
    assert faults(database) == ()


def test_the_same_request_twice_is_one_row(database: Database) -> None:
    entry, who = NoteEntry(text="once"), user(database)
    ids = {
        write_entry(database, entry, account_id=OWN, user=who, request_id="r" * 32, now=NOW)
        for _ in range(3)
    }
    with database.read() as session:
        assert [row.id for row in session.scalars(sa.select(Note))] == list(ids)
    other = user(database, "lead")
    with pytest.raises(EntryError, match="another person"):
        write_entry(database, entry, account_id=OWN, user=other, request_id="r" * 32, now=NOW)


def test_an_undo_is_a_row_and_counts_once(database: Database) -> None:
    written = write(database, ActionEntry(action="saved"))
    for _ in range(2):
        undo(
            database, "actions", written,
            user=user(database), request_id=uuid.uuid4().hex, now=NOW,
        )  # fmt: skip
    with database.read() as session:
        assert session.get(Action, written) is not None
        assert actions_since(session, NOW) == []
        assert len(session.scalars(sa.select(RECORDS["undos"])).all()) == 1
    assert faults(database) == ()


def test_only_the_author_or_a_lead_can_undo(database: Database) -> None:
    written = write(database, ActionEntry(action="saved"))
    with pytest.raises(EntryError, match="only the person who wrote it"):
        undo(
            database, "actions", written,
            user=user(database, "colleague"), request_id="u" * 32, now=NOW,
        )  # fmt: skip
    undo(database, "actions", written, user=user(database, "lead"), request_id="v" * 32, now=NOW)
    for kind in ("undos", "users", "audit", "nothing"):
        with pytest.raises(EntryError, match="nothing to undo"):
            undo(database, kind, written, user=user(database), request_id="w" * 32, now=NOW)


def test_the_last_call_and_the_last_assignment_count(database: Database) -> None:
    for call in ("commit", "lost", "likely"):
        write(database, ForecastEntry(call=call))
    first = write(database, AssignmentEntry(csm="Viktor Ueda"))
    second = write(database, AssignmentEntry(csm="Lena Fischer"))
    with database.read() as session:
        assert latest_forecasts(session)[OWN].call == "likely"
        assert set(assigned(session)) == {OWN}
    for record in (first, second):
        undo(
            database, "assignments", record,
            user=user(database, "lead"), request_id=uuid.uuid4().hex, now=NOW,
        )  # fmt: skip
    with database.read() as session:
        assert assigned(session) == {}


@pytest.mark.parametrize(
    "entry",
    [
        ActionEntry(action="snooze", until=NOW - timedelta(days=1)),
        OverrideEntry(measure="health", value=1, reason="x", expires_at=NOW),
    ],
)
def test_a_date_that_has_passed_is_refused(database: Database, entry: Entry) -> None:
    with pytest.raises(EntryError, match="future"):
        write(database, entry)
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Audit)) == 0


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE notes SET text = 'changed'", "was changed"),
        ("DELETE FROM notes", "was removed"),
        ("UPDATE audit SET digest = 'x' WHERE seq = 1", "does not follow"),
        ("DELETE FROM audit WHERE seq = 1", "entry 1 is missing"),
        ("DELETE FROM audit WHERE seq = 2", "entries after 1 are missing"),
        (
            "INSERT INTO notes SELECT 'x', 'x', 'x', account_id, user_id, author, created_at, salt "
            "FROM notes LIMIT 1",
            "added without an audit entry",
        ),
    ],
)
def test_whatever_is_changed_past_the_audit_is_found(
    database: Database, statement: str, fault: str
) -> None:
    write(database, NoteEntry(text="first"))
    write(database, NoteEntry(text="second"))
    columns = "(text, id, request_id, account_id, user_id, author, created_at, salt)"
    with database.write() as session:
        session.execute(sa.text(statement.replace("INTO notes", f"INTO notes {columns}")))
    assert any(fault in found for found in faults(database))


def test_an_account_is_erased_and_the_chain_stays_intact(database: Database) -> None:
    for entry in EVERY_KIND:
        write(database, entry)
    write(database, NoteEntry(text="of another account"), OTHER, "lead")
    assert erase_account(database, OWN, now=NOW) == len(EVERY_KIND)
    with database.read() as session:
        assert history(session, OWN) == []
        assert len(history(session, OTHER)) == 1
    assert faults(database) == ()


def test_a_person_is_erased_and_what_they_did_stays_without_a_name(database: Database) -> None:
    for entry in EVERY_KIND:
        write(database, entry)
    assert erase_person(database, "csm", now=NOW) == len(EVERY_KIND)
    assert find_user(database, "csm") is None
    with database.read() as session:
        rows = history(session, OWN)
        assert {(row.author, row.user_id) for row in rows} == {(ERASED, "")}
    assert faults(database) == ()
