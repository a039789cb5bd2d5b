"""Sentiment and themes know nothing later, and nothing of a comment's own score."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.voice.comments import as_of
from features.voice.readings import fitted_before, read_comments
from tests.features.text_models import SETTINGS

DAY = datetime(2026, 6, 7)
GOOD, BAD = "great reports, we like it", "awfully slow, nothing works"


def comments(number: int = 60) -> pd.DataFrame:
    """Return comments of many accounts, half of them good, a few days apart."""
    written = [DAY - timedelta(days=300 - 4 * n) for n in range(number)]
    good = np.arange(number) % 2 == 0
    return pd.DataFrame(
        {
            "account_id": [f"a{n % 12}" for n in range(number)],
            "written_at": pd.to_datetime(written),
            "known_from": pd.to_datetime(written),
            "scored_from": pd.to_datetime(written),
            "source": "nps",
            "comment": np.where(good, GOOD, BAD),
            "author": [f"u{n}" for n in range(number)],
            "score": np.where(good, 10.0, 0.0),
            "is_good": good,
            "is_bad": ~good,
            "label": "",
        }
    )


def positive(rows: pd.DataFrame, day: datetime = DAY) -> np.ndarray:
    everything = np.ones(len(rows), dtype=bool)
    readings = read_comments(rows, everything, [pd.Timestamp(day)], SETTINGS.text_models)
    return readings[pd.Timestamp(day)].positive


def test_good_comments_read_better() -> None:
    rows = comments()
    found = positive(rows)
    written = rows["written_at"] < DAY
    assert found[written & rows["is_good"]].min() > 0.5 > found[written & rows["is_bad"]].max()


@pytest.mark.parametrize("place", [0, 5, 17])
def test_the_scores_of_an_account_do_not_change_its_own_sentiment(place: int) -> None:
    rows, other = comments(), comments()
    own = other["account_id"] == other["account_id"][place]
    other.loc[own, ["is_good", "is_bad"]] = ~other.loc[own, ["is_good", "is_bad"]]
    np.testing.assert_array_equal(positive(rows)[own], positive(other)[own])
    assert (positive(rows)[~own] != positive(other)[~own]).any()


def test_scores_that_were_known_after_the_quarter_began_change_nothing() -> None:
    rows, other = comments(), comments()
    late = (other["scored_from"] >= fitted_before(pd.Timestamp(DAY))).to_numpy()
    other.loc[late, ["is_good", "is_bad"]] = ~other.loc[late, ["is_good", "is_bad"]]
    assert 0 < late.sum() < len(late)
    np.testing.assert_array_equal(positive(rows), positive(other))


def test_a_score_counts_from_when_it_was_given() -> None:
    rows = comments(4)
    rows["scored_from"] = [pd.NaT, DAY, DAY - timedelta(days=1), DAY - timedelta(days=1)]
    known = as_of(rows, DAY)
    assert known["score"].isna().tolist() == [True, True, False, False]
    assert not known["is_good"][:2].any() and not known["is_bad"][:2].any()
