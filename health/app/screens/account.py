"""One account: its year, reasons, changes, products, and the history of notes and actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from health.app.chart import marks_of, year_chart
from health.app.database.models import (
    Action,
    Assignment,
    Closure,
    Forecast,
    Note,
    Override,
    Raised,
)
from health.app.page import ACTION_TITLES
from health.app.reading import history
from health.app.reading.accounts import choices, find_account
from health.app.reading.history import Event
from health.app.reading.runs import Run, json_list
from health.app.reading.voice import account_comments, open_of_account
from health.app.reading.week import VALUES
from health.app.records.read import history as written
from health.app.records.read import latest_forecasts, running_overrides
from health.app.web import Asked
from health.presentation import wording
from health.renewals.calls import CALL_TITLES

#: Reasons of a model that are shown one by one.
_MOST_REASONS = 8
#: Overrides end after this many days unless another date is chosen.
_OVERRIDE_DAYS = 30


@dataclass(frozen=True)
class Measures:
    """Reasons of a value: those shown, and the sum of the others."""

    shown: list[history.Reason]
    others: int
    rest: float


def account(asked: Asked, *, notice: str = "", undo: tuple[str, str] | None = None) -> Response:
    """Show an account."""
    return asked.page("account.html.j2", notice=notice, undo=undo, **_content(asked))


def brief(asked: Asked) -> Response:
    """Show the account on one page to print before a call."""
    return asked.page("brief.html.j2", **_content(asked))


def require_account(asked: Asked) -> dict[str, Any]:
    """Return the account that is asked about; 404 where the user may not see it."""
    found = find_account(asked.run, asked.scope, asked.parts["account_id"])
    if found is None:
        raise HTTPException(404)
    return found


def _content(asked: Asked) -> dict[str, Any]:
    run, found = asked.run, require_account(asked)
    account_id = found["account_id"]
    happened = history.events_of(run, account_id)
    events = [_event_of_run(row) for row in happened]
    with asked.app.database.read() as session:
        records = written(session, account_id)
        overrides = running_overrides(session, account_id, now=asked.now)
        call = latest_forecasts(session, [account_id]).get(account_id)
        open_raised = open_of_account(session, run, account_id)
    comments = account_comments(run, account_id)
    events += [event_of(row, run.currency) for row in records]
    events.sort(key=lambda event: (event.day, event.at or datetime.min), reverse=True)
    points = history.year_of(asked.app.runs, run, account_id)
    usage = [point for point in points if point.events is not None]
    reasons = history.reasons_of(run, account_id)
    health = reasons["health"]
    return {
        "run": run,
        "account": found,
        "chart": year_chart(points, usage, events, until=run.as_of, risk=run.business.risk),
        "marks": marks_of(events, until=run.as_of),
        "points": points[::-1],
        "flags": [
            {**flag, "reasons": json_list(flag["reasons"])}
            for flag in history.flags_of_account(run, account_id)
        ],
        "values": VALUES,
        "titles": {kind.flag: kind.title for kind in run.business.lists},
        "health": health,
        "churn": _strongest(reasons["churn"]),
        "changes": history.changes_of(run, account_id),
        "products": history.products_of(run, account_id),
        "contracts": history.contracts_of(run, account_id),
        "has_contracts": run.has(history.CONTRACTS) and run.business.has_terms,
        "contacts": history.contacts_of(run, account_id),
        "tickets": [e for e in happened if e["is_open"]],
        "comments": comments,
        "subjects": _subjects(comments, reasons["churn"]),
        "open_raised": open_raised,
        "answers": [e for e in happened if e["kind"] == "answer" and e["text"]],
        "timeline": events,
        "overrides": overrides,
        "measures": _measures(run, health),
        "call": call,
        "calls": CALL_TITLES,
        "actions": ACTION_TITLES,
        "csms": choices(run, asked.scope).csms if asked.user.role in {"lead", "admin"} else [],
        "expires": (asked.now + timedelta(days=_OVERRIDE_DAYS)).date(),
        "today": asked.now.date(),
    }


def event_of(row: Any, currency: str) -> Event:
    """Describe what was written in the app as an event of the timeline."""
    kind, title, text = "action", "", ""
    if isinstance(row, Action):
        title = ACTION_TITLES[row.action]
        if row.until is not None:
            title += f" until {wording.day(row.until)}"
        text = row.reason or ""
    elif isinstance(row, Note):
        kind, title, text = "note", "Note", row.text
    elif isinstance(row, Override):
        kind = "override"
        what = "Health score" if row.measure == "health" else wording.title_of(row.measure)
        title = f"{what} set to {row.value:g} until {wording.day(row.expires_at)}"
        text = row.reason
    elif isinstance(row, Forecast):
        kind, title = "forecast", f"Renewal call: {CALL_TITLES[row.call]}"
        if row.amount is not None:
            title += f", {wording.money(row.amount, currency)}"
    elif isinstance(row, Raised):
        kind, title = "raised", f"Raised with {row.raised_with}: {subject_title(row)}"
    elif isinstance(row, Closure):
        kind, title = "raised", f"Closed: {subject_title(row)}"
        text = row.outcome or ""
    elif isinstance(row, Assignment):
        kind, title = "assignment", f"Reassigned to {row.csm}"
    return Event(
        row.created_at.date(),
        kind,
        title,
        text,
        row.author,
        (row.__tablename__, row.id),
        row.created_at,
    )


def subject_title(row: Any) -> str:
    """Return what was raised in words: a theme by its name, a reason by its feature's."""
    return row.subject if row.kind == "theme" else wording.title_of(row.subject)


def _subjects(
    comments: list[dict[str, Any]] | None, churn: list[history.Reason]
) -> list[tuple[str, str]]:
    """Return what can be raised: the themes of an account's comments, and what raises its risk."""
    themes = dict.fromkeys(name for row in comments or () for name in row["themes"])
    raises = [r for r in churn[:_MOST_REASONS] if r.contribution > 0]
    return [(f"theme:{name}", name) for name in themes] + [
        (f"reason:{r.term}", wording.title_of(r.term)) for r in raises
    ]


def _event_of_run(row: dict[str, Any]) -> Event:
    return Event(row["at"].date(), row["kind"], row["title"], row["text"] or "", at=row["at"])


def _strongest(reasons: list[history.Reason]) -> Measures:
    shown, rest = reasons[:_MOST_REASONS], reasons[_MOST_REASONS:]
    return Measures(shown, len(rest), sum(reason.contribution for reason in rest))


def _measures(run: Run, health: list[history.Reason]) -> list[tuple[str, str]]:
    """Return what can be overridden: the whole score, and each measure by its sentence."""
    own = [(r.term, wording.title_of(r.term)) for r in health if not r.term.startswith("override:")]
    return [("health", "Health score (0 to 100)"), *sorted(own, key=lambda pair: pair[1])]
