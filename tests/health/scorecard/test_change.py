"""The change between two runs: its parts sum to it, and each says what it is said to say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.scorecard.change import ScoreInputs, split_changes
from health.scorecard.score import score_with
from health.settings.score import ScoreSettings
from health.settings.scorecard import Scorecard
from tests.examples import examples
from tests.health.scorecard.random_cards import Inputs, close, inputs, score_settings


def _side(data: Inputs, card: ScoreSettings) -> ScoreInputs:
    return ScoreInputs(data.features, data.overrides, card)


def _sums(changes: pd.DataFrame, accounts: pd.Index) -> pd.Series:
    return (
        changes.groupby("account_id", observed=True)["change"]
        .sum()
        .reindex(accounts, fill_value=0.0)
    )


def _both_scored(before: ScoreInputs, now: ScoreInputs) -> tuple[pd.Series, pd.Series]:
    scores = [
        score_with(side.settings, side.features.set_index("account_id", drop=False), side.overrides)
        for side in (before, now)
    ]
    then, after = (s.score.dropna() for s in scores)
    both = then.index.intersection(after.index)
    return then[both], after[both]


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(60))
@given(score_settings(), score_settings(), inputs(), inputs(), st.booleans())
def test_the_parts_sum_to_the_change(
    old: ScoreSettings, new: ScoreSettings, first: Inputs, second: Inputs, same: bool
) -> None:
    before, now = _side(first, old), _side(second, old if same else new)
    changes = split_changes(before, now)
    then, after = _both_scored(before, now)
    close(_sums(changes, then.index), after - then)
    if same:
        assert "configuration" not in set(changes["kind"])


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(20))
@given(score_settings(), score_settings(), inputs())
def test_another_scorecard_on_the_same_data_is_all_configuration(
    old: ScoreSettings, new: ScoreSettings, data: Inputs
) -> None:
    changes = split_changes(_side(data, old), _side(data, new))
    assert set(changes["kind"]) <= {"configuration"}


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(20))
@given(score_settings(), inputs())
def test_an_override_that_ends_is_all_override(card: ScoreSettings, data: Inputs) -> None:
    ended = replace(data, overrides=data.overrides.iloc[:0])
    changes = split_changes(_side(data, card), _side(ended, card))
    # A measure's override that ends may bring a cap or a floor to bear.
    assert set(changes["kind"]) <= {"override", "rule"}


CARD: dict[str, Any] = {
    "components": [
        {
            "name": "use",
            "weight": 3,
            "measures": [
                {"feature": "usage_active_users_28d", "worst": 0, "best": 20},
                {"feature": "usage_recency_days", "worst": 20, "best": 0},
            ],
        },
        {
            "name": "voice",
            "weight": 1,
            "measures": [{"feature": "surveys_nps_latest", "worst": 0, "best": 10}],
        },
    ],
    "rules": [
        {"name": "Urgent", "cap": 50, "when": [{"feature": "tickets_urgent_open", "above": 0}]}
    ],
    "profiles": [
        {
            "name": "quiet",
            "when": [{"feature": "usage_recency_days", "above": 15}],
            "components": [
                {
                    "name": "use",
                    "weight": 1,
                    "measures": [{"feature": "usage_recency_days", "worst": 20, "best": 0}],
                }
            ],
        }
    ],
}
NAN = float("nan")


def _inputs(
    users: float, recency: float, nps: float, urgent: float = 0, override: float | None = None
) -> ScoreInputs:
    features = pd.DataFrame(
        {
            "account_id": ["A"],
            "usage_active_users_28d": [users],
            "usage_recency_days": [recency],
            "surveys_nps_latest": [nps],
            "tickets_urgent_open": [urgent],
        }
    )
    given = [] if override is None else [("A", "health", override)]
    overrides = pd.DataFrame(given, columns=["account_id", "measure", "value"])
    return ScoreInputs(features, overrides, ScoreSettings(scorecard=Scorecard.model_validate(CARD)))


def _split(before: ScoreInputs, now: ScoreInputs) -> dict[tuple[str, str], float]:
    changes = split_changes(before, now)
    return {(r.kind, r.term): round(r.change, 6) for r in changes.itertuples()}  # type: ignore[misc]


def test_each_measure_moves_by_its_own_weight() -> None:
    split = _split(_inputs(14, 2, 8), _inputs(6, 4, 8))
    # Three quarters of the weight on use, half of it each: 0.375 × 40 and 0.375 × 10 points.
    assert split == {
        ("measure", "usage_active_users_28d"): -15.0,
        ("measure", "usage_recency_days"): -3.75,
    }


def test_data_that_goes_missing_and_comes_back() -> None:
    full, without = _inputs(10, 0, 10), _inputs(10, 0, NAN)
    # Use alone is at 75; with a promoter it was 0.75 × 75 + 0.25 × 100.
    assert _split(full, without) == {("missing", "surveys_nps_latest"): -6.25}
    assert _split(without, full) == {("returned", "surveys_nps_latest"): 6.25}


def test_a_cap_takes_what_the_measures_left() -> None:
    split = _split(_inputs(20, 0, 10), _inputs(12, 0, 10, urgent=1))
    assert split == {("measure", "usage_active_users_28d"): -15.0, ("rule", "rule:Urgent"): -35.0}


def test_an_override_set_and_expired() -> None:
    assert _split(_inputs(20, 0, 10), _inputs(20, 0, 10, override=30)) == {
        ("override", "override:health"): -70.0
    }
    assert _split(_inputs(20, 0, 10, override=30), _inputs(20, 0, 10)) == {
        ("override", "override:health"): 70.0
    }


def test_another_profile_is_told_apart_from_what_moved() -> None:
    split = _split(_inputs(20, 10, 10), _inputs(20, 16, 10))
    # Under the profile before: 0.375 × −30 points; under `quiet` recency alone is at 20.
    assert split[("measure", "usage_recency_days")] == pytest.approx(-11.25)
    assert split[("profile", "profile")] == pytest.approx(20 - (0.375 * 100 + 0.375 * 20 + 25))


def test_a_new_scorecard_comes_last() -> None:
    before, now = _inputs(14, 0, 10), _inputs(6, 0, 10)
    doubled = Scorecard.model_validate(
        {**CARD, "rules": [{**CARD["rules"][0], "when": [{"feature": "mrr", "missing": True}]}]}
    )
    now = replace(
        now,
        features=now.features.assign(mrr=NAN),
        settings=ScoreSettings(scorecard=doubled),
    )
    split = _split(before, now)
    assert split[("measure", "usage_active_users_28d")] == pytest.approx(-15)
    assert split[("configuration", "configuration")] == pytest.approx(50 - 73.75)
