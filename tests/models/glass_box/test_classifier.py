from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from models.base.inputs import ModelInputError, feature_frame
from models.churn.churn import ChurnModel
from models.churn.few_events import BaseRateClassifier, FewFeatureClassifier
from models.churn.hazard import HazardClassifier
from models.churn.spline_logistic import SplineLogisticClassifier
from models.glass_box.additive import purified
from models.glass_box.binning import binned, fit_bins
from models.glass_box.boosting import BoostingOptions, boost_bags
from models.glass_box.classifier import GlassBoxClassifier, account_folds

QUICK = {"outer_bags": 2, "max_rounds": 60}
QUICKEST = {"outer_bags": 2, "max_rounds": 5, "interactions": 0, "learning_rate": 0.5}
# scikit-learn's checks that do not apply, with the reason.
EXEMPTED = {
    "check_classifiers_one_label": "an outcome that never varied is published as not known",
    "check_supervised_y_no_nan": "a label that is not known yet is left out, not refused",
}


@pytest.fixture(scope="module")
def fitted(rows: Any) -> GlassBoxClassifier:
    return GlassBoxClassifier().fit(rows.X, rows.y, groups=rows.groups)


@pytest.mark.parametrize(
    ("estimator", "exempted"),
    [
        (GlassBoxClassifier(**QUICKEST), {}),
        (FewFeatureClassifier(), {}),
        (BaseRateClassifier(), {}),
        (SplineLogisticClassifier(), {}),
        (HazardClassifier(), {}),
        pytest.param(
            ChurnModel(estimator=GlassBoxClassifier(**QUICKEST)), EXEMPTED, marks=pytest.mark.slow
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.quick_cases(1)
def test_scikit_learns_own_checks(estimator: Any, exempted: dict[str, str]) -> None:
    with warnings.catch_warnings():
        # scikit-learn 1.9 casts NaN to int in a check of its own.
        warnings.filterwarnings("ignore", "invalid value encountered in cast", RuntimeWarning)
        results = check_estimator(estimator, on_skip=None, expected_failed_checks=exempted)
    assert {r["check_name"] for r in results if r["status"] == "xfail"} == set(exempted)


def test_contributions_sum_to_the_log_odds(fitted: GlassBoxClassifier, rows: Any) -> None:
    parts = fitted.contributions(rows.X)
    assert parts.index.equals(rows.X.index)
    assert list(parts.columns) == [*rows.X.columns, "baseline"]
    np.testing.assert_allclose(
        parts.sum(axis=1), fitted.decision_function(rows.X), rtol=0, atol=1e-9
    )


def crossed(rows: Any) -> np.ndarray:
    """An outcome that two features tell together only."""
    return ((rows.X["noise"] > 0) != (rows.X["seats"] > 0.7)).to_numpy().astype(int)


def test_contributions_with_pairs_sum_too(rows: Any) -> None:
    y = crossed(rows)
    model = GlassBoxClassifier(interactions=2, outer_bags=2, max_rounds=60, learning_rate=0.2)
    parts = model.fit(rows.X, y).contributions(rows.X)
    assert parts.columns[5] == "noise & seats"
    assert model.score(rows.X, y) > 0.9
    # What a feature tells alone is its own: the pair adds nothing on average.
    assert abs(parts["noise & seats"].mean()) < 1e-9
    np.testing.assert_allclose(parts.sum(axis=1), model.decision_function(rows.X), atol=1e-9)


def test_tables_are_what_the_boosters_say(rows: Any) -> None:
    frame = feature_frame(rows.X)
    bins = fit_bins(frame, 32)
    codes, y = binned(frame, bins), crossed(rows)
    folds = account_folds(y, rows.groups, n_folds=2, seed=0)
    options = BoostingOptions(0.2, 40, 8, 20, 1.0, 0.5, seed=0, n_jobs=1)
    boosted = boost_bags(codes, y, folds, bins, pairs=[(2, 3), (0, 4)], options=options)
    tables = boosted.tables()
    numbers = codes.astype("float64")
    for place, feature in enumerate(bins):
        numbers[codes[:, place] == feature.size, place] = np.nan
    last = [list(m.staged_decision_function(numbers[:, boosted.columns])) for m in boosted.models]
    said = np.mean([stages[boosted.rounds - 1].ravel() for stages in last], axis=0)
    np.testing.assert_allclose(tables.decision(codes), said, atol=1e-9)
    np.testing.assert_allclose(purified(tables, codes).decision(codes), said, atol=1e-9)


def test_it_finds_what_matters(fitted: GlassBoxClassifier, rows: Any) -> None:
    strength = fitted.contributions(rows.X).drop(columns="baseline").abs().mean()
    assert list(strength.sort_values(ascending=False).index[:2]) == ["logins", "tickets"]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=100, unique=True),
    st.lists(st.floats(allow_infinity=False), min_size=1, max_size=30),
    st.integers(2, 64),
)
def test_a_number_is_in_the_bin_whose_edges_surround_it(
    learnt: list[float], asked: list[float], max_bins: int
) -> None:
    (feature,) = fit_bins(pd.DataFrame({"x": np.array([*learnt, 0.0])}), max_bins)
    assert feature.edges is not None
    values = np.array([*asked, *feature.edges])
    expected = np.searchsorted(feature.edges, values, side="right")
    expected[np.isnan(values)] = feature.size
    assert feature.codes(pd.Series(values)).tolist() == expected.tolist()


@given(st.lists(st.sampled_from([math.nan, -math.inf, -0.0, 0.0, 1.0, 2.5, math.inf])))
def test_values_that_follow_one_another_are_placed_like_others(values: list[float]) -> None:
    (feature,) = fit_bins(pd.DataFrame({"x": [0.0, 1.0, 2.5, 4.0]}), 8)
    expected = [
        feature.size if math.isnan(value) else sum(value >= edge for edge in feature.edges)
        for value in values
    ]
    assert feature.codes(pd.Series(values, dtype=float)).tolist() == expected


def test_features_whose_tables_are_zero_need_no_bins(rows: Any) -> None:
    frame = rows.X.assign(constant=1.0, noise=np.arange(len(rows.X)) % 7 * 1.0)
    model = GlassBoxClassifier(**QUICKEST).fit(frame, rows.y, groups=rows.groups)
    tables, inputs = model.tables_, feature_frame(frame)
    assert 0 < len(tables.used_features) < len(model.bins_)
    whole, part = (binned(inputs, model.bins_, only) for only in (None, tables.used_features))
    np.testing.assert_array_equal(tables.terms(part), tables.terms(whole))
    np.testing.assert_array_equal(tables.decision(part), tables.decision(whole))


def test_probabilities_belong_to_the_log_odds(fitted: GlassBoxClassifier, rows: Any) -> None:
    p = fitted.predict_proba(rows.X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(np.log(p[:, 1] / p[:, 0]), fitted.decision_function(rows.X))
    assert ((p[:, 1] > 0.5) == fitted.predict(rows.X)).all()


def test_same_seed_same_model_whatever_the_threads(rows: Any) -> None:
    one, two = (
        GlassBoxClassifier(n_jobs=n, **QUICK).fit(rows.X, rows.y, groups=rows.groups)
        for n in (1, 2)
    )
    np.testing.assert_array_equal(one.decision_function(rows.X), two.decision_function(rows.X))
    other = clone(one).set_params(seed=1).fit(rows.X, rows.y, groups=rows.groups)
    assert (one.decision_function(rows.X) != other.decision_function(rows.X)).any()


def test_a_frame_and_its_reordered_copy_are_told_apart(fitted: Any, rows: Any) -> None:
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict_proba(rows.X[rows.X.columns[::-1]])


def test_unmeasured_and_unseen_values_are_scored(fitted: Any, rows: Any) -> None:
    strange = rows.X.head(3).assign(segment="never seen", logins=np.nan, seats=1e9)
    assert np.isfinite(fitted.decision_function(strange)).all()


def test_a_feature_never_measured_adds_nothing(rows: Any) -> None:
    X = rows.X.assign(nothing=np.nan)
    parts = GlassBoxClassifier(**QUICK).fit(X, rows.y).contributions(X)
    assert (parts["nothing"] == 0).all()


def test_categories_and_nullable_columns_are_the_same_as_text_and_floats(rows: Any) -> None:
    typed = rows.X.assign(
        segment=rows.X["segment"].astype("category"), logins=rows.X["logins"].astype("Float64")
    )
    plain = GlassBoxClassifier(**QUICK).fit(rows.X, rows.y)
    np.testing.assert_array_equal(
        plain.decision_function(rows.X),
        GlassBoxClassifier(**QUICK).fit(typed, rows.y).decision_function(typed),
    )


def test_a_direction_holds(rows: Any) -> None:
    model = GlassBoxClassifier(monotone={"noise": 1}, **QUICK).fit(rows.X, rows.y)
    grid = pd.concat([rows.X.head(1)] * 50).assign(noise=np.linspace(-3, 3, 50))
    assert (np.diff(model.decision_function(grid)) >= -1e-12).all()
    with pytest.raises(ModelInputError, match="unknown features: nose"):
        GlassBoxClassifier(monotone={"nose": 1}).fit(rows.X, rows.y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X.assign(seats=np.inf), y), "infinite values in seats"),
        (lambda X, y: (X, y * 0), "one class"),
        (lambda X, y: (X, np.arange(len(y)) % 3), "has 3 classes"),
        (lambda X, y: (X.head(0), y[:0]), "0 sample"),
    ],
)
def test_bad_input_is_named(rows: Any, change: Any, message: str) -> None:
    X, y = change(rows.X, rows.y)
    with pytest.raises(ModelInputError, match=message):
        GlassBoxClassifier().fit(X, y)


