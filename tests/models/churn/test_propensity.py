from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from models import ChurnModel, ExpansionModel, GlassBoxClassifier, ModelInputError

QUICK = GlassBoxClassifier(outer_bags=2, max_rounds=60, interactions=0)


def fit(rows: Any, y: Any, **options: Any) -> ChurnModel:
    model = ChurnModel(horizon_days=60, peer_column="segment", estimator=QUICK, **options)
    return model.fit(rows.X, y, groups=rows.groups, times=rows.times)


def rare(rows: Any, n_accounts: int) -> np.ndarray:
    """Events of a few accounts only."""
    chosen = np.unique(rows.groups[rows.y == 1])[:n_accounts]
    return rows.y * np.isin(rows.groups, chosen)


def exact(model: ChurnModel, X: Any) -> bool:
    parts, log_odds = model.contributions(X), model.decision_function(X)
    explained, rows = model.explained(X), np.arange(len(X))[::-2]
    terms = explained.terms_of(rows)
    strongest = parts[[*terms.names]].iloc[rows]
    np.testing.assert_allclose(explained.log_odds, log_odds, atol=1e-9)
    np.testing.assert_allclose(terms.of_rows(slice(None)), strongest, atol=1e-9)
    np.testing.assert_allclose(terms.baseline, parts["baseline"].iloc[rows], atol=1e-9)
    sums = terms.of_rows(slice(None)).sum(axis=1) + terms.baseline
    np.testing.assert_allclose(sums, log_odds[rows], atol=1e-9)
    return np.allclose(parts.sum(axis=1, skipna=False), log_odds, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_with_signal_a_model_is_published(rows: Any) -> None:
    model = fit(rows, rows.y, few_features=("noise",))
    assert model.basis_ == "model"
    assert model.has_signal_
    assert model.evaluation_ is not None
    assert model.evaluation_.auc.value > 0.75
    assert model.evaluation_.calibration_error.value < 0.05
    assert model.evaluation_.rows < len(rows.y)
    assert model.event_accounts_ == len(np.unique(rows.groups[rows.y == 1]))
    assert "accounts churned" in model.reasons_[0]
    assert exact(model, rows.X)


@pytest.mark.slow
def test_few_events_give_a_small_model(rows: Any) -> None:
    model = fit(rows, rare(rows, 30))
    assert model.basis_ in ("few-feature model", "base rate")
    assert "30 of 150 accounts churned" in model.reasons_[0]
    assert "small model" in model.reasons_[0]
    assert exact(model, rows.X)


@pytest.mark.parametrize("n_accounts", [0, 9])
def test_under_ten_events_nothing_is_published(rows: Any, n_accounts: int) -> None:
    model = fit(rows, rare(rows, n_accounts))
    assert model.basis_ == "none"
    assert np.isnan(model.predict_proba(rows.X)).all()
    assert f"{n_accounts} of 150 accounts" in model.reasons_[0]
    assert "no probability" in model.reasons_[0]


def test_no_known_label_publishes_nothing(rows: Any) -> None:
    model = fit(rows, np.full(len(rows.y), np.nan))
    assert (model.basis_, model.rows_) == ("none", 0)
    assert np.isnan(model.predict_proba(rows.X)).all()


def test_accounts_that_left_are_no_use_before_the_horizon_has_passed(rows: Any) -> None:
    followed = {"durations": np.full(len(rows.y), 20.0), "events": rows.y}
    model = ChurnModel(90, grace_days=30).fit(
        rows.X, np.full(len(rows.y), np.nan), groups=rows.groups, times=rows.times, **followed
    )
    assert model.basis_ == "none"
    assert "no date is 120 days old, when its outcomes are known" in model.reasons_[0]
    assert "at least" not in model.reasons_[0]


@pytest.mark.slow
def test_without_signal_the_peers_base_rate_is_published(rows: Any) -> None:
    y = np.random.default_rng(5).permutation(rows.y)
    model = fit(rows, y)
    assert (model.basis_, model.has_signal_) == ("base rate", False)
    assert "does not rule out chance" in model.reasons_[-1]
    parts = model.contributions(rows.X)
    assert (parts.drop(columns="baseline") == 0).all(axis=None)
    assert model.predict_proba(rows.X)[:, 1].mean() == pytest.approx(y.mean(), abs=0.01)
    assert len(np.unique(model.predict_proba(rows.X)[:, 1])) == 4
    assert exact(model, rows.X)


@pytest.mark.slow
def test_unknown_labels_are_left_out(rows: Any) -> None:
    late = rows.times > rows.times[-1] - np.timedelta64(100, "D")
    y = np.where(late, np.nan, rows.y)
    model = fit(rows, y)
    assert model.rows_ == (~late).sum()
    boolean = [None if gone else bool(value) for gone, value in zip(late, rows.y, strict=True)]
    again = fit(rows, np.array(boolean, dtype=object))
    np.testing.assert_array_equal(model.decision_function(rows.X), again.decision_function(rows.X))


@pytest.mark.slow
def test_a_short_history_is_said(rows: Any) -> None:
    early = rows.times < rows.times[0] + np.timedelta64(80, "D")
    model = ChurnModel(estimator=QUICK).fit(
        rows.X[early], rows.y[early], groups=rows.groups[early], times=rows.times[early]
    )
    assert "on rows of held-out accounts" in model.reasons_[1]
    assert "accounts left out, not on later dates" in model.reasons_[2]


@pytest.mark.slow
def test_the_same_seed_the_same_everything(rows: Any) -> None:
    one, two = fit(rows, rows.y), fit(rows, rows.y)
    assert one.evaluation_ == two.evaluation_
    np.testing.assert_array_equal(one.decision_function(rows.X), two.decision_function(rows.X))


@pytest.mark.slow
def test_leaks_are_reported(rows: Any) -> None:
    X = rows.X.assign(ended=rows.y + 0.0)
    model = ChurnModel(estimator=QUICK).fit(X, rows.y, groups=rows.groups, times=rows.times)
    assert [suspect.feature for suspect in model.leakage_] == ["ended"]


@pytest.mark.slow
def test_clone_pipeline_and_cross_validation(rows: Any) -> None:
    model = clone(ChurnModel(horizon_days=60, seed=7, estimator=QUICK))
    assert model.get_params()["horizon_days"] == 60
    pipeline = Pipeline([("as is", FunctionTransformer()), ("churn", model)])
    pipeline.fit(rows.X, rows.y, churn__groups=rows.groups, churn__times=rows.times)
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(pipeline.predict_proba(rows.X), again.predict_proba(rows.X))
    p = cross_val_predict(
        model, rows.X, rows.y, cv=2, method="predict_proba", params={"groups": rows.groups}
    )
    assert p.shape == (len(rows.y), 2)


@pytest.mark.slow
def test_expansion_uses_its_own_words(rows: Any) -> None:
    model = ExpansionModel(estimator=QUICK).fit(rows.X, rows.y, groups=rows.groups)
    assert "accounts bought" in model.reasons_[0]


def test_lengths_must_agree(rows: Any) -> None:
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ChurnModel().fit(rows.X, rows.y, groups=rows.groups[:-1])
    with pytest.raises(ModelInputError, match="no feature 'region'"):
        ChurnModel(peer_column="region").fit(rows.X, rare(rows, 3))
