"""My week: what a CSM does this week, one row per account."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from health.app.access.roles import AccountFilter
from health.app.page import ACTION_TITLES
from health.app.reading.accounts import choices
from health.app.reading.week import read_week, summarise
from health.app.records.read import actions_since, last_notes
from health.app.web import Asked

#: New, ended and changed accounts that are named; what is to do comes first.
_MOST_NEWS = 6


def my_week(asked: Asked, *, notice: str = "", undo: tuple[str, str] | None = None) -> Response:
    """Show the week of the signed-in CSM, or of the CSM that is chosen."""
    run, config = asked.run, asked.app.config
    csm, scope = chosen(asked)
    before = asked.app.runs.before(run)
    with asked.app.database.read() as session:
        week = read_week(
            session,
            run,
            scope,
            capacity=capacity(asked),
            overdue_days=config.app.overdue_days,
        )
        shown = [row.account_id for row in (*week.open, *week.done)]
        notes = last_notes(session, shown)
        past = [] if before is None else actions_since(session, before.midnight, shown)
    earlier: dict[str, int] = {}
    for action in past:
        if action.created_at < run.midnight:
            earlier[action.action] = earlier.get(action.action, 0) + 1
    return asked.page(
        "my_week.html.j2",
        run=run,
        week=week,
        csm=csm,
        csms=choices(run, asked.scope).csms
        if asked.user.role != "csm" or asked.app.config.app.csm_sees_team
        else [],
        summary=summarise(run, before, scope, most=_MOST_NEWS),
        earlier=earlier,
        notes=notes,
        rule=run.info.get("my_week", {}).get("rule", ""),
        actions=ACTION_TITLES,
        # A run is about the week after it, even if it is read later.
        overdue_from=min(asked.now.date(), run.as_of + timedelta(days=6)),
        notice=notice,
        undo=undo,
    )


def chosen(asked: Asked) -> tuple[str, AccountFilter]:
    """Return the CSM whose accounts are shown, and their filter.

    CSMs see their own unless they choose a colleague; others see everybody's until they choose.
    """
    name = asked.query.get("csm", asked.form.get("csm", ""))
    if not name and asked.user.csm and "csm" not in asked.query:
        name = asked.user.csm
    return name, asked.scope.for_csm(name) if name else asked.scope


def capacity(asked: Asked) -> int:
    """Return the most accounts in a week."""
    config = asked.app.config
    return config.app.capacity or config.flags.capacity_per_csm