def test_a_row_without_account_is_refused(rows: Any) -> None:
    groups = np.where(rows.groups == 3, None, rows.groups.astype(object))
    with pytest.raises(ModelInputError, match="14 rows have no group"):
        GlassBoxClassifier().fit(rows.X, rows.y, groups=groups)


def test_in_a_pipeline_and_pickled(rows: Any) -> None:
    pipeline = make_pipeline(FunctionTransformer(), GlassBoxClassifier(**QUICK))
    assert cross_val_score(pipeline, rows.X, rows.y, cv=2, scoring="roc_auc").min() > 0.75
    model = GlassBoxClassifier(**QUICK).fit(rows.X, rows.y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.decision_function(rows.X), again.decision_function(rows.X))


def test_folds_keep_accounts_whole_and_spread_the_events() -> None:
    codes = np.repeat(np.arange(40), 5)
    target = (codes % 4 == 0).astype(np.int64)
    folds = account_folds(target, codes, n_folds=5, seed=0)
    for fold in range(5):
        held = folds == fold
        assert set(codes[held]).isdisjoint(codes[~held])
        assert held.sum() == 40
        assert target[held].sum() == 10


def test_a_feature_known_to_one_account_alone_does_no_harm() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    frame = pd.DataFrame({"use": rng.normal(size=240), "rare": np.nan})
    frame.loc[:3, "rare"] = [1.0, 2.0, 3.0, 4.0]
    target = (rng.random(240) < 1 / (1 + np.exp(frame["use"]))).astype(int)
    model = GlassBoxClassifier().fit(frame, target, groups=groups)
    assert np.isfinite(model.decision_function(frame)).all()
