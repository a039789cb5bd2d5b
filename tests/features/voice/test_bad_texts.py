"""Texts in any state: no feature fails on them, and none is invented."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features import build_features
from features.catalogue import CATALOGUE
from tests.features.company import DAY, Rows, ago, open_tables
from tests.features.text_models import SETTINGS

VOICE = [name for name, feature in CATALOGUE.items() if feature.family == "voice"]


def company(*texts: str | None) -> Rows:
    contract = {"account_id": "a", "product": "core", "started_at": ago(300), "mrr": 10.0}
    answers = [
        {"account_id": "a", "kind": "nps", "answered_at": ago(5 + n), "score": 3.0, "comment": text}
        for n, text in enumerate(texts)
    ]
    return {
        "accounts": [{"account_id": "a", "created_at": ago(300)}],
        "subscriptions": [contract],
        "surveys": answers,
    }


def asked(*texts: str | None) -> pd.Series[float]:
    return build_features(open_tables(company(*texts)), [DAY], SETTINGS)[VOICE].iloc[0]


@pytest.mark.parametrize(
    ("text", "seats"),
    [
        ("seats", 0),
        ("We need more&nbsp;seats &lt;now&gt;", 1),
        ("<div style='x'><b>We</b> need <i>more seats</i></div><!-- more users -->", 1),
        ("we need more seats " + "and more " * 12_500, 1),
        # UTF-8 that was read as Latin-1, full-width letters, a control character in a word's place.
        ("Wir brauchen zusÃ¤tzliche Lizenzen, und more seats", 1),
        ("We need ｍｏｒｅ ｓｅａｔｓ", 1),
        ("We need more\x00seats", 1),
        ("We need more seats, wir brauchen mehr Lizenzen", 1),
        ("=HYPERLINK(1) more seats; DROP TABLE surveys", 1),
    ],
)
@pytest.mark.quick_cases(1)
def test_a_text_is_read_whatever_its_state(text: str, seats: int) -> None:
    assert asked(text)["voice_asks_seats_90d"] == seats


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("texts", [(None,), ("",), ("   ", "<br>", "\x00")])
def test_nothing_written_is_nothing_measured(texts: tuple[str | None, ...]) -> None:
    assert np.isnan(asked(*texts).to_numpy(dtype=float)).all()
