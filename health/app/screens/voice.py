"""Voice: what the customers of a user write, by theme and sentiment."""

from __future__ import annotations

from starlette.responses import Response

from health.app.reading.voice import (
    TONES,
    comments_of,
    effects_of,
    raised_of,
    themes_of,
    tones_of,
)
from health.app.screens.book import page_number
from health.app.web import Asked
from health.voice.followup import AFTER_DAYS, LEAST, TEAMS
from health.voice.summary import PERIOD_DAYS


def voice(asked: Asked, *, notice: str = "") -> Response:
    """Show the themes of all comments, and the comments of accounts that the user may see."""
    run = asked.run
    theme, tone = asked.query.get("theme", "")[:300], asked.query.get("tone", "")
    tone = tone if tone in TONES else ""
    with asked.app.database.read() as session:
        raised = raised_of(session, run, asked.scope)
    return asked.page(
        "voice.html.j2",
        run=run,
        about=run.info.get("voice"),
        themes=themes_of(run, asked.scope),
        tones=tones_of(run, asked.scope),
        comments=comments_of(run, asked.scope, theme=theme, tone=tone, page=page_number(asked)),
        theme=theme,
        tone=tone,
        all_tones=TONES,
        period=PERIOD_DAYS,
        raised=raised,
        effects=effects_of(run),
        teams=TEAMS,
        after_days=AFTER_DAYS,
        least=LEAST,
        today=asked.now.date(),
        notice=notice,
        undo=None,
    )
