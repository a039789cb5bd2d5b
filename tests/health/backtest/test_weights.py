from __future__ import annotations

import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from features.catalogue import CATALOGUE
from health.backtest.learned_weights import learn
from health.backtest.proposal import changes, proposal_toml, with_weights
from health.backtest.weight_fit import Learnt, PointRows, fit_weights, hand_set, score_and_slopes
from health.scorecard.score import score_health
from health.scorecard.weights import weigh
from health.settings.scorecard import Scorecard
from models.base.inputs import group_codes

CARD = Scorecard()
COMPONENTS = CARD.components
N_MEASURES = len(CARD.card().measures)


def _points(seed: int, n: int = 40, missing: float = 0.3) -> PointRows:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 100, (n, N_MEASURES))
    points[rng.random(points.shape) < missing] = np.nan
    return PointRows(COMPONENTS, np.arange(n), points)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.9]))
def test_the_hand_set_score_is_the_scorecards(seed: int, missing: float) -> None:
    own = _points(seed, missing=missing)
    score, _ = score_and_slopes(own, hand_set(COMPONENTS))
    assert score == pytest.approx(weigh(own.points, CARD.card()).score)


def test_slopes_are_derivatives() -> None:
    own = _points(5, n=6)
    at = hand_set(COMPONENTS) + np.random.default_rng(0).normal(0, 0.5, len(hand_set(COMPONENTS)))
    _, slopes = score_and_slopes(own, at)
    for row in range(6):
        numeric = approx_fprime(at, lambda w, row=row: score_and_slopes(own, w)[0][row], 1e-6)
        assert slopes[row] == pytest.approx(numeric, abs=1e-3)


def _outcomes(own: PointRows, measure: int, seed: int) -> np.ndarray:
    """Who has few points of one measure leaves, and nothing else matters."""
    rng = np.random.default_rng(seed)
    risk = 1 / (1 + np.exp(np.nan_to_num(own.points[:, measure], nan=50.0) / 12 - 2))
    return (rng.random(len(own.points)) < risk).astype(float)


def test_a_weight_moves_to_what_foretells_and_an_infinite_penalty_holds_it() -> None:
    own = _points(1, n=800)
    churned = _outcomes(own, measure=5, seed=2)
    free = fit_weights([own], churned, 0.0003)
    held = fit_weights([own], churned, float("inf"))
    assert held.log_weights[0] == pytest.approx(hand_set(COMPONENTS))
    card = with_weights(CARD, [own], free)
    before, after = CARD.card().measures[5], card.card().measures[5]
    assert after.weight > 1.5 * before.weight
    assert all(m.weight > 0 for c in card.components for m in c.measures)
    assert free.slope > 0


def _strength(seed: int, *, measure: int | None, accounts: int = 20) -> float:
    """Learn from 15 dates of some accounts, of which those with few points of a measure left."""
    n = 15 * accounts
    own = _points(seed, n=n)
    times = pd.Timestamp("2025-01-05") + pd.to_timedelta(28 * (np.arange(n) // accounts), unit="D")
    noise = (np.random.default_rng(100 + seed).random(n) < 0.2).astype(float)
    churned = noise if measure is None else _outcomes(own, measure, seed)
    codes = group_codes(np.arange(n) % accounts, n)
    return learn([own], churned, codes, times, embargo_days=120).strength


@pytest.mark.slow
def test_without_signal_the_hand_set_weights_mostly_stand() -> None:
    # One standard error lets noise through now and then; it must not do so as a rule.
    assert sum(np.isinf(_strength(seed, measure=None)) for seed in range(3)) >= 2
    assert np.isfinite(_strength(0, measure=5, accounts=50))


def test_totals_stay_and_nothing_but_weights_changes() -> None:
    own = _points(7)
    moved = np.random.default_rng(8).normal(0, 1, len(hand_set(COMPONENTS)))
    card = with_weights(CARD, [own], Learnt((hand_set(COMPONENTS) + moved,), 0.0, 1.0, 0.01))
    total = [sum(c.weight for c in each.components) for each in (CARD, card)]
    assert total[0] == pytest.approx(total[1], abs=0.05)
    for before, after in zip(CARD.components, card.components, strict=True):
        assert [m.corners for m in before.measures] == [m.corners for m in after.measures]
    lines = changes(CARD, card)
    assert len(lines) == len(COMPONENTS) + N_MEASURES


def test_a_profile_that_shares_the_components_shares_the_weights() -> None:
    shared = CARD.model_dump() | {"profiles": [{"name": "big", "segment": ["Enterprise"]}]}
    card = Scorecard.model_validate(shared)
    new = with_weights(
        card, [_points(1)], Learnt((hand_set(COMPONENTS)[::-1].copy(),), 0.0, 1.0, 0.1)
    )
    assert new.card("big").components == new.components
    assert len(changes(card, new)) == len(COMPONENTS) + N_MEASURES


def test_the_file_is_the_scorecard_and_scores_alike() -> None:
    own = _points(9)
    card = with_weights(CARD, [own], Learnt((hand_set(COMPONENTS) + 0.3,), 0.0, 1.0, 0.1))
    text = proposal_toml(card, ["Learnt", "", "from few"])
    assert text.startswith("# Learnt\n#\n# from few\n")
    again = Scorecard.model_validate(tomllib.loads(text)["scorecard"])
    features = pd.DataFrame(
        np.random.default_rng(0).uniform(0, 1, (5, len(CATALOGUE))), columns=list(CATALOGUE)
    )
    assert (
        score_health(features, again).score.tolist() == score_health(features, card).score.tolist()
    )
