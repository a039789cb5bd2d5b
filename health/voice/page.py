"""The Voice page: themes, their impact and the latest comments, as one self-contained file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from features.tables.survey_scales import SCALES, Scale, default_scale
from features.voice.plain_text import blank_contacts
from health.presentation import wording
from health.presentation.html_page import content_policy, page_environment, source_of
from health.voice.followup import AFTER_DAYS, LEAST
from health.voice.summary import PERIOD_DAYS, Voice
from models.text.themes import Impact

#: Latest comments on the page.
LATEST = 50
_TONES = ("positive", "mixed", "negative")
_SOURCES = {"nps": "NPS", "csat": "CSAT", "ces": "CES", "ticket": "Ticket"}


def render_voice(voice: Voice, *, company: str = "", names: pd.Series[str] | None = None) -> str:
    """Render the page as HTML without a script and without any reference to a network.

    Parameters
    ----------
    voice : Voice
    company : str
        Title of the page.
    names : pd.Series of str, optional
        Names of accounts, indexed by account_id.
    """
    environment = page_environment("health.voice")
    environment.filters.update(
        points=lambda value: wording.points(value, signed=True),
        interval=_interval,
        number=lambda value: f"{value:g}",
    )
    style = source_of(page_environment("health.report"), "report.css")
    style += source_of(environment, "voice.css")
    return environment.get_template("voice.html.j2").render(
        voice=voice,
        company=company,
        impact_of=_SOURCES.get(voice.impact_of, "score"),
        scale=_scale(voice.impact_of),
        period=PERIOD_DAYS,
        tones=_tones(voice.comments),
        latest=_latest(voice.comments, names),
        raised=[] if voice.raised is None else voice.raised.to_dict("records"),
        after_days=AFTER_DAYS,
        least=LEAST,
        style=Markup(style),
        policy=content_policy(style),
    )


def _scale(kind: str) -> Scale:
    return SCALES[kind][default_scale(kind)] if kind in SCALES else Scale(0, 10, 9, 6)


def _interval(impact: Impact) -> str:
    if np.isnan(impact.low):
        return "–"
    low, high = (wording.points(end, signed=True) for end in (impact.low, impact.high))
    return f"{low} to {high}"


def _tones(comments: pd.DataFrame) -> list[tuple[str, list[int]]]:
    known = comments[comments["tone"].notna()]
    counts = pd.crosstab(known["source"], known["tone"]).reindex(columns=_TONES, fill_value=0)
    return [(_SOURCES.get(str(name), str(name)), list(row)) for name, row in counts.iterrows()]


def _latest(comments: pd.DataFrame, names: pd.Series[str] | None) -> list[dict[str, Any]]:
    rows = comments.tail(LATEST).iloc[::-1]
    known = {} if names is None else names.dropna().to_dict()
    return [
        {
            "written_at": row["written_at"],
            "account": known.get(row["account_id"], row["account_id"]),
            "source": _SOURCES.get(row["source"], row["source"]),
            "tone": row["tone"],
            "comment": blank_contacts(row["comment"]),
            "themes": row["themes"],
        }
        for row in rows.to_dict("records")
    ]
