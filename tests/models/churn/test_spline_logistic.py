"""Logistic regression on linear splines, and the average of log-odds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from models import GlassBoxClassifier, ModelInputError
from models.base.explanations import by_feature
from models.churn.average import AverageClassifier
from models.churn.spline_logistic import SplineLogisticClassifier
from tests.models.conftest import Rows, simulated


def bent(seed: int = 0, n: int = 3000) -> tuple[pd.DataFrame, np.ndarray]:
    """Risk only near the end of a term, and where nothing was measured."""
    rng = np.random.default_rng(seed)
    days = rng.uniform(0, 365, n)
    X = pd.DataFrame({"days_to_term_end": days, "noise": rng.normal(size=n)})
    X.loc[rng.random(n) < 0.2, "noise"] = np.nan
    logit = np.where(days < 60, -0.5, -3.5) + 1.5 * X["noise"].isna()
    return X, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


def test_lines_bend_and_missing_values_count() -> None:
    X, y = bent()
    later, happened = bent(1)
    model = SplineLogisticClassifier(n_knots=5).fit(X, y)
    straight = LogisticRegression().fit(X.fillna(0), y)
    ours = roc_auc_score(happened, model.decision_function(later))
    theirs = roc_auc_score(happened, straight.decision_function(later.fillna(0)))
    assert ours > theirs + 0.02
    near, far, unknown = (
        model.decision_function(pd.DataFrame({"days_to_term_end": [d], "noise": [v]}))[0]
        for d, v in ((10.0, 0.0), (300.0, 0.0), (300.0, np.nan))
    )
    assert near > far + 1.5 and unknown > far + 0.8


def test_contributions_are_exact_and_named_by_feature(rows: Rows) -> None:
    model = SplineLogisticClassifier().fit(rows.X, rows.y, groups=rows.groups)
    parts = model.contributions(rows.X)
    assert list(parts.columns) == ["logins", "tickets", "noise", "seats", "segment", "baseline"]
    logit = model.decision_function(rows.X)
    np.testing.assert_allclose(parts.sum(axis=1), logit, atol=1e-9)
    again = clone(model).fit(rows.X, rows.y, groups=rows.groups)
    np.testing.assert_array_equal(logit, again.decision_function(rows.X))


def test_without_signal_the_ridge_is_strong() -> None:
    rows = simulated(80, 6, slope=0.0)
    wide = rows.X.assign(**{f"n{i}": np.random.default_rng(i).normal(size=480) for i in range(40)})
    model = SplineLogisticClassifier().fit(wide, rows.y, groups=rows.groups)
    assert model.strength_ <= 3e-3
    assert model.decision_function(wide).std() < 0.35


@pytest.mark.parametrize("value", [np.nan, 3.0])
def test_what_does_not_vary_is_refused(value: float) -> None:
    X = pd.DataFrame({"days": np.full(40, value), "other": np.arange(40.0)})
    y = np.tile([0, 1], 20)
    with pytest.raises(ModelInputError, match="no feature that varies"):
        SplineLogisticClassifier(features=["days", "absent"]).fit(X, y)
    assert list(SplineLogisticClassifier().fit(X, y).contributions(X)) == ["other", "baseline"]


def test_unseen_texts_and_values_beyond_the_range_are_finite(rows: Rows) -> None:
    model = SplineLogisticClassifier().fit(rows.X, rows.y, groups=rows.groups)
    odd = rows.X.head(3).assign(logins=[1e12, -1e12, np.nan], segment=["new", None, "small"])
    assert np.isfinite(model.decision_function(odd)).all()


def test_an_average_is_the_mean_and_its_reasons_are_exact(rows: Rows) -> None:
    members = [SplineLogisticClassifier(), GlassBoxClassifier(outer_bags=2, max_rounds=30)]
    model = AverageClassifier(members).fit(rows.X, rows.y, groups=rows.groups, times=rows.times)
    logit = model.decision_function(rows.X)
    both = [member.decision_function(rows.X) for member in model.members_]
    np.testing.assert_allclose(logit, np.mean(both, axis=0))
    parts = model.contributions(rows.X)
    np.testing.assert_allclose(parts.sum(axis=1), logit, atol=1e-9)
    assert set(by_feature(parts).columns) == {*rows.X.columns, "baseline"}
    of = AverageClassifier.of(model.members_)
    np.testing.assert_array_equal(of.decision_function(rows.X), logit)
    np.testing.assert_array_equal(
        clone(of)
        .fit(rows.X, rows.y, groups=rows.groups, times=rows.times)
        .decision_function(rows.X),
        logit,
    )
