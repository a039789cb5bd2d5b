"""What people write from a page: checked, saved, and the page again with a way back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from health.app.page import ACTION_TITLES
from health.app.reading.accounts import find_account
from health.app.reading.voice import mentioning, open_accounts
from health.app.records.entries import (
    ActionEntry,
    AssignmentEntry,
    ClosureEntry,
    Entry,
    ForecastEntry,
    NoteEntry,
    OverrideEntry,
    RaisedEntry,
)
from health.app.records.read import record
from health.app.records.write import EntryError, undo, write_entries, write_entry
from health.app.screens import account as account_screen
from health.app.screens import my_week as week_screen
from health.app.screens.account import require_account
from health.app.web import Asked
from health.presentation import wording
from health.renewals.calls import CALL_TITLES
from health.voice.summary import PERIOD_DAYS

E = TypeVar("E", bound=Entry)


def action(asked: Asked) -> Response:
    """Save an action on a flag."""
    form = _given(asked, "action", "flag", "product", "until", "reason")
    if form.get("action") != "snooze":
        form.pop("until", None)
    entry = checked(ActionEntry, form)
    record_id = save(asked, entry)
    done = ACTION_TITLES[entry.action]
    if entry.until is not None:
        done += f" until {wording.day(entry.until)}"
    return _back(asked, done, ("actions", record_id))


def note(asked: Asked) -> Response:
    """Save a note."""
    entry = checked(NoteEntry, _given(asked, "text"))
    return _back(asked, "Note saved", ("notes", save(asked, entry)))


def override(asked: Asked) -> Response:
    """Save an override, with the computed value as it is now."""
    form = _given(asked, "measure", "value", "reason", "expires_at")
    computed = _computed(asked, str(form.get("measure", "")))
    entry = checked(OverrideEntry, {**form, "computed": computed})
    return _back(
        asked, "Override saved; it counts from the next run", ("overrides", save(asked, entry))
    )


def forecast(asked: Asked) -> Response:
    """Save a call on the renewal."""
    found = require_account(asked)
    form = _given(asked, "call", "amount")
    entry = checked(ForecastEntry, {**form, "renews_at": found["renews_at"]})
    done = f"Renewal call: {CALL_TITLES[entry.call]}"
    return _back(asked, done, ("forecasts", save(asked, entry)))


def assignment(asked: Asked) -> Response:
    """Give the account to another CSM."""
    entry = checked(AssignmentEntry, _given(asked, "csm"))
    return _back(asked, f"Reassigned to {entry.csm}", ("assignments", save(asked, entry)))


def assignments(asked: Asked) -> Response:
    """Give several accounts to another CSM: all of them, or none where one is not known."""
    entry = checked(AssignmentEntry, _given(asked, "csm"))
    wanted = list(dict.fromkeys(asked.form.get("accounts", "").split()))
    if not wanted:
        raise EntryError("no account was given", fix="Give one ID per line.")
    known = {a for a in wanted if find_account(asked.run, asked.scope, a) is not None}
    unknown = [account for account in wanted if account not in known]
    if unknown:
        raise EntryError(
            f"{len(unknown)} of {len(wanted)} accounts are not in the run, e.g. {unknown[0]}",
            fix="Correct the IDs; nothing was reassigned.",
        )
    for account_id in wanted:
        asked.parts = {**asked.parts, "account_id": account_id}
        save(asked, entry)
    return RedirectResponse("/team", status_code=303)


def raised(asked: Asked) -> Response:
    """Save that a theme or a reason of an account was raised with a team."""
    kind, _, subject = asked.form.get("about", "").partition(":")
    given = {**_given(asked, "raised_with"), "kind": kind, "subject": subject}
    entry = checked(RaisedEntry, given)
    return _back(asked, f"Raised with {entry.raised_with}", ("raised", save(asked, entry)))


def closure(asked: Asked) -> Response:
    """Save that what was raised about a subject is closed for an account."""
    entry = checked(ClosureEntry, _given(asked, "kind", "subject", "closed_at", "outcome"))
    return _back(asked, "Closed", ("closures", save(asked, entry)))


def raised_theme(asked: Asked) -> Response:
    """Save that a theme was raised, for each of the user's accounts that mention it."""
    given = {
        **_given(asked, "raised_with"),
        "kind": "theme",
        "subject": asked.form.get("theme", ""),
    }
    entry = checked(RaisedEntry, given)
    accounts = mentioning(asked.run, asked.scope, entry.subject)
    if not accounts:
        raise EntryError(f"none of your accounts mentions it in the last {PERIOD_DAYS} days")
    _save_all(asked, entry, accounts)
    return RedirectResponse("/voice", status_code=303)


def closures(asked: Asked) -> Response:
    """Save that a subject is closed, for each of the user's accounts for which it is open."""
    entry = checked(ClosureEntry, _given(asked, "kind", "subject", "closed_at", "outcome"))
    with asked.app.database.read() as session:
        accounts = open_accounts(
            session, asked.run, asked.scope, kind=entry.kind, subject=entry.subject
        )
    if not accounts:
        raise EntryError("it is not open for any of your accounts")
    _save_all(asked, entry, accounts)
    return RedirectResponse("/voice", status_code=303)


