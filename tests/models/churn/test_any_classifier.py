"""Any classifier: what goes in, reasons that sum exactly, and scikit-learn's habits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from models import AnyClassifier, ChurnModel, ModelInputError
from tests.models.conftest import Rows

FOREST = RandomForestClassifier(n_estimators=10, min_samples_leaf=20, random_state=0)


class Own(ClassifierMixin, BaseEstimator):
    """A classifier with contributions of its own, right or wrong."""

    def __init__(self, off: float = 0.0) -> None:
        self.off = off

    def fit(self, X: Any, y: Any, groups: Any) -> Own:
        self.classes_, self.n_groups_ = np.unique(y), len(set(groups))
        return self

    def decision_function(self, X: Any) -> Any:
        return X["tickets"].to_numpy() - 1.0

    def predict_proba(self, X: Any) -> Any:
        p = 1 / (1 + np.exp(-self.decision_function(X)))
        return np.column_stack([1 - p, p])

    def contributions(self, X: Any) -> pd.DataFrame:
        return pd.DataFrame({"tickets": X["tickets"] + self.off, "baseline": -1.0}, index=X.index)


@pytest.mark.parametrize(
    "estimator", [FOREST, DecisionTreeClassifier(max_depth=3), LogisticRegression()]
)
def test_reasons_sum_to_the_log_odds_and_keep_the_index(rows: Rows, estimator: Any) -> None:
    model = AnyClassifier(estimator).fit(rows.X, rows.y)
    asked = rows.X.iloc[:40]
    result = model.contributions(asked)
    np.testing.assert_allclose(result.sum(axis=1), model.decision_function(asked), atol=1e-9)
    assert list(result.columns) == [*rows.X.columns, "baseline"]
    assert result.index.equals(asked.index)
    assert result["baseline"].nunique() == 1


def test_for_an_additive_model_sampling_is_exact(rows: Rows) -> None:
    X = rows.X[["tickets", "noise"]]
    model = AnyClassifier(LogisticRegression()).fit(X, rows.y)
    slopes = model.estimator_.coef_[0]
    result = model.contributions(X.iloc[:20])
    expected = slopes[0] * (X["tickets"].iloc[:20] - X["tickets"].median())
    np.testing.assert_allclose(result["tickets"], expected, atol=1e-9)


def test_the_typical_account_has_no_reasons(rows: Rows) -> None:
    model = AnyClassifier(FOREST).fit(rows.X, rows.y)
    typical = pd.DataFrame([model.typical_])[list(rows.X.columns)]
    assert model.contributions(typical).drop(columns="baseline").abs().to_numpy().max() < 1e-12


def test_contributions_of_its_own_are_used_and_held_against_what_it_says(rows: Rows) -> None:
    X = rows.X[["tickets", "noise"]]
    model = AnyClassifier(Own()).fit(X, rows.y, groups=rows.groups)
    assert model.estimator_.n_groups_ == len(set(rows.groups))
    assert "its own" in model.reasons_by_
    assert model.contributions(X)["tickets"].equals(X["tickets"])
    wrong = AnyClassifier(Own(off=0.1)).fit(X, rows.y, groups=rows.groups)
    with pytest.raises(ModelInputError, match=r"up to 0\.1"):
        wrong.contributions(X)


def test_missing_values_and_new_texts_are_taken(rows: Rows) -> None:
    model = AnyClassifier(LogisticRegression()).fit(rows.X, rows.y)
    odd = rows.X.iloc[:3].assign(segment=["new", None, "small"], logins=np.nan)
    assert np.isfinite(model.predict_proba(odd)).all()
    never = rows.X.assign(unmeasured=np.nan)
    assert np.isfinite(AnyClassifier(FOREST).fit(never, rows.y).predict_proba(never)).all()


@pytest.mark.slow
def test_it_stands_in_a_churn_model_and_is_calibrated(rows: Rows) -> None:
    model = ChurnModel(estimator=AnyClassifier(LogisticRegression()))
    model.fit(rows.X, rows.y, groups=rows.groups, times=rows.times)
    assert model.basis_ == "model"
    assert isinstance(model.model_, AnyClassifier)
    result = model.contributions(rows.X)
    np.testing.assert_allclose(result.sum(axis=1), model.decision_function(rows.X), atol=1e-9)


@pytest.mark.slow
def test_clone_pipeline_and_cross_validation(rows: Rows) -> None:
    model = AnyClassifier(LogisticRegression(C=0.5), n_orders=2)
    assert clone(model).get_params()["estimator__C"] == 0.5
    scores = cross_validate(make_pipeline(model), rows.X, rows.y, cv=3, scoring="roc_auc")
    assert scores["test_score"].mean() > 0.7
    churn = cross_validate(
        make_pipeline(ChurnModel(estimator=model)), rows.X, rows.y, cv=3, scoring="roc_auc"
    )
    assert churn["test_score"].mean() > 0.7


def test_an_odd_number_of_orders_is_refused(rows: Rows) -> None:
    with pytest.raises(ModelInputError, match="even number"):
        AnyClassifier(LogisticRegression(), n_orders=3).fit(rows.X, rows.y)
