"""The choice among candidates, and the silence where none is better than chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from models import AnyClassifier, ChurnModel, GlassBoxClassifier
from models.churn.candidates import ORDER
from tests.benchmarks.silence import KEYS, company

QUICK = GlassBoxClassifier(outer_bags=2, max_rounds=40, interactions=0)


def by_renewal(seed: int, accounts: int = 240) -> pd.DataFrame:
    """Accounts that only ever leave at the end of a yearly term, and many features of noise."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 365, accounts)
    noise = rng.normal(size=(accounts, 15))
    gone = np.zeros(accounts, dtype=bool)
    parts = []
    for day in range(0, 700, 28):
        left = 365 - (day - start) % 365
        frame = pd.DataFrame(noise + rng.normal(size=noise.shape))
        frame.columns = [f"signal_{i}" for i in range(15)]
        frame["days_to_term_end"] = left
        leaves = ~gone & (left <= 90) & (rng.random(accounts) < 0.12)
        frame["account"], frame["churned"] = np.arange(accounts), leaves.astype(int)
        frame["as_of"] = pd.Timestamp("2024-01-07") + pd.Timedelta(day, "D")
        parts.append(frame[~gone])
        gone |= leaves & (left <= 28)
    return pd.concat(parts, ignore_index=True)


def fitted(rows: pd.DataFrame, **options: object) -> ChurnModel:
    given: dict[str, object] = {"estimator": QUICK, **options}
    model = ChurnModel(**given)  # type: ignore[arg-type]
    followed = (
        {"durations": rows["observed_days"], "events": rows["left"]} if "left" in rows else {}
    )
    return model.fit(
        features_of(rows),
        rows["churned"],
        groups=rows["account"],
        times=rows["as_of"],
        **followed,
    )


def features_of(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=list(KEYS), errors="ignore")


@pytest.mark.slow
def test_renewal_timing_is_published_where_it_is_all_there_is() -> None:
    rows = by_renewal(3)
    model = fitted(rows)
    assert model.event_accounts_ >= 50
    assert model.basis_ == "renewal timing" and model.has_signal_
    choice = model.choice_
    assert choice is not None
    assert [each.name for each in choice.candidates] == [n for n in ORDER if n in choice.log_loss]
    assert {"base rate", "logistic regression", "glass box", "average"} <= set(choice.log_loss)
    assert choice.log_loss["renewal timing"] < choice.log_loss["base rate"]
    X = features_of(rows)
    parts = model.contributions(X)
    np.testing.assert_allclose(parts.sum(axis=1), model.decision_function(X), atol=1e-9)
    assert list(parts.columns) == ["days_to_term_end", "baseline"]


@pytest.mark.slow
def test_shuffled_outcomes_are_refused() -> None:
    rows = by_renewal(3)
    rows["churned"] = np.random.default_rng(0).permutation(rows["churned"])
    model = fitted(rows)
    assert model.basis_ == "base rate" and not model.has_signal_
    assert model.choice_ is not None and model.choice_.chosen == "base rate"
    assert "no candidate is better than chance" in " ".join(model.reasons_)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2000, 2001, 2002])
def test_a_company_without_signal_gets_its_base_rate(seed: int) -> None:
    rows = company(seed, most_churned=45)
    model = fitted(rows, peer_column="segment")
    assert model.basis_ in ("base rate", "none")


@pytest.mark.slow
def test_a_custom_estimator_is_a_candidate_and_wins_ties() -> None:
    rows = by_renewal(4)
    forest = RandomForestClassifier(n_estimators=40, min_samples_leaf=40, random_state=0)
    model = fitted(rows, estimator=AnyClassifier(forest))
    choice = model.choice_
    assert choice is not None
    assert {"custom estimator", "renewal timing", "logistic regression"} <= set(choice.log_loss)
    assert not {"glass box", "average"} & set(choice.log_loss)
    tried = {each.name: each for each in choice.candidates}
    custom = tried["custom estimator"]
    close = custom.has_signal and custom.more_than_best <= custom.standard_error
    assert (choice.chosen == "custom estimator") == close


@pytest.mark.slow
def test_what_drifts_with_the_calendar_is_named_and_not_used() -> None:
    rows = by_renewal(3)
    day = (rows["as_of"] - rows["as_of"].min()).dt.days
    rows["tenure_days"] = day + 40 * np.random.default_rng(0).normal(size=len(rows))
    rows["recorded_later"] = np.where(day > 350, 1.0, np.nan)
    # This one has a stable form, which is used; the other's level lasts, so its form is not.
    calm = np.random.default_rng(1).normal(size=(2, len(rows)))
    rows["tenure_first_year_days"], rows["milestones_90d"] = calm
    rows["days_since_milestone"] = np.random.default_rng(2).normal(size=len(rows))
    # A direction of a feature that is not used keeps no candidate out.
    directed = clone(QUICK).set_params(monotone={"tenure_days": -1, "milestones_90d": 1})
    model = fitted(rows, estimator=directed)
    assert {suspect.feature for suspect in model.drifting_} == {"tenure_days", "recorded_later"}
    X = features_of(rows)
    plain = fitted(rows.drop(columns=["tenure_days", "recorded_later", "milestones_90d"]))
    assert model.choice_ is not None and plain.choice_ is not None
    assert model.choice_.log_loss == plain.choice_.log_loss
    assert "glass box" in model.choice_.log_loss
    moved = X.assign(tenure_days=0.0, milestones_90d=0.0)
    np.testing.assert_array_equal(model.decision_function(X), model.decision_function(moved))


@pytest.mark.slow
def test_candidates_that_cannot_be_fitted_on_a_part_of_the_rows_are_named_with_the_reason() -> None:
    rows = by_renewal(3, accounts=120)
    # The only feature that varies is recorded since a late day.
    day = (rows["as_of"] - rows["as_of"].min()).dt.days
    rows["days_to_term_end"] = rows["days_to_term_end"].where(day > 400)
    rows = rows.drop(columns=[f"signal_{i}" for i in range(1, 15)]).assign(signal_0=1.0)
    choice = fitted(rows).choice_
    assert choice is not None
    assert list(choice.log_loss) == ["base rate", "glass box"]
    left_out = {one.name: one for one in choice.not_fitted}
    assert set(choice.log_loss) | set(left_out) >= {*ORDER} - {
        *("custom estimator", "scorecard", "weekly hazard")
    }
    logistic = left_out["logistic regression"]
    assert 0 < logistic.parts <= logistic.of_parts
    assert logistic.why == "no feature that varies"