def _save_all(asked: Asked, entry: Entry, accounts: list[str]) -> None:
    requests = {account: request_id(asked, f"{entry!r} {account}") for account in accounts}
    write_entries(asked.app.database, entry, requests=requests, user=asked.user, now=asked.now)


def undo_record(asked: Asked) -> Response:
    """Undo what was written."""
    kind, row = record_to_undo(asked)
    undo(
        asked.app.database,
        kind,
        row.id,
        user=asked.user,
        request_id=request_id(asked, "undo"),
        now=asked.now,
    )
    asked.parts = {**asked.parts, "account_id": row.account_id}
    return _back(asked, "Undone", None)


def record_to_undo(asked: Asked) -> tuple[str, Any]:
    """Return the table and the row in the address; 404 where its account is not the user's."""
    kind, record_id = asked.parts["kind"], asked.parts["record_id"]
    with asked.app.database.read() as session:
        row = record(session, kind, record_id)
    if row is None or find_account(asked.run, asked.scope, row.account_id) is None:
        raise HTTPException(404)
    return kind, row


def save(asked: Asked, entry: Entry) -> str:
    """Write an entry about the account in the address, which the user must see."""
    found = require_account(asked)
    if isinstance(entry, ForecastEntry):
        _require_renewal(found)
    return write_entry(
        asked.app.database,
        entry,
        account_id=found["account_id"],
        user=asked.user,
        request_id=request_id(asked, repr(entry)),
        now=asked.now,
    )


def _require_renewal(found: Mapping[str, Any]) -> None:
    """Refuse a call on an account that has nothing to renew."""
    if found["known_to_leave"]:
        raise EntryError(
            "this account gave notice, so there is no renewal to call",
            fix="Write a note, or correct notice_at of its subscription.",
        )
    if found["days_to_renewal"] is None or found["days_to_renewal"] < 0:
        raise EntryError(
            "this account has no renewal ahead: it pays month to month, or its term has ended",
            fix="Write a note; a renewal needs a term of more than 35 days (renews_at).",
        )


def checked(kind: type[E], values: dict[str, Any]) -> E:
    """Return an entry; EntryError with every problem where it is not valid."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{_field(problem['loc'])}{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        raise EntryError(problems) from None


def _field(loc: tuple[int | str, ...]) -> str:
    return f"{wording.title_of(str(loc[-1]))}: " if loc else ""


def _given(asked: Asked, *names: str) -> dict[str, Any]:
    """Return the fields of a form that are not empty; a date means its midnight."""
    given: dict[str, Any] = {}
    for name in names:
        value = asked.form.get(name, "").strip()
        if not value:
            continue
        given[name] = _date(value) if name in {"until", "expires_at", "closed_at"} else value
    return given


def _date(value: str) -> datetime:
    try:
        return datetime.strptime(value, "%Y-%m-%d")
    except ValueError:
        raise EntryError(f"{value} is not a date", fix="Write dates as 2027-03-14.") from None


def _computed(asked: Asked, measure: str) -> float | None:
    found = require_account(asked)
    if measure == "health":
        value = found["machine_health_score"]
        return None if value is None or math.isnan(value) else value
    rows = asked.run.rows(
        "reasons",
        ["points"],
        "account_id = ? AND output = 'health' AND term = ?",
        [found["account_id"], measure],
    )
    if not rows:
        raise EntryError(f"the score of this account has no measure {measure}")
    value = rows[0]["points"]
    return None if value is None else float(value)


def request_id(asked: Asked, what: str) -> str:
    """Return the ID of this request: another button of the same form is another request."""
    given = asked.form.get("request_id", "")
    if not 16 <= len(given) <= 64:
        raise EntryError("the form is incomplete", fix="Load the page again and repeat it.")
    return hashlib.sha256(f"{given}\n{asked.parts}\n{what}".encode()).hexdigest()


def _back(asked: Asked, done: str, undoable: tuple[str, str] | None) -> Response:
    """Show the page that the form was on, with what was done and a way to undo it."""
    came_from = asked.form.get("from", "")
    from_week = came_from == "week"
    if asked.htmx and came_from in {"week", "renewals"} and "account_id" in asked.parts:
        # The page has many accounts, and the row that was used may be gone.
        found = find_account(asked.run, asked.scope, asked.parts["account_id"])
        done = done if found is None else f"{done} · {found['name']}"
    if asked.htmx and came_from == "renewals":
        return asked.page("saved.html.j2", notice=done, undo=undoable)
    if asked.htmx:
        show = week_screen.my_week if from_week else account_screen.account
        return show(asked, notice=done, undo=undoable)
    if came_from == "renewals":
        return RedirectResponse("/renewals", status_code=303)
    if from_week:
        csm = asked.form.get("csm_shown", "")
        return RedirectResponse("/" + (f"?csm={quote(csm)}" if csm else ""), status_code=303)
    account_id = quote(asked.parts["account_id"], safe="")
    return RedirectResponse(f"/accounts/{account_id}", status_code=303)
