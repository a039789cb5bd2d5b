"""`health voice`: point in time, on the company's scales, and inert."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import Tables, tables_from_frames
from features.voice.comments import collect_comments
from features.voice.readings import MOST_COMMENTS
from health.settings.voice import VoiceConfig
from health.voice.page import render_voice
from health.voice.summary import listen
from health.voice.tables import voice_tables
from tests.health.conftest import call_health
from tests.models.text.written import answers

UNTIL = pd.Timestamp("2026-01-01").to_pydatetime()


def _tables(frames: dict[str, pd.DataFrame]) -> Tables:
    return tables_from_frames(frames, observed_until=UNTIL)


def _accounts() -> pd.DataFrame:
    ids = [f"A{number}" for number in range(40)]
    return pd.DataFrame(
        {
            "account_id": ids,
            "created_at": pd.Timestamp("2024-01-01"),
            "segment": ["small", "large"] * 20,
            "name": ["<b>Acme</b>", *ids[1:]],
        }
    )


def test_a_text_counts_from_when_it_was_known() -> None:
    surveys = answers(3).assign(
        answered_at=pd.to_datetime(["2025-05-01", "2025-05-02", "2026-01-01"]),
        known_at=pd.to_datetime(["2025-05-01", "2026-03-01", "2026-01-01"]),
    )
    tickets = pd.DataFrame(
        {
            "account_id": ["A1", "A2"],
            "ticket_id": ["t1", "t2"],
            "opened_at": pd.to_datetime(["2025-06-01", "2025-06-02"]),
            "subject": ["Export fails", "Login"],
            "csat": [1.0, 5.0],
            "csat_at": pd.to_datetime(["2025-06-03", "2026-02-01"]),
        }
    )
    tables = _tables({"accounts": _accounts(), "surveys": surveys, "tickets": tickets})
    found = collect_comments(tables, UNTIL)
    assert found["source"].tolist() == ["nps", "ticket", "ticket"]
    assert found["author"].tolist() == ["A0", "A1", "A2"]
    assert found["is_bad"].tolist()[1:] == [True, False]
    # The second rating was given later.
    assert found["score"].isna().tolist() == [False, False, True]


def test_a_score_is_read_on_its_scale() -> None:
    surveys = pd.DataFrame(
        {
            "account_id": ["A1"] * 4,
            "kind": ["CSAT", "csat", "csat", "ces"],
            "answered_at": pd.Timestamp("2025-05-01"),
            "score": [100.0, 1.0, 3.0, 7.0],
            "scale": ["0-100", "good/bad", None, None],
            "comment": ["a", "b", "c", "d"],
        }
    )
    tables = _tables({"accounts": _accounts(), "surveys": surveys})
    found = collect_comments(tables, UNTIL).set_index("comment")
    assert found["score"].to_dict() == {"a": 5.0, "b": 5.0, "c": 3.0, "d": 7.0}
    assert found["is_good"].to_dict() == {"a": True, "b": True, "c": False, "d": True}


@pytest.mark.slow
def test_the_page_shows_sentiment_themes_and_quotes_and_is_inert() -> None:
    surveys = answers(360)
    hostile = "<script>alert(1)</script> <img src=x onerror=alert(2)> call 0151 2345678"
    surveys.loc[359, ["account_id", "comment", "score"]] = ["A0", hostile, 0]
    tables = _tables({"accounts": _accounts(), "surveys": surveys})
    voice = listen(tables, UNTIL, VoiceConfig(names={"Hilfe": "Thanks"}, most_themes=6))
    assert voice.sentiment_auc is not None and voice.sentiment_auc.low > 0.9
    assert voice.impact_of == "nps" and voice.themes
    first = voice.themes[0]
    assert first.impact.low > 0 and set(first.by_segment.index) == {"small", "large"}
    assert "Thanks" in {theme.name for theme in voice.themes}
    page = render_voice(voice, company="A & B", names=_accounts().set_index("account_id")["name"])
    assert "A &amp; B" in page and "&lt;b&gt;Acme&lt;/b&gt;" in page
    assert "<script" not in page and "<img" not in page and "0151 2345678" not in page
    assert "Thanks" in page and "95 % interval" in page


@pytest.mark.slow
def test_themes_in_two_languages_with_one_name_are_one() -> None:
    surveys = answers(600)
    tables = _tables({"accounts": _accounts(), "surveys": surveys})
    each = listen(tables, UNTIL, VoiceConfig(most_themes=5))
    words = ("easy", "hilfe")
    two = [next(t for t in each.themes if word in t.phrases) for word in words]
    assert "English" in each.stability and "German" in each.stability
    named = {theme.phrases.split(" · ")[0]: "Praise" for theme in two}
    assert len(two) == len(named) == 2
    both = listen(tables, UNTIL, VoiceConfig(most_themes=5, names=named))
    (praise,) = [theme for theme in both.themes if theme.name == "Praise"]
    assert sorted(praise.phrases.split("; ")) == sorted(theme.phrases for theme in two)
    assert len(both.themes) == len(each.themes) - 1
    mentions = both.comments["themes"].map(lambda names: names.count("Praise"))
    assert mentions.max() == 1 and praise.mentions == mentions.sum() == sum(t.mentions for t in two)
    assert praise.impact.mentions == praise.mentions


@pytest.mark.slow
def test_truncating_the_tables_changes_nothing() -> None:
    surveys = answers(300)
    until = pd.Timestamp("2025-09-01").to_pydatetime()
    known = surveys[surveys["answered_at"] < until]
    full, cut = (
        listen(_tables({"accounts": _accounts(), "surveys": rows}), until, VoiceConfig())
        for rows in (surveys, known)
    )
    pd.testing.assert_frame_equal(full.comments, cut.comments)
    assert full.sentiment == cut.sentiment and full.stability == cut.stability


@pytest.mark.slow
def test_the_command_writes_a_page_and_reports_what_is_missing(tmp_path: Path) -> None:
    _accounts().to_csv(tmp_path / "accounts.csv", index=False)
    paid = _accounts()[["account_id"]].assign(product="core", started_at="2024-01-01", ended_at="")
    paid.assign(mrr=100).to_csv(tmp_path / "subscriptions.csv", index=False)
    answers(120).to_csv(tmp_path / "surveys.csv", index=False)
    config = tmp_path / "health.toml"
    tables, surveys = (
        "".join(f'[tables.{name}]\npath = "{name}.csv"\n' for name in names)
        for names in (("accounts", "subscriptions"), ("surveys",))
    )
    config.write_text(tables + surveys, encoding="utf-8")
    done = call_health("voice", config, "-o", tmp_path / "voice.html")
    assert done.code == 0, done.err
    assert "sentiment needs 200" in " ".join(done.out.split())
    assert "120 comments" in (tmp_path / "voice.html").read_text(encoding="utf-8")
    done = call_health("voice", config, "-o", tmp_path)
    assert done.code == 2 and str(tmp_path) in " ".join(done.err.split())
    config.write_text(tables, encoding="utf-8")
    done = call_health("voice", config)
    assert done.code == 2 and "surveys.comment" in done.err


@pytest.mark.parametrize("texts", [["x"], ["one"] * 5, ["日本語のコメント。とても良い"] * 30])
def test_a_few_short_comments_make_a_page(texts: list[str]) -> None:
    surveys = answers(len(texts)).assign(comment=texts)
    tables = _tables({"accounts": _accounts(), "surveys": surveys})
    page = render_voice(listen(tables, UNTIL, VoiceConfig()))
    assert "No themes" in page


@pytest.mark.slow
def test_a_theme_keeps_its_name_while_comments_are_added() -> None:
    surveys = answers(360)
    first = listen(
        _tables({"accounts": _accounts(), "surveys": surveys}), UNTIL, VoiceConfig(most_themes=5)
    )
    before = voice_tables(first, _accounts()["account_id"])["voice_themes"]
    # Somebody has renamed them since; new comments move the strongest phrases.
    before["theme"] = [f"Theme {place}" for place in range(len(before))]
    more = pd.concat([surveys, answers(500, seed=3)], ignore_index=True).drop_duplicates()
    tables = _tables({"accounts": _accounts(), "surveys": more})
    again = listen(tables, UNTIL, VoiceConfig(most_themes=5), earlier=before)
    kept = {theme.name for theme in again.themes} & set(before["theme"])
    assert len(kept) >= len(before) - 1
    assert len({theme.name for theme in again.themes}) == len(again.themes)
    # Comments carry the kept names, so what was raised about a theme finds them.
    assert kept <= {name for names in again.comments["themes"] for name in names}


@pytest.mark.slow
def test_a_theme_unlike_the_earlier_ones_is_new() -> None:
    tables = _tables({"accounts": _accounts(), "surveys": answers(360)})
    found = listen(tables, UNTIL, VoiceConfig(most_themes=5))
    others = voice_tables(found, [])["voice_themes"]
    others["terms"] = '{"something else": 1.0}'
    # An unknown theme has the name of a new one: both names stay distinct.
    again = listen(tables, UNTIL, VoiceConfig(most_themes=5), earlier=others)
    assert [theme.name for theme in again.themes] == [theme.name for theme in found.themes]


@pytest.mark.slow
def test_sentiment_is_learned_from_the_newest_comments() -> None:
    # What was meant by the words of the oldest comments is the reverse of today.
    old = 400
    surveys = answers(MOST_COMMENTS + old)
    times = pd.to_timedelta(np.arange(len(surveys)), unit="h")
    surveys["answered_at"] = pd.Timestamp("2025-01-01") + times
    surveys.loc[: old - 1, "score"] = 10 - surveys["score"]
    tables = _tables({"accounts": _accounts(), "surveys": surveys})
    voice = listen(tables, UNTIL, VoiceConfig(most_themes=2))
    assert "from 3,000 scored comments" in voice.sentiment
    assert voice.sentiment_auc is not None and voice.sentiment_auc.value > 0.99
    assert voice.comments["sentiment"].notna().all()
