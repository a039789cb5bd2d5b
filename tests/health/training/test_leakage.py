"""Features that look ahead are found by making them again from what was known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from features import CATALOGUE, build_features
from health.training.leakage import known_late, notable_strength, strong_alone
from models import ChurnModel, GlassBoxClassifier
from models.churn.leakage import notable, strengths
from tests.features.company import ago, company, open_tables
from tests.health.training.sample_versions import labelled_rows

DATES = [ago(90), ago(60), ago(30)]


@pytest.mark.slow
def test_no_feature_of_ours_looks_ahead() -> None:
    tables = open_tables(company())
    trained = build_features(tables, DATES)
    assert known_late(tables, trained, DATES, CATALOGUE) == []


@pytest.mark.slow
def test_a_value_from_later_is_found_and_named() -> None:
    tables = open_tables(company())
    trained = build_features(tables, DATES)
    # As if the last week of use had been read up to four weeks after the date.
    later = build_features(tables, [ago(2)]).set_index("account_id")["usage_events_28d"]
    trained["usage_events_28d"] = trained["account_id"].map(later)
    found = known_late(tables, trained, DATES, CATALOGUE)
    assert [leak.feature for leak in found] == ["usage_events_28d"]
    assert "known only after the date" in found[0].why
    assert "of " in found[0].why


def test_a_feature_that_alone_tells_is_named_with_its_auc() -> None:
    rows = labelled_rows()
    X = rows.frame[rows.inputs].assign(cancelled=rows.frame["churned"])
    model = ChurnModel(leakage_auc=0.9).fit(X, pd.Series(rows.frame["churned"]))
    found = strong_alone({"churn": model, "upsell": None}, ["churn", "upsell"], 0.9)
    assert found[0].feature == "cancelled"
    assert "AUC of 1.000 on churn" in found[0].why


def test_a_handful_of_events_makes_no_suspects() -> None:
    rows = labelled_rows()
    first = rows.frame["account_id"].drop_duplicates().index[:9]
    churned = rows.frame.index.isin(first).astype(float)
    model = ChurnModel().fit(
        pd.DataFrame({"cancelled": churned, "noise": rows.frame["noise"]}),
        churned,
        groups=rows.frame["account_id"],
    )
    assert model.leakage_
    assert strong_alone({"churn": model}, ["churn"], 0.95) == []


@pytest.mark.slow
@pytest.mark.parametrize("reach", [0.87, 0.93])
def test_a_noisy_leak_is_named_and_stops_nothing(reach: float) -> None:
    """A column of the contract that remains, known only afterwards and with noise."""
    rng = np.random.default_rng(0)
    n = 2000
    churned = (rng.random(n) < 0.15).astype(int)
    # Two normal distributions d apart have an AUC of Φ(d / √2).
    distance = np.sqrt(2) * norm.ppf(reach)
    X = pd.DataFrame(rng.normal(size=(n, 12)), columns=[f"use_{i}" for i in range(12)])
    X["use_0"] += 0.4 * churned
    X["contract_left"] = rng.normal(size=n) - distance * churned
    model = ChurnModel(estimator=GlassBoxClassifier(outer_bags=2, max_rounds=40, interactions=0))
    model.fit(X, churned)
    assert strong_alone({"churn": model}, ["churn"], 0.95) == []
    found = notable_strength({"churn": model}, ["churn"])
    assert found[0].feature == "contract_left" and "alone reaches" in found[0].why
    assert len(found) == (2 if reach > 0.9 else 1)
    if reach > 0.9:
        assert found[1].feature.startswith("contract_left, ")


def test_many_good_features_are_not_odd() -> None:
    rng = np.random.default_rng(1)
    churned = (rng.random(1500) < 0.2).astype(int)
    X = pd.DataFrame(rng.normal(size=(1500, 12))).add(np.linspace(0.8, 1.6, 12) * churned[:, None])
    found = strengths(X.rename(columns=lambda i: f"use_{i}"), churned)
    assert found[0].auc > 0.85
    assert notable(found) == ()


@pytest.mark.parametrize("kind", ["noisy number", "text", "missing"])
@pytest.mark.parametrize("reach", [0.87, 0.91, 0.94])
def test_every_kind_of_leak_stands_out(kind: str, reach: float) -> None:
    rng = np.random.default_rng(2)
    n = 4000
    churned = (rng.random(n) < 0.15).astype(int)
    X = pd.DataFrame(rng.normal(size=(n, 12)), columns=[f"use_{i}" for i in range(12)])
    X["use_0"] += 0.4 * churned
    # A sign that is right for both outcomes with this probability has it as its AUC.
    sign = np.where(rng.random(n) < reach, churned, 1 - churned)
    leaks = {
        "noisy number": rng.normal(size=n) + np.sqrt(2) * norm.ppf(reach) * churned,
        "text": np.where(sign == 1, "closed", "open"),
        "missing": np.where(sign == 1, np.nan, rng.normal(size=n)),
    }
    X["leak"] = leaks[kind]
    found = notable(strengths(X, churned))
    assert [suspect.feature for suspect in found] == ["leak"]
    assert found[0].auc == pytest.approx(reach, abs=0.02)
