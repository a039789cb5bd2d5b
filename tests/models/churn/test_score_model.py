"""A model of an overall score alone, and the choice between it and a few features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models import ChurnModel, GlassBoxClassifier
from models.base.inputs import ModelInputError
from models.churn.candidates import FEW, SCORE
from models.churn.score_model import POINTS, WEIGHT, ScoreClassifier, score_columns
from tests.models.conftest import Rows

MEASURES = ("use", "calls", "answers")
N_ACCOUNTS, N_DATES = 160, 14


def scored(seed: int = 0, *, by_score: float = 0.1, by_feature: float = 0.0) -> Rows:
    """Accounts with a score of three measures, two of them at times without data."""
    rng = np.random.default_rng(seed)
    n = N_ACCOUNTS * N_DATES
    groups = np.tile(np.arange(N_ACCOUNTS), N_DATES)
    usual = rng.normal(0.0, 12.0, N_ACCOUNTS)[groups]
    earned = np.clip(60 + usual[:, None] + rng.normal(0.0, 15.0, (n, 3)), 0, 100)
    weights = np.array([0.5, 0.3, 0.2]) * np.column_stack([np.ones(n), rng.random((n, 2)) > 0.3])
    weights /= weights.sum(axis=1, keepdims=True)
    X = pd.DataFrame(
        np.hstack([weights * earned, weights]), columns=score_columns(MEASURES)
    ).assign(logins=rng.normal(size=n), noise=rng.normal(size=n))
    score = (weights * earned).sum(axis=1)
    X.loc[rng.random(n) < 0.05, score_columns(MEASURES)] = np.nan
    chance = expit(-3.4 - by_score * (score - 60) - by_feature * X["logins"].to_numpy())
    # Few accounts have the event at all: all others' draws are taken back.
    y = (rng.random(n) < chance).astype(int) * (groups % 4 == 0)
    times = pd.date_range("2023-01-01", periods=N_DATES, freq="28D").repeat(N_ACCOUNTS)
    return Rows(X, y, groups, times)


def score_of(rows: Rows) -> pd.Series:
    return rows.X[[POINTS + name for name in MEASURES]].sum(axis=1, min_count=1)


def test_the_risk_falls_with_the_score_and_its_reasons_are_the_score_s() -> None:
    rows = scored()
    model = ScoreClassifier(MEASURES).fit(rows.X, rows.y)
    score = score_of(rows)
    assert model.slope_ < 0 and model.mean_ == pytest.approx(score.mean())
    parts = model.contributions(rows.X)
    assert list(parts.columns) == [*MEASURES, "baseline"]
    logit = model.decision_function(rows.X)
    assert np.allclose(parts.sum(axis=1), logit, rtol=0, atol=1e-12)
    result = score.notna()
    assert logit[result] == pytest.approx(
        (model.intercept_ + model.slope_ * (score - model.mean_))[result].to_numpy()
    )
    # Without a score nothing is known but the mean; without data a measure says nothing.
    assert (parts.loc[~result, list(MEASURES)] == 0).all(axis=None)
    empty = result & (rows.X[f"{WEIGHT}calls"] == 0)
    assert empty.any() and (parts.loc[empty, "calls"] == 0).all()


def test_a_score_that_points_the_wrong_way_tells_nothing() -> None:
    rows = scored(by_score=-0.1)
    model = ScoreClassifier(MEASURES).fit(rows.X, rows.y)
    assert model.slope_ == 0
    assert model.predict_proba(rows.X)[:, 1] == pytest.approx(rows.y.mean())


def test_a_score_that_is_missing_or_always_the_same_is_refused() -> None:
    rows = scored()
    with pytest.raises(ModelInputError, match="score weight of use"):
        ScoreClassifier(MEASURES).fit(rows.X.drop(columns=f"{WEIGHT}use"), rows.y)
    with pytest.raises(ModelInputError, match="the same of every row"):
        ScoreClassifier(MEASURES).fit(rows.X * 0 + 0.3, rows.y)


def churn(rows: Rows, **options: object) -> ChurnModel:
    model = ChurnModel(60, **options)  # type: ignore[arg-type]
    return model.fit(rows.X, rows.y, groups=rows.groups, times=rows.times)


@pytest.mark.parametrize("asked", ["auto", SCORE, FEW])
@pytest.mark.slow
def test_churn_says_which_small_model_it_took(asked: str) -> None:
    rows = scored(by_feature=0.8)
    model = churn(rows, small_model=asked)
    assert 10 <= model.event_accounts_ < 50 and model.has_signal_
    choice = model.choice_
    assert choice is not None and model.basis_ == choice.chosen
    assert asked in ("auto", model.basis_)
    assert choice.why in model.reasons_[1]
    sums = model.contributions(rows.X).sum(axis=1)
    assert np.allclose(sums, model.decision_function(rows.X), rtol=0, atol=1e-9)


@pytest.mark.slow
def test_what_foretells_other_accounts_later_is_chosen() -> None:
    first = churn(scored(by_score=0.1)).choice_
    second = churn(scored(by_score=0.0, by_feature=2.0)).choice_
    assert first is not None and second is not None
    assert (first.chosen, second.chosen) == (SCORE, FEW)
    assert first.log_loss[SCORE] < first.log_loss[FEW]
    assert second.log_loss[FEW] < second.log_loss[SCORE]


def test_too_few_events_to_compare_on_leave_the_base_rate() -> None:
    rows = scored()
    early = np.isin(rows.times, rows.times.unique()[:4])
    model = churn(replace(rows, y=rows.y * early))
    assert model.event_accounts_ >= 10 and model.basis_ == "base rate"
    assert model.choice_ is not None and "too few to compare" in model.choice_.why


@pytest.mark.slow
def test_where_one_cannot_be_fitted_the_other_is_taken() -> None:
    rows = scored(by_feature=1.5)
    nothing = rows.X.assign(**dict.fromkeys(score_columns(MEASURES), np.nan))
    found = churn(replace(rows, X=nothing)).choice_
    assert found is not None and set(found.log_loss) == {"base rate", FEW}
    found = churn(rows, few_features=["absent"]).choice_
    assert found is not None and set(found.log_loss) == {"base rate", SCORE}


@pytest.mark.slow
def test_no_other_model_sees_the_score() -> None:
    rows = scored(by_feature=1.5)
    few = churn(rows, small_model=FEW)
    assert not {*few.model_.features_} & {*score_columns(MEASURES)}
    rng = np.random.default_rng(0)
    many = replace(rows, y=(rng.random(len(rows.y)) < 0.05).astype(int))
    full = churn(many, estimator=GlassBoxClassifier(outer_bags=2, max_rounds=40, interactions=0))
    assert full.event_accounts_ >= 50 and full.basis_ == "base rate"


def test_a_small_model_is_asked_for_by_name() -> None:
    with pytest.raises(ModelInputError, match="no small model is called 'tree'"):
        churn(scored(), small_model="tree")
