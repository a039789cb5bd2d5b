"""Which reasons people are shown: in the direction of common sense, with what is usual."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE, DESCRIBED
from features.definitions.feature import Feature
from health.reasons.reasons import reason_rows, strongest
from health.reasons.shown import Peers, mark_shown, usual_values
from health.reasons.signals import direction_of, never_a_reason, signal_of

USUAL = pd.DataFrame(
    {
        "usage_events_trend": [-0.2],
        "usage_recency_days": [2.0],
        "tickets_backlog": [1.0],
        "usage_seat_utilisation_28d": [0.6],
    },
    index=[""],
)


def _marked(output: str, contribution: float = 0.5, **values: float) -> pd.Series:
    """Return the one reason of one account, marked."""
    ((term, value),) = values.items()
    inputs = pd.DataFrame({"account_id": ["A"], term: [value]})
    rows = reason_rows(output, pd.DataFrame({term: [contribution]}), inputs)
    return mark_shown(rows, pd.Series({"A": "SMB"}), USUAL).iloc[0]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"usage_events_trend": math.log(2.64)}, False),  # Use is up 164 %: no reason to worry
        ({"usage_events_trend": -0.1}, False),  # down, but less than usual
        ({"usage_events_trend": -0.9}, True),
        ({"usage_recency_days": 1.0}, False),
        ({"usage_recency_days": 30.0}, True),
        ({"usage_recency_days": math.nan}, False),
        ({"usage_seat_utilisation_28d": 0.1}, True),
        ({"usage_seat_utilisation_28d": 0.9}, False),
        ({"usage_seat_utilisation_28d": 0.599}, False),  # reads 60 %, like the usual value
        ({"days_to_renewal": 20.0}, False),
        ({"tenure_days": 20.0}, False),
        ({"mrr": 20.0}, False),
        ({"tickets_opened_90d": 9.0}, False),  # the catalogue gives no direction
    ],
)
def test_a_reason_to_worry_points_the_way_of_the_catalogue(
    values: dict[str, float], shown: bool
) -> None:
    assert _marked("churn", **values)["shown"] == shown
    assert not _marked("churn", -0.5, **values)["shown"]


def test_an_offer_has_directions_of_its_own() -> None:
    assert _marked("upsell", usage_seat_utilisation_28d=0.9)["shown"]
    assert not _marked("upsell", usage_seat_utilisation_28d=0.1)["shown"]
    assert _marked("cross_sell", offer_tried_28d=3.0)["shown"]
    assert direction_of("growth_seats_days_to_limit", "upsell") == -1


def test_the_text_names_what_is_usual() -> None:
    row = _marked("churn", usage_seat_utilisation_28d=0.1)
    assert row["text"].endswith(
        "10 % of seats were used in the last 28 days (similar accounts: 60 %)"
    )
    assert row["usual"] == 0.6
    assert row["signal"] == "seats in use"


@pytest.mark.parametrize(
    ("feature", "usual", "text"),
    [
        ("usage_champions_silent", 0.0, "(similar accounts: the same)"),
        ("usage_champions_silent", 0.25, "(similar accounts: 25 %)"),
        ("tickets_backlog", 0.0, "(similar accounts: the same)"),
        ("usage_events_trend", 0.0, "(similar accounts: unchanged)"),
    ],
)
def test_a_sentence_without_a_number_is_compared_in_words(
    feature: str, usual: float, text: str
) -> None:
    inputs = pd.DataFrame({"account_id": ["A"], feature: [0.0]})
    rows = reason_rows("churn", pd.DataFrame({feature: [0.5]}), inputs)
    row = mark_shown(rows, pd.Series({"A": ""}), pd.DataFrame({feature: [usual]}, index=[""]))
    assert row["text"].iloc[0].endswith(text)


def test_of_a_signal_the_strongest_is_shown_and_the_sums_stay() -> None:
    terms = ["usage_days_per_user_28d", "usage_days_per_user_90d", "usage_recency_days"]
    inputs = pd.DataFrame({"account_id": ["A", "B"], **dict.fromkeys(terms, 30.0)})
    moved = pd.DataFrame([[0.3, 0.9, 0.1], [0.9, 0.3, 0.1]], columns=terms)
    usual = pd.DataFrame(
        {"usage_days_per_user_28d": [50.0], "usage_days_per_user_90d": [50.0]}, index=[""]
    )
    rows = reason_rows("churn", moved, inputs)
    marked = Peers(pd.Series(dtype=object), usual, DESCRIBED).mark(rows)
    shown = marked[marked["shown"]].groupby("account_id", observed=True)["term"].agg(set).to_dict()
    assert shown == {
        "A": {"usage_days_per_user_90d", "usage_recency_days"},
        "B": {"usage_days_per_user_28d", "usage_recency_days"},
    }
    assert marked["contribution"].sum() == pytest.approx(rows["contribution"].sum())


def test_custom_features_have_their_own_sentence_and_direction() -> None:
    own = Feature("own_calls", "own", "usage", 28, "count", 1, "none", "no call", "Calls: {value}")
    inputs = pd.DataFrame({"account_id": ["A"], "own_calls": [3.0]})
    rows = reason_rows("churn", pd.DataFrame({"own_calls": [0.4]}), inputs)
    peers = Peers(pd.Series({"A": "SMB"}), USUAL, {**DESCRIBED, "own_calls": own})
    row = peers.mark(rows).iloc[0]
    assert row["text"] == "Calls: 3"
    assert row["shown"]


def test_small_groups_are_compared_with_everybody() -> None:
    features = pd.DataFrame({"usage_recency_days": [1.0] * 30 + [9.0] * 5})
    groups = pd.Series(["large"] * 30 + ["small"] * 5)
    usual = usual_values(features, groups)
    assert usual["usage_recency_days"].to_dict() == {"large": 1.0, "small": 1.0, "": 1.0}


@pytest.mark.parametrize("term", list(CATALOGUE))
def test_every_feature_has_a_signal_and_context_is_no_reason(term: str) -> None:
    assert signal_of(term)
    if CATALOGUE[term].size or term == "days_to_renewal":
        assert never_a_reason(term)


def test_nothing_is_lost_of_an_empty_frame() -> None:
    empty = reason_rows(
        "churn", pd.DataFrame({"mrr": np.array([])}), pd.DataFrame({"account_id": [], "mrr": []})
    )
    assert list(mark_shown(empty, pd.Series(dtype=object), USUAL).columns[-3:]) == [
        "signal",
        "usual",
        "shown",
    ]


@pytest.mark.parametrize(("value", "good", "bad"), [(0.9, 1, 0), (0.6, 1, 0), (0.3, 0, 1)])
def test_a_measure_speaks_for_or_against_an_account_as_it_reads_next_to_others(
    value: float, good: int, bad: int
) -> None:
    term = "usage_seat_utilisation_28d"
    inputs = pd.DataFrame({"account_id": ["A"], term: [value]})
    points = pd.DataFrame({term: [5.0]})
    rows = reason_rows("health", points, inputs, missing=points)
    marked = mark_shown(rows, pd.Series({"A": "SMB"}), USUAL)
    assert len(strongest(marked, "health", "contribution")) == good
    assert len(strongest(marked, "health", "missing")) == (bad if value != 0.6 else 0)
