"""Scores of accounts for which something was raised, against similar ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import HealthError
from features.reading.frames import tables_from_frames
from health.runs.directory import PublishedRun
from health.voice.followup import LEAST, follow_up, read_raised, with_outcomes
from health.voice.page import render_voice
from health.voice.summary import Voice

DAY = datetime(2026, 6, 7)
BEFORE = date(2026, 3, 1)
THEME = "late delivery"


def rows(**columns: object) -> pd.DataFrame:
    raised = {"kind": "theme", "subject": THEME, "raised_with": "product"}
    return pd.DataFrame({"account_id": [f"A{n}" for n in range(20)], **raised, **columns})


def read(frame: pd.DataFrame) -> pd.DataFrame:
    times = [c for c in ("raised_at", "closed_at", "undone_at") if c in frame]
    frame = frame.astype(dict.fromkeys(times, "datetime64[us]"))
    accounts = pd.DataFrame({"account_id": [f"A{n}" for n in range(99)], "created_at": DAY})
    return read_raised(
        tables_from_frames({"raised": frame, "accounts": accounts}, observed_until=DAY), DAY
    )


def run(folder: Path, mention: int, scores: np.ndarray) -> PublishedRun:
    """Return an earlier run in which the first accounts mention the theme."""
    ids = [f"A{n}" for n in range(len(scores))]
    pd.DataFrame({"account_id": ids, "health_score": scores}).to_parquet(folder / "scores.parquet")
    themes = [json.dumps([THEME] if n < mention else ["other"]) for n in range(len(ids))]
    pd.DataFrame({"account_id": ids, "themes": themes}).to_parquet(
        folder / "voice_comments.parquet"
    )
    return PublishedRun(BEFORE, folder)


@pytest.mark.parametrize("effect", [0.0, 12.0])
def test_the_difference_is_against_accounts_with_the_same_theme(
    tmp_path: Path, effect: float
) -> None:
    rng = np.random.default_rng(1)
    before = rng.uniform(20, 80, 90)
    raised = read(rows(raised_at=datetime(2026, 3, 5)))
    # The worse an account was, the more it recovers by itself; others without the theme fall.
    after = before + 0.3 * (50 - before) + rng.normal(0, 2, 90)
    after[:20] += effect
    after[60:] -= 30
    now = pd.DataFrame({"account_id": [f"A{n}" for n in range(90)], "health_score": after})
    (found,) = follow_up(raised, now, [run(tmp_path, 60, before)], DAY).to_dict("records")
    assert (found["compared"], found["similar"], found["open"]) == (20, 40, 20)
    assert found["low"] < effect < found["high"]
    assert found["high"] - found["low"] < 5
    assert (found["low"] > 0) == (effect > 0)


def test_few_accounts_and_recent_ones_have_no_interval(tmp_path: Path) -> None:
    scores = np.full(60, 50.0)
    now = pd.DataFrame({"account_id": [f"A{n}" for n in range(60)], "health_score": scores})
    few = read(rows(raised_at=datetime(2026, 3, 5)).head(LEAST - 1))
    recent = read(rows(raised_at=DAY - timedelta(days=3)))
    runs = [run(tmp_path, 60, scores)]
    assert follow_up(few, now, runs, DAY)["difference"].isna().all()
    (found,) = follow_up(recent, now, runs, DAY).to_dict("records")
    assert found["compared"] == 0 and np.isnan(found["difference"])


def test_a_later_closure_and_what_was_undone_are_not_known() -> None:
    closed = [datetime(2026, 4, 1)] * 10 + [DAY + timedelta(days=3)] * 10
    undone = [datetime(2026, 5, 1)] + [None] * 19
    found = read(
        rows(raised_at=datetime(2026, 3, 5), closed_at=closed, undone_at=undone, outcome="Fixed")
    )
    assert len(found) == 19
    assert found["closed_at"].notna().sum() == found["outcome"].notna().sum() == 9
    assert read(rows(raised_at=DAY)).empty


def test_the_page_of_a_run_shows_what_came_of_it(tmp_path: Path) -> None:
    scores = np.linspace(30, 70, 90)
    at = {"raised_at": datetime(2026, 3, 5), "closed_at": datetime(2026, 4, 1)}
    raised = read(rows(**at, outcome=["<b>Fixed</b>"] * 19 + ["Later"]))
    now = pd.DataFrame({"account_id": [f"A{n}" for n in range(90)], "health_score": scores + 5})
    effects = follow_up(raised, now, [run(tmp_path, 60, scores)], DAY)
    comments = pd.DataFrame({"source": ["nps"], "tone": [None], "comment": ["x"], "themes": [()]})
    heard = Voice(
        DAY, comments.assign(written_at=DAY, account_id="A1"), (), "nps", "Off.", None, "None."
    )
    assert "Raised with other teams" not in render_voice(heard)
    html = render_voice(replace(heard, raised=with_outcomes(effects, raised)))
    assert "Raised with other teams" in html and THEME in html and "Closed 1 Apr 2026" in html
    assert "&lt;b&gt;Fixed&lt;/b&gt;; Later" in html and "<b>Fixed" not in html
    assert "20 accounts against 40 similar ones" in html


@pytest.mark.parametrize(
    ("columns", "where"),
    [
        ({"kind": "rumour"}, "raised.kind"),
        ({"raised_with": "legal"}, "raised.raised_with"),
        ({"closed_at": datetime(2026, 1, 1)}, "raised.closed_at"),
    ],
)
def test_wrong_rows_are_refused(columns: dict[str, object], where: str) -> None:
    with pytest.raises(HealthError) as refused:
        read(rows(raised_at=datetime(2026, 3, 5)).assign(**columns))
    assert refused.value.where == where and "20 of 20 rows" in refused.value.what
