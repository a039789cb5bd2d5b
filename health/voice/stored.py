"""The Voice page of a published run, from the tables that the run stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from health.runs.directory import PublishedRun
from health.voice.followup import EFFECTS, ROWS, with_outcomes
from health.voice.summary import Theme, Voice, shortened
from health.voice.tables import COMMENTS, TERMS, THEMES
from models.text.themes import Impact


def stored_voice(run: PublishedRun, info: Mapping[str, Any], *, quotes: int) -> Voice:
    """Return what customers wrote, as far as a run stores it: the comments of a year.

    Parameters
    ----------
    run : PublishedRun
        A run with comments.
    info : mapping
        Its run.json.
    quotes : int
        Most quotes of a theme: the longest of the comments that mention it.
    """
    comments = run.table(COMMENTS)
    comments = comments.astype(object).mask(comments.isna(), None)
    comments["written_at"] = pd.to_datetime(comments["written_at"])
    comments["themes"] = [tuple(json.loads(names)) for names in comments["themes"]]
    comments = comments.sort_values(["written_at", "account_id"], kind="stable", ignore_index=True)
    themes = [
        _theme(row, comments, quotes, len(comments))
        for row in run.table(THEMES).astype(object).to_dict("records")
    ]
    about = info["voice"]
    return Voice(
        pd.Timestamp(run.as_of).to_pydatetime(),
        comments,
        tuple(themes),
        about["impact_of"],
        about["sentiment"],
        None,
        about["stability"],
        with_outcomes(run.table(EFFECTS), run.table(ROWS))
        if run.has(EFFECTS) and run.has(ROWS)
        else None,
    )


def _theme(row: Mapping[Any, Any], comments: pd.DataFrame, quotes: int, of: int) -> Theme:
    name = str(row["theme"])
    own = comments.loc[[name in names for names in comments["themes"]], "comment"]
    longest = own.drop_duplicates().sort_values(key=lambda texts: -texts.str.len(), kind="stable")
    return Theme(
        name,
        str(row["phrases"]),
        json.loads(row.get(TERMS) or "{}"),
        int(row["mentions"]),
        float(row["share"]),
        float(row["recent"]),
        float(row["earlier"]),
        Impact(row["impact"], row["impact_low"], row["impact_high"], len(own), len(own) / of),
        _shares(row["by_segment"]),
        _shares(row["by_stage"]),
        tuple(shortened(str(text)) for text in longest.head(quotes)),
    )


def _shares(stored: str) -> pd.Series[float]:
    return pd.Series(json.loads(stored), dtype=float)
