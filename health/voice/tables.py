"""What customers write, as tables of a run: themes, and the comments of a year."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pandas as pd

from features.voice.plain_text import blank_contacts
from health.voice.summary import Voice

#: Days of comments that are published.
YEAR = 365
THEMES, COMMENTS = "voice_themes", "voice_comments"
THEME_COLUMNS = (
    *("theme", "phrases", "mentions", "share", "recent", "earlier"),
    *("impact", "impact_low", "impact_high", "by_segment", "by_stage"),
)
#: The weights of a theme's phrases as JSON, by which the next run recognises it.
TERMS = "terms"
COMMENT_COLUMNS = (
    *("account_id", "written_at", "source", "score", "respondent_id"),
    *("tone", "themes", "comment"),
)


def voice_tables(voice: Voice, accounts: Collection[str]) -> dict[str, pd.DataFrame]:
    """Return the tables `voice_themes` and `voice_comments` of a run.

    Parameters
    ----------
    voice : Voice
    accounts : collection of str
        The scored accounts; comments of others are left out.

    Returns
    -------
    dict of str to pd.DataFrame
        Themes with `THEME_COLUMNS` and `TERMS` (shares by segment and stage as JSON), the most
        expensive first; comments of the last `YEAR` days with `COMMENT_COLUMNS`, contact details
        blanked and themes as a JSON list, the newest first within an account.
    """
    themes = [
        (
            *(theme.name, theme.phrases, theme.mentions, theme.share, theme.recent, theme.earlier),
            *(theme.impact.value, theme.impact.low, theme.impact.high),
            *(json.dumps(shares.to_dict()) for shares in (theme.by_segment, theme.by_stage)),
            json.dumps(theme.terms, ensure_ascii=False),
        )
        for theme in voice.themes
    ]
    rows = voice.comments[voice.comments["written_at"] >= voice.until - timedelta(days=YEAR)]
    rows = rows[rows["account_id"].isin(pd.Index(accounts))]
    comments = rows.assign(
        # Where nobody is named, the author of a comment is its account.
        respondent_id=rows["author"].where(rows["author"] != rows["account_id"]),
        themes=[json.dumps(list(names), ensure_ascii=False) for names in rows["themes"]],
        comment=[blank_contacts(text) for text in rows["comment"]],
    )
    ordered = comments.iloc[::-1].sort_values("account_id", kind="stable")
    return {
        THEMES: pd.DataFrame(themes, columns=[*THEME_COLUMNS, TERMS]).astype(_THEME_TYPES),
        COMMENTS: ordered[list(COMMENT_COLUMNS)].astype(_COMMENT_TYPES).reset_index(drop=True),
    }


#: Declared, so that an empty table can be read like any other.
_THEME_TYPES = {
    name: "string" if name in {"theme", "phrases", "by_segment", "by_stage", TERMS} else "float64"
    for name in (*THEME_COLUMNS, TERMS)
}
_COMMENT_TYPES = {
    name: "float64" if name == "score" else "string"
    for name in COMMENT_COLUMNS
    if name != "written_at"
} | {"written_at": "datetime64[us]"}


def voice_info(voice: Voice) -> dict[str, Any]:
    """Return what run.json has about the comments."""
    return {
        "comments": len(voice.comments),
        "themes": len(voice.themes),
        "impact_of": voice.impact_of,
        "sentiment": voice.sentiment,
        "stability": voice.stability,
    }
