"""The health score: golden values, sums, coverage, what a missing measure does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from features.catalogue import CATALOGUE
from health.scorecard.bands import band
from health.scorecard.score import score_health, score_with
from health.scoring.health_reasons import health_reasons
from health.settings.default_scorecard import DEFAULT_COMPONENTS, GOALS_COMPONENT, ORDER_COMPONENTS
from health.settings.measure import Component, Measure
from health.settings.score import ScoreSettings
from health.settings.scorecard import Bands, Scorecard
from tests.examples import examples
from tests.health.scorecard.random_cards import Inputs, close, inputs, score_settings

FEATURES = (
    "usage_events_trend",
    "usage_recency_days",
    "tickets_csat_180d",
    "surveys_nps_latest",
    "mrr_change_90d",
)


def _measure(feature: str, weight: float = 1.0) -> Measure:
    return Measure(feature=feature, weight=weight, curve=((0, 0), (100, 100)))


def _card(minimum_coverage: float = 0.0) -> Scorecard:
    return Scorecard(
        minimum_coverage=minimum_coverage,
        components=(
            Component(
                name="use", weight=60, measures=(_measure(FEATURES[0], 2), _measure(FEATURES[1]))
            ),
            Component(name="support", weight=30, measures=(_measure(FEATURES[2]),)),
            Component(
                name="voice", weight=10, measures=(_measure(FEATURES[3]), _measure(FEATURES[4]))
            ),
        ),
    )


def _frame(*rows: tuple[float, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(FEATURES), dtype=float)


def test_golden_weighted_mean() -> None:
    card = Scorecard(
        components=tuple(
            Component(name=f, weight=w, measures=(_measure(f),))
            for f, w in zip(FEATURES, (7, 5, 8, 3), strict=False)
        )
    )
    frame = pd.DataFrame([dict(zip(FEATURES, (83.0, 71.0, 78.0, 54.0), strict=False))])
    assert score_health(frame, card).score[0] == pytest.approx(74.87, abs=0.005)


def test_a_missing_measure_gives_its_weight_to_its_siblings() -> None:
    scores = score_health(_frame((80, np.nan, 50, 20, 20)), _card())
    assert scores.score[0] == pytest.approx(0.6 * 80 + 0.3 * 50 + 0.1 * 20)
    assert scores.coverage[0] == pytest.approx(0.6 * 2 / 3 + 0.3 + 0.1)


def test_a_missing_component_gives_its_weight_to_the_others() -> None:
    scores = score_health(_frame((80, 80, np.nan, 20, 20)), _card())
    assert scores.score[0] == pytest.approx((60 * 80 + 10 * 20) / 70)
    assert scores.coverage[0] == pytest.approx(0.7)


def test_too_little_coverage_is_not_scored() -> None:
    scores = score_health(_frame((np.nan, np.nan, np.nan, 20, 20)), _card(minimum_coverage=0.4))
    assert np.isnan(scores.score[0])
    assert (scores.contributions.loc[0] == 0).all()
    assert band(scores.score, Bands())[0] is None


def test_bands_begin_exactly_at_their_limit() -> None:
    bands = band(pd.Series([49.999, 50.0, 74.999, 75.0]), Bands())
    assert bands.tolist() == ["red", "yellow", "yellow", "green"]


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(80))
@given(score_settings(), inputs())
def test_terms_sum_to_the_score(card: ScoreSettings, data: Inputs) -> None:
    scores = score_with(card, data.features, data.overrides)
    held = scores.score.notna()
    assert scores.score[held].between(0, 100).all()
    assert scores.machine_score.dropna().between(0, 100).all()
    assert scores.coverage.between(0, 1 + 1e-12).all()
    close(scores.contributions.sum(axis=1), scores.score.fillna(0.0))
    close(scores.missing.sum(axis=1)[held], 100 - scores.score[held])
    reasons = health_reasons(data.features, scores, card.scorecard, data.overrides)
    sums = reasons.groupby("account_id", observed=True)[["contribution", "missing"]].sum()
    sums = sums.reindex(data.features["account_id"][held])
    close(sums["contribution"], scores.score[held])
    close(sums["missing"], 100 - scores.score[held])
    assert (reasons["text"] != "").all()


@settings(deadline=None, max_examples=examples(30))
@given(score_settings(), inputs())
@pytest.mark.slow
def test_dates_scored_together_are_scored_as_apart(card: ScoreSettings, data: Inputs) -> None:
    days = [pd.Timestamp("2026-06-07"), pd.Timestamp("2026-06-14")]
    later = data.features.assign(usage_recency_days=data.features["usage_recency_days"] * 0.5)
    separate = [score_with(card, f).score.tolist() for f in (data.features, later)]
    both = pd.concat([data.features.assign(as_of=days[0]), later.assign(as_of=days[1])])
    together = score_with(card, both.set_index("account_id", drop=False)).score
    close(together, [*separate[0], *separate[1]])


@pytest.mark.parametrize(
    "components",
    [DEFAULT_COMPONENTS, ORDER_COMPONENTS, (*DEFAULT_COMPONENTS, GOALS_COMPONENT)],
    ids=["contracts", "orders", "goals"],
)
def test_the_best_attainable_score_of_a_default_scorecard_is_100(
    components: tuple[Component, ...],
) -> None:
    card = Scorecard(components=components, rules=())
    frame = pd.DataFrame(np.nan, index=[0, 1], columns=list(CATALOGUE))
    for component in components:
        for measure in component.measures:
            # Two accounts are the percentiles 0 and 100 of each other.
            ends = sorted(measure.corners, key=lambda corner: corner[1])
            frame.loc[[0, 1], measure.feature] = [ends[0][0], ends[-1][0]]
    scores = score_health(frame, card).score
    assert scores[0] < 10
    assert scores[1] == pytest.approx(100)


@pytest.mark.parametrize(
    ("known", "scored"),
    [
        # Use without user ids or seats, next to contracts, is enough for a score.
        (("usage_active_days_28d", "usage_breadth_share_28d", "usage_recency_days"), True),
        # What was answered once, or a contract alone, is not.
        (("surveys_nps_latest", "surveys_negative_90d"), False),
        ((), False),
    ],
)
def test_what_is_enough_for_a_default_score(known: tuple[str, ...], scored: bool) -> None:
    frame = pd.DataFrame(np.nan, index=[0, 1], columns=list(CATALOGUE))
    frame[["mrr_change_90d", "notice_given"]] = 0.0
    if "usage_recency_days" in known:
        frame["usage_events_trend"] = 0.0
    frame[list(known)] = 1.0
    assert score_health(frame, Scorecard()).score.notna().all() == scored
