"""Behaviour apart from configuration, per account and for the book."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.restate.compare import account_changes, book_changes
from tests.examples import examples

DAYS = pd.to_datetime(["2026-06-07", "2026-06-14", "2026-06-21"])
NAN = float("nan")


def _restated(*rows: tuple[int, str, float, float, float, str]) -> pd.DataFrame:
    columns = ["day", "account_id", "published_score", "health_score", "mrr"]
    frame = pd.DataFrame(list(rows), columns=[*columns, "published_scorecard_hash"])
    return frame.assign(as_of=DAYS[frame["day"]]).drop(columns="day")


def test_a_change_under_one_scorecard_is_all_behaviour() -> None:
    history = _restated((0, "A", 60, 40, 1, "old"), (1, "A", 50, 35, 1, "old"))
    (row,) = account_changes(history).to_dict("records")
    assert (row["published_change"], row["restated_change"]) == (-10, -5)
    assert (row["behaviour_change"], row["configuration_change"]) == (-10, 0)


def test_where_the_scorecard_changed_the_restated_change_is_behaviour() -> None:
    history = _restated((0, "A", 60, 40, 1, "old"), (1, "A", 35, 35, 1, "new"))
    (row,) = account_changes(history).to_dict("records")
    assert (row["behaviour_change"], row["configuration_change"]) == (-5, -20)


def test_accounts_not_scored_twice_are_left_out_and_make_the_mix() -> None:
    history = _restated(
        (0, "A", 60, 60, 10, "old"),
        (0, "B", 20, 20, 10, "old"),
        (1, "A", 70, 70, 10, "old"),
        (1, "C", 90, 90, 30, "old"),
        (1, "D", NAN, NAN, 50, "old"),
    )
    changes = account_changes(history)
    assert changes["account_id"].tolist() == ["A"]
    book = book_changes(history, changes).set_index(["as_of", "weighting"])
    by_account, by_mrr = (book.loc[(DAYS[1], w)] for w in ("account", "mrr"))
    assert by_account["published"] == 80
    assert by_mrr["published"] == 85
    assert (by_account["published_change"], by_account["behaviour_change"]) == (40, 10)
    assert by_account["mix_change"] == 30
    assert book.loc[(DAYS[0], "mrr"), "published"] == 40
    assert np.isnan(book.loc[(DAYS[0], "mrr"), "published_change"])


_score = st.one_of(st.just(NAN), st.floats(0, 100))
_row = st.tuples(
    st.integers(0, 2),
    st.sampled_from("ABCD"),
    _score,
    _score,
    st.floats(0.1, 1e4),
    st.sampled_from(["old", "new"]),
)


@settings(deadline=None, max_examples=examples(30))
@given(st.lists(_row, min_size=1, max_size=12, unique_by=lambda row: row[:2]))
@pytest.mark.slow
def test_the_parts_sum(rows: list[tuple[int, str, float, float, float, str]]) -> None:
    history = _restated(*rows)
    changes = account_changes(history)
    parts = changes["behaviour_change"] + changes["configuration_change"]
    np.testing.assert_allclose(parts, changes["published_change"], atol=1e-9)
    book = book_changes(history, changes).dropna(subset=["behaviour_change", "published_change"])
    result = book["behaviour_change"] + book["configuration_change"] + book["mix_change"]
    np.testing.assert_allclose(result, book["published_change"], atol=1e-9)


def test_one_run_has_no_changes() -> None:
    history = _restated((0, "A", 60, 40, 1, "old"))
    assert account_changes(history).empty
    assert book_changes(history, account_changes(history))["restated"].tolist() == [40, 40]
