"""Comments written from templates, in two languages, by satisfied and dissatisfied people."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd

_GOOD = (
    "great support, {who} helped at once",
    "very happy with the {what}, works well",
    "easy to use and quick, thanks {who}",
    "sehr zufrieden, {what} läuft gut",
    "super Hilfe von {who}, danke",
)
_BAD = (
    "still waiting for {who}, nobody answers",
    "the {what} crashes every week, terrible",
    "far too expensive for what the {what} does",
    "wir warten noch immer auf {who}",
    "die {what} ist langsam und stürzt ab",
)
_WHO = ("your team", "the agent", "Anna", "support", "Herr Meyer")
_WHAT = ("export", "app", "dashboard", "search", "login")


def written(n: int, *, seed: int = 0, signal: bool = True) -> tuple[list[str], np.ndarray]:
    """Return comments, and 1 where the author is satisfied."""
    chance = Random(seed)
    good = np.array([chance.random() < 0.6 for _ in range(n)])
    tone = good if signal else np.array([chance.random() < 0.6 for _ in range(n)])
    texts = [
        chance.choice(_GOOD if kind else _BAD).format(
            who=chance.choice(_WHO), what=chance.choice(_WHAT)
        )
        for kind in tone
    ]
    return texts, good.astype(int)


def answers(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Return NPS answers with comments, one a day and account."""
    texts, good = written(n, seed=seed)
    chance = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "account_id": [f"A{number % 40}" for number in range(n)],
            "kind": "nps",
            "answered_at": pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(n), unit="D"),
            "score": np.where(good, chance.integers(9, 11, n), chance.integers(0, 7, n)),
            "comment": texts,
        }
    )
