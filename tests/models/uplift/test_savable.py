"""Savable: the Qini coefficient by hand, and claims only where later assignments bear them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from models.uplift.savable import SavableModel, qini, qini_interval

HILLSTROM = Path(__file__).parents[4] / "shared" / "data" / "hillstrom" / "hillstrom.csv.gz"


def test_qini_by_hand() -> None:
    # Two responders to the treatment first, then two accounts that nothing changes.
    outcome = [1, 0, 0, 0]
    treated = [True, False, True, False]
    # Gained per treated account after each: (1 - 0) / 2 = 0.5, 0.5, 0.5 and 0.5.
    expected = (0.25 * (0.5 * (0 + 0.5) + 0.5 + 0.5 + 0.5)) - 0.25
    assert qini(outcome, treated, [4, 3, 2, 1]) == pytest.approx(expected)
    assert qini(outcome, treated, [1, 2, 3, 4]) < 0 < expected
    # One score for all is a random order.
    assert qini(outcome, treated, [1, 1, 1, 1]) == pytest.approx(0)


def _company(seed: int, n: int, effect: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return features, who churned and who was treated; the treatment works on half of them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    X.loc[rng.random(n) < 0.1, "b"] = np.nan
    X["segment"] = rng.choice(["small", "large", None], size=n)
    treated = rng.random(n) < 0.5
    risk = 0.3 + 0.1 * np.tanh(X["c"].to_numpy())
    risk = risk - effect * treated * (X["a"].to_numpy() > 0)
    return X, (rng.random(n) < risk).astype(int), treated


@pytest.mark.slow
def test_it_finds_who_can_be_saved() -> None:
    X, churned, treated = _company(0, 4_000, effect=0.2)
    model = SavableModel().fit(X, churned, treated)
    assert model.is_on_ and model.qini_ is not None and model.qini_.low > 0
    effect = model.predict_effect(X)
    saved = X["a"].to_numpy() > 0
    assert effect[saved].mean() < -0.1 and abs(effect[~saved].mean()) < 0.08


@pytest.mark.slow
def test_raising_an_outcome_is_the_mirror_image() -> None:
    X, churned, treated = _company(0, 4_000, effect=0.2)
    model = SavableModel(lowers=False).fit(X, 1 - churned, treated)
    assert model.is_on_ and model.predict_effect(X)[X["a"] > 0].mean() > 0.1


def _claims(companies: int) -> float:
    fitted = (SavableModel().fit(*_company(n, 1_400, effect=0.0)) for n in range(companies))
    return float(np.mean([model.is_on_ for model in fitted]))


@pytest.mark.slow
def test_without_an_effect_it_claims_nothing() -> None:
    assert _claims(20) <= 0.1


@pytest.mark.slow
def test_without_an_effect_it_claims_something_in_at_most_one_of_twenty_companies() -> None:
    assert _claims(200) <= 0.05


def test_an_experiment_below_the_computed_power_is_refused() -> None:
    X, churned, treated = _company(0, 600, effect=0.3)
    model = SavableModel().fit(X, churned, treated)
    assert not model.is_on_ and model.qini_ is None
    assert "too few" in model.why_ and f"{model.needed_per_arm_:,.0f} in each arm" in model.why_
    assert np.isnan(model.predict_effect(X)).all()


@pytest.mark.parametrize("lowers", [True, False])
def test_where_all_control_accounts_had_the_same_outcome_no_number_is_asked_for(
    lowers: bool,
) -> None:
    X, churned, treated = _company(0, 200, effect=0.3)
    churned[~treated] = 0 if lowers else 1
    model = SavableModel(lowers=lowers).fit(X, churned, treated)
    assert not model.is_on_ and "had the same outcome" in model.why_ and "inf" not in model.why_


@pytest.mark.slow
def test_the_ranking_is_tested_on_later_assignments() -> None:
    X, churned, treated = _company(0, 4_000, effect=0.2)
    # In the later half, the treatment works on the others.
    late = np.arange(4_000) >= 2_000
    X.loc[late, "a"] *= -1
    assert not SavableModel().fit(X, churned, treated).is_on_
    shuffled = np.random.default_rng(1).permutation(4_000)
    X.loc[late, "a"] *= -1
    found = SavableModel().fit(X.iloc[shuffled], churned[shuffled], treated[shuffled], shuffled)
    plain = SavableModel().fit(X, churned, treated)
    assert found.qini_ is not None and plain.qini_ is not None
    assert found.qini_.value == pytest.approx(plain.qini_.value, abs=1e-6)


@pytest.mark.slow
def test_accounts_of_one_day_in_order_of_their_arm_are_split_at_random() -> None:
    X, churned, treated = _company(0, 4_000, effect=0.2)
    by_arm = np.argsort(treated, kind="stable")
    model = SavableModel().fit(X.iloc[by_arm], churned[by_arm], treated[by_arm], np.zeros(4_000))
    assert model.is_on_
    # Without times, the order of the rows is that of the assignments.
    assert (
        "cannot be tested"
        in SavableModel().fit(X.iloc[by_arm], churned[by_arm], treated[by_arm]).why_
    )


def test_the_same_data_give_the_same_model() -> None:
    X, churned, treated = _company(3, 2_000, effect=0.2)
    first = SavableModel(seed=4).fit(X, churned, treated)
    again = clone(first).fit(X, churned, treated)
    assert again.qini_ == first.qini_ and again.why_ == first.why_


@pytest.mark.slow
@pytest.mark.skipif(not HILLSTROM.exists(), reason="the shared data are not next to the project")
def test_a_randomised_mailing() -> None:
    rows = pd.read_csv(HILLSTROM)
    rows = rows[rows["treatment"].isin(["Womens E-Mail", "No E-Mail"])].reset_index(drop=True)
    X = rows.drop(columns=["treatment", "visit", "conversion", "spend"])
    mailed = (rows["treatment"] == "Womens E-Mail").to_numpy()
    model = SavableModel(lowers=False).fit(X, rows["visit"], mailed)
    assert model.is_on_
    half = np.arange(len(X)) % 2 == 0
    risk = model.models_[0].predict_proba(X)[:, 1]
    found = qini_interval(rows["visit"][half], mailed[half], risk[half])
    assert found.low < 0.003
