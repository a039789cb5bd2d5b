from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from models.base.inputs import ModelInputError
from models.churn.few_events import (
    BaseRateClassifier,
    FewFeatureClassifier,
    model_kind,
    single_auc,
)


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        (0, "none"),
        (9, "none"),
        (10, "few-feature model"),
        (49, "few-feature model"),
        (50, "model"),
    ],
)
def test_the_ladder(events: int, kind: str) -> None:
    assert model_kind(events) == kind


def test_contributions_sum_and_unmeasured_says_nothing(rows: Any) -> None:
    model = FewFeatureClassifier().fit(rows.X, rows.y, groups=rows.groups)
    parts = model.contributions(rows.X)
    np.testing.assert_allclose(
        parts.sum(axis=1), model.decision_function(rows.X), rtol=0, atol=1e-9
    )
    assert set(parts.columns) == {*model.features_, "baseline"}
    assert (parts["logins"][rows.X["logins"].isna()] == 0).all()


def test_events_pay_for_features(rows: Any) -> None:
    few = np.flatnonzero(rows.y == 1)[:25]
    kept = np.sort(np.concatenate([few, np.flatnonzero(rows.y == 0)]))
    model = FewFeatureClassifier().fit(rows.X.iloc[kept], rows.y[kept])
    assert len(model.features_) == 2
    assert model.features_[0] == "logins"


def test_given_features_are_used_in_order(rows: Any) -> None:
    model = FewFeatureClassifier(features=["absent", "seats", "tickets"], most_features=1)
    assert model.fit(rows.X, rows.y).features_ == ["seats"]
    with pytest.raises(ModelInputError, match="no numeric feature that varies"):
        FewFeatureClassifier(features=["absent"]).fit(rows.X, rows.y)


def test_the_base_rate_is_shrunk_to_that_of_all() -> None:
    X = pd.DataFrame({"segment": ["a"] * 900 + ["b"] * 100})
    y = np.r_[np.ones(90), np.zeros(810), np.ones(50), np.zeros(50)]
    model = BaseRateClassifier(peer_column="segment").fit(X, y)
    a, b, unseen, unknown = model.predict_proba(pd.DataFrame({"segment": ["a", "b", "c", None]}))[
        :, 1
    ]
    rate = 140.5 / 1001
    assert a == pytest.approx((90 + 200 * rate) / 1100)
    assert b == pytest.approx((50 + 200 * rate) / 300)
    assert unseen == unknown == pytest.approx(rate)


def test_the_base_rate_has_no_reasons(rows: Any) -> None:
    model = BaseRateClassifier(peer_column="segment").fit(rows.X, rows.y)
    parts = model.contributions(rows.X)
    assert (parts.drop(columns="baseline") == 0).all(axis=None)
    np.testing.assert_allclose(parts.sum(axis=1), model.decision_function(rows.X), atol=1e-12)


def test_an_unpublished_rate_is_missing(rows: Any) -> None:
    model = BaseRateClassifier(publish=False).fit(rows.X, rows.y * 0)
    assert np.isnan(model.predict_proba(rows.X)).all()
    assert (model.predict(rows.X) == 0).all()


def test_a_missing_peer_column_is_named(rows: Any) -> None:
    with pytest.raises(ModelInputError, match="no feature 'region'"):
        BaseRateClassifier(peer_column="region").fit(rows.X, rows.y)


def test_single_auc_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 300).astype(float), rng.integers(0, 2, 300)
    assert single_auc(x, y) == pytest.approx(roc_auc_score(y, x))
    x[:100] = np.nan
    assert single_auc(x, y) == pytest.approx(roc_auc_score(y[100:], x[100:]))
    assert single_auc(x, y * 0) == 0.5
