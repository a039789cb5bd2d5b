"""Which reasons people are shown: in the direction of common sense, with what is usual."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import CATALOGUE, DESCRIBED
from features.definitions.feature import Feature
from health.reasons.change_sentences import bare_value
from health.reasons.probability import BASELINE_TEXT
from health.reasons.reasons import reason_rows, strongest
from health.reasons.sentences import as_shown
from health.reasons.shown import Peers, mark_shown, usual_values
from health.reasons.signals import direction_of, never_a_reason, signal_of
from tests.health.reasons.strongest import strongest_rows

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
    inputs = pd.DataFrame({"account_id": ["A"], "own_calls": [3.0]})
    rows = reason_rows("churn", pd.DataFrame({"own_calls": [0.4]}), inputs)
    peers = Peers(pd.Series({"A": "SMB"}), USUAL, {**DESCRIBED, "own_calls": _OWN})
    row = peers.mark(rows).iloc[0]
    assert row["text"] == "Calls: 3"
    assert row["shown"]


_WORDED = {
    "usage_events_trend": st.sampled_from([0.0, -0.9, 0.3, math.nan]),
    "usage_recency_days": st.sampled_from([0.0, 1.0, 30.2, 30.4, math.nan]),
    "usage_seat_utilisation_28d": st.sampled_from([0.0, 1e-9, 0.599, 0.6, math.nan]),
    "notice_given": st.sampled_from([0.0, 1.0, math.nan]),
    "industry": st.sampled_from(["Retail", "Health", None]),
    "own_calls": st.sampled_from([0.0, 3.0, math.nan]),
    "unknown": st.sampled_from([0.0, 1.23456, math.nan]),
}
_OWN = Feature("own_calls", "own", "usage", 28, "count", 1, "none", "no call", "Calls: {value}")


@st.composite
def _inputs(draw: st.DrawFn) -> pd.DataFrame:
    count = draw(st.integers(1, 6))
    columns = {
        name: draw(st.lists(each, min_size=count, max_size=count)) for name, each in _WORDED.items()
    }
    kinds = {name: object if name == "industry" else float for name in columns}
    frame = pd.DataFrame(columns).astype(kinds)
    return frame.assign(account_id=[f"A{number}" for number in range(count)])


@given(_inputs(), st.sampled_from([0.0, 1.2, 30.4, math.nan]), st.booleans())
def test_sentences_of_all_rows_at_once_are_those_of_each_row(
    inputs: pd.DataFrame, usual: float, few: bool
) -> None:
    groups = pd.Series({f"A{number}": "SMB" if number % 2 else "" for number in range(6)})
    names = [name for name in _WORDED if name not in ("industry", "unknown")]
    table = pd.DataFrame(
        {name: [0.0 if name == "usage_events_trend" else 1.0, usual] for name in names},
        index=["SMB", ""],
    )
    features = {**DESCRIBED, "own_calls": _OWN}
    moved = pd.DataFrame({name: np.full(len(inputs), 0.5) for name in _WORDED})
    if few:
        moved["baseline"] = 0.1
        rows = strongest_rows(moved, inputs, most=4)
    else:
        rows = reason_rows("churn", moved, inputs)
    marked = Peers(groups, table, features).mark(rows)
    for row in marked.itertuples():
        assert row.text == _sentence(str(row.term), inputs, row, groups, table, features)


def _sentence(
    term: str,
    inputs: pd.DataFrame,
    row: Any,
    groups: pd.Series[str],
    usual: pd.DataFrame,
    features: dict[str, Feature],
) -> str:
    """Return the sentence of one reason."""
    if term in ("baseline", "others"):
        return BASELINE_TEXT if term == "baseline" else "3 smaller influences together"
    value = inputs.set_index("account_id")[term][row.account_id]
    feature = features.get(term)
    if feature is None:
        words = "unknown" if value is None else str(value)
        if term == "unknown":
            words = "not known" if math.isnan(value) else f"{value:.4g}"
        return f"{term.capitalize()}: {words}"
    text = feature.describe(value)
    shown = float(as_shown(feature.unit, np.array([usual[term][groups[row.account_id]]]))[0])
    if math.isnan(value) or math.isnan(shown) or feature.unit == "flag":
        return text
    if value == 0 and shown == 0 and feature.unit not in ("ratio", "change"):
        return f"{text} (similar accounts: the same)"
    return f"{text} (similar accounts: {bare_value(feature, shown)})"


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
