"""Voice: what the customers of a user write, by theme and sentiment."""

from __future__ import annotations

from starlette.responses import Response

from health.app.reading.voice import TONES, comments_of, themes_of, tones_of
from health.app.screens.book import page_number
from health.app.web import Asked
from health.voice.summary import PERIOD_DAYS


def voice(asked: Asked) -> Response:
    """Show the themes of all comments, and the comments of accounts that the user may see."""
    run = asked.run
    theme, tone = asked.query.get("theme", "")[:300], asked.query.get("tone", "")
    tone = tone if tone in TONES else ""
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
    )
