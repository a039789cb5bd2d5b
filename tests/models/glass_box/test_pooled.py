"""One glass box over several products: rare ones borrow, frequent ones speak for themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import GlassBoxClassifier, ModelInputError
from models.base.inputs import SharedRows
from models.glass_box.pooled import PooledGlassBox, prior_rows


@pytest.fixture(scope="module")
def offers() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    product = rng.choice(["often", "seldom", "rare"], 3000, p=[0.6, 0.38, 0.02])
    tried = rng.random(3000) < 0.2
    base = pd.Series(product).map({"often": -1.5, "seldom": -3.5, "rare": -2.5}).to_numpy()
    y = rng.random(3000) < 1 / (1 + np.exp(-(base + 2.0 * tried)))
    return pd.DataFrame({"tried": tried.astype(float), "product": product}), y.astype(int)


@pytest.fixture(scope="module")
def model(offers: tuple[pd.DataFrame, np.ndarray]) -> PooledGlassBox:
    return PooledGlassBox(estimator=GlassBoxClassifier(max_rounds=60)).fit(*offers)


def test_a_rare_product_is_drawn_towards_all_and_a_frequent_one_is_not(
    model: PooledGlassBox, offers: tuple[pd.DataFrame, np.ndarray]
) -> None:
    X, y = offers
    own = pd.Series(y).groupby(X["product"]).mean()
    moved = {name: abs(model.product_rates_[name] - own[name]) for name in own.index}
    assert moved["rare"] >= moved["often"]
    assert model.product_rates_["often"] == pytest.approx(own["often"], abs=0.01)
    assert model.product_rates_["often"] > model.product_rates_["seldom"]


def test_contributions_sum_to_the_log_odds(
    model: PooledGlassBox, offers: tuple[pd.DataFrame, np.ndarray]
) -> None:
    X = offers[0].head(50)
    total = model.contributions(X).sum(axis=1)
    np.testing.assert_allclose(total, model.decision_function(X), atol=1e-9)
    assert "product" in model.contributions(X).columns


def test_a_trial_counts_for_every_product_and_an_unknown_product_takes_the_common_rate(
    model: PooledGlassBox,
) -> None:
    X = pd.DataFrame({"tried": [0.0, 1.0, 0.0], "product": ["rare", "rare", "never seen"]})
    p = model.predict_proba(X)[:, 1]
    assert p[1] > 2 * p[0]
    assert 0 < p[2] < 1


def test_without_a_product_nothing_can_be_pooled() -> None:
    with pytest.raises(ModelInputError, match="product"):
        PooledGlassBox().fit(pd.DataFrame({"tried": [0.0, 1.0]}), [0, 1])


def test_the_prior_is_wide_where_products_differ() -> None:
    assert prior_rows([5, 50, 95], [100, 100, 100]) < prior_rows([45, 50, 55], [100, 100, 100])
    assert prior_rows([0, 0], [10, 10]) == 1e5


def test_a_feature_that_a_fold_alone_measured_is_no_fault(
    offers: tuple[pd.DataFrame, np.ndarray],
) -> None:
    X, y = offers[0].head(300), offers[1][:300]
    only_one = X.assign(seldom=np.where(np.arange(300) == 0, 1.0, np.nan))
    only_one.loc[1, "seldom"] = 2.0
    groups = np.r_[[0, 0], np.arange(298)]
    model = PooledGlassBox(estimator=GlassBoxClassifier(max_rounds=5))
    p = model.fit(only_one, y, groups=groups).predict_proba(only_one)[:, 1]
    assert np.isfinite(p).all()


def test_products_of_an_account_share_its_features(
    model: PooledGlassBox, offers: tuple[pd.DataFrame, np.ndarray]
) -> None:
    accounts = offers[0][["tried"]].head(40)
    place = np.repeat(np.arange(40), 3)
    own = pd.DataFrame({"product": ["often", "rare", "never seen"] * 40})
    rows = SharedRows(("tried", "product"), own, accounts, place)
    joined = pd.DataFrame({"tried": accounts["tried"].to_numpy()[place], **own})
    shared, plain = model.explained(rows), model.contributions(joined)
    np.testing.assert_allclose(shared.log_odds, model.decision_function(joined), atol=1e-12)
    np.testing.assert_array_equal(model.decision_function(rows), model.decision_function(joined))
    asked = np.array([5, 0, 119])
    terms = shared.terms_of(asked)
    expected = plain.iloc[asked][[*terms.names]].to_numpy()
    np.testing.assert_allclose(terms.of_rows(slice(None)), expected, atol=1e-12)
    np.testing.assert_allclose(terms.baseline, plain["baseline"].iloc[asked], atol=1e-12)
    assert set(plain.columns) - {"baseline"} <= set(terms.names) | set(
        plain.columns[plain.eq(0).all()]
    )
    with pytest.raises(ModelInputError, match="fitted"):
        model.explained(rows.named(["tried"]))
