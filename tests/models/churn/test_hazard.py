"""The hazard over weeks: known hazards recovered, exact sums, any horizon, partly known rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from models import ChurnModel, ModelInputError
from models.base.explanations import by_feature
from models.churn.hazard import HazardClassifier, week_kinds
from models.churn.later_dates import FollowedRows, LabelledRows
from tests.examples import examples

HORIZON, GRACE = 90, 30
ORDINARY, RENEWAL = 0.004, 0.15


@dataclass(frozen=True)
class Followed:
    X: pd.DataFrame
    durations: np.ndarray
    left: np.ndarray
    accounts: np.ndarray
    times: pd.DatetimeIndex

    def observed(self, days: float) -> tuple[np.ndarray, np.ndarray]:
        """Durations and events as they were seen some days after each row's date."""
        return np.minimum(self.durations, days), self.left & (self.durations < days)


def company(seed: int = 0, accounts: int = 1500, dates: int = 3, effect: float = 0.8) -> Followed:
    """Accounts with a yearly term, a monthly one or none, that leave by known weekly hazards."""
    rng = np.random.default_rng(seed)
    n = accounts * dates
    term = np.tile(rng.choice([12.0, 1.0, np.nan], accounts, p=[0.7, 0.2, 0.1]), dates)
    length = term * 365.25 / 12
    X = pd.DataFrame(
        {
            "days_to_term_end": np.floor(rng.uniform(0, 1, n) * length),
            "contract_months": term,
            "usage": rng.normal(size=n),
            "noise": rng.normal(size=n),
        }
    )
    factor = np.exp(-effect * X["usage"].to_numpy())
    durations, left = np.full(n, 400.0), np.zeros(n, dtype=bool)
    end = X["days_to_term_end"].to_numpy()
    for week in range(26):
        start = 7.0 * week
        next_end = end + np.ceil(np.maximum(start - end, 0) / length) * length
        renews = (next_end >= start) & (next_end < start + 7)
        rate = np.where(renews, np.where(term == 1.0, 0.03, RENEWAL), ORDINARY) * factor
        goes = ~left & (rng.random(n) < 1 - np.exp(-rate))
        day = np.where(renews, next_end, start + rng.uniform(0, 7, n))
        durations[goes], left[goes] = day[goes], True
    times = pd.date_range("2024-01-07", periods=dates, freq="28D").repeat(accounts)
    return Followed(X, durations, left, np.tile(np.arange(accounts), dates), times)


def fitted(rows: Followed, days: float = HORIZON, **options: object) -> HazardClassifier:
    lasted, left = rows.observed(days)
    model = HazardClassifier(HORIZON, **options)  # type: ignore[arg-type]
    return model.fit(rows.X, left, groups=rows.accounts, durations=lasted)


@pytest.fixture(scope="module")
def rows() -> Followed:
    return company()


def test_known_hazards_are_recovered(rows: Followed) -> None:
    model = fitted(rows, features=["usage"], n_knots=0, strengths=[1.0])
    usual = np.array([ORDINARY] * 4 + [RENEWAL] * 4 + [0.03])
    # A week of an average account: usage is centred, and its own effect is a factor.
    np.testing.assert_allclose(model.weekly_, np.log(usual), atol=0.4)
    low, high = (pd.DataFrame({**rows.X.iloc[0].to_dict(), "usage": [at]}) for at in (-1.0, 1.0))
    ratio = np.log(model.survival(low, [90])) / np.log(model.survival(high, [90]))
    assert ratio[0, 0] == pytest.approx(np.exp(1.6), rel=0.25)


def test_rows_observed_in_part_give_the_same_hazards(rows: Followed) -> None:
    """Rows seen for random parts of the horizon; as labels, most of them would be unknown."""
    days = np.random.default_rng(1).uniform(0, 150, len(rows.X))
    part, whole = fitted(rows, days), fitted(rows)
    np.testing.assert_allclose(part.weekly_, whole.weekly_, atol=0.5)
    p, q = (model.predict_proba(rows.X)[:, 1] for model in (part, whole))
    assert np.corrcoef(p, q)[0, 1] > 0.97 and abs(p.mean() / q.mean() - 1) < 0.1


def test_contributions_sum_to_the_log_odds_and_keep_their_sign(rows: Followed) -> None:
    model = fitted(rows)
    parts, logit = model.contributions(rows.X), model.decision_function(rows.X)
    np.testing.assert_allclose(parts.sum(axis=1), logit, atol=1e-9)
    assert parts["baseline"].nunique() == 1
    # A sum on the log scale of the cumulative hazard, stretched by one positive number a row.
    terms = model._terms(rows.X)
    assert (np.sign(parts[terms.columns]) == np.sign(terms)).all().all()
    hazard = -np.log1p(-model.predict_proba(rows.X)[:, 1])
    np.testing.assert_allclose(np.log(hazard), terms.sum(axis=1) + model.usual_, atol=1e-7)


@given(
    end=st.one_of(st.none(), st.integers(0, 800)),
    months=st.one_of(st.none(), st.floats(0.0, 40.0)),
    usage=st.one_of(st.none(), st.floats(-50, 50)),
    days=st.lists(st.floats(0, 400), min_size=1, max_size=6),
)
@settings(max_examples=examples(10), deadline=None)
def test_survival_falls_and_is_one_minus_p_at_the_horizon(
    end: float | None, months: float | None, usage: float | None, days: list[float]
) -> None:
    model = _MODEL.setdefault("fitted", fitted(company(3, 300, 2)))
    X = pd.DataFrame(
        {"days_to_term_end": [end], "contract_months": [months], "usage": [usage], "noise": [0.1]},
        dtype="float64",
    )
    curve = model.survival(X, [*sorted(days), HORIZON])[0]
    assert curve[-1] == pytest.approx(model.predict_proba(X)[0, 0], rel=1e-12)
    assert ((curve >= 0) & (curve <= 1)).all() and (np.diff(curve[:-1]) <= 1e-12).all()
    parts = model.contributions(X)
    assert parts.sum(axis=1)[0] == pytest.approx(model.decision_function(X)[0], abs=1e-9)


_MODEL: dict[str, HazardClassifier] = {}


def test_weeks_are_counted_once_and_terms_recur() -> None:
    X = pd.DataFrame(
        {"days_to_term_end": [10.0, 10.0, np.nan, 91.0], "contract_months": [1.0, 12.0, np.nan, 12]}
    )
    kinds = week_kinds(X, np.full(4, 90.0))
    # Days 10, 40, 71: three monthly ends; one yearly end; none; none within 90 days.
    assert kinds[:, 8].tolist() == [3, 0, 0, 0]
    assert kinds[:, 4:8].sum(axis=1).tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(kinds.sum(axis=1)[2:], 90 / 7)
    # Before its end has come, a week with an end is a week like any other.
    early = week_kinds(X, np.full(4, 9.0))
    assert early[1, 4:8].sum() == 0 and early[1].sum() == pytest.approx(9 / 7)


def test_nothing_is_known_before_its_grace_period(rows: Followed) -> None:
    lasted, left = rows.observed(HORIZON)
    whole = FollowedRows(
        rows.X, rows.accounts, lasted, left, rows.times.to_numpy(), grace_days=GRACE
    )
    moment = rows.times.max() + pd.Timedelta(days=40)
    known = whole.known_before(moment)
    assert len(known.frame) == len(rows.X) and known.days[-1500:].max() <= 10
    last = known.left[-1500:]
    assert last.sum() == (left[-1500:] & (lasted[-1500:] < 10)).sum() < left[-1500:].sum()
    # What came later changes nothing.
    later = np.where(left & (lasted < 10), lasted, lasted + 5)
    moved = FollowedRows(
        rows.X, rows.accounts, later, left, rows.times.to_numpy(), grace_days=GRACE
    ).known_before(moment)
    np.testing.assert_array_equal(moved.left[-1500:], last)
    # The accounts that are tested teach nothing, and dates after the first test date neither.
    labelled = LabelledRows(rows.X, left.astype(int), rows.accounts, rows.times.to_numpy(), whole)
    train, test = np.flatnonzero(rows.accounts < 1000), np.flatnonzero(rows.accounts >= 1000)
    assert set(labelled.known_for(train, test).followed.codes) == set(range(1000))  # type: ignore[union-attr]
    first = np.flatnonzero(rows.times == rows.times.min())
    third = np.flatnonzero(rows.times == rows.times.max())
    early = labelled.known_for(first, third).followed
    assert early is not None and early.dates.max() < rows.times.max().to_numpy()
    assert (early.days <= 56 - GRACE).all()


@pytest.mark.slow
def test_the_churn_model_publishes_it_where_it_is_best() -> None:
    rows = company(5, accounts=250, dates=12, effect=1.0)
    # Of the last dates the outcome is not known.
    seen = (rows.times.max() - rows.times).days.to_numpy() + 20.0
    lasted, left = rows.observed(np.minimum(seen, HORIZON))
    y = pd.Series(np.where(seen >= HORIZON, left.astype(float), np.nan))
    model = ChurnModel(HORIZON, grace_days=GRACE, few_features=["usage"], small_model="auto")
    few = y.mask((y == 1) & (rows.accounts >= 45), 0.0)
    assert few.notna().sum() < len(few)
    model.fit(rows.X, few, groups=rows.accounts, times=rows.times, durations=lasted, events=left)
    assert model.choice_ is not None and "weekly hazard" in model.choice_.log_loss
    plain = ChurnModel(HORIZON, grace_days=GRACE, few_features=["usage"])
    plain.fit(rows.X, few, groups=rows.accounts, times=rows.times)
    assert plain.choice_ is not None and "weekly hazard" not in plain.choice_.log_loss


def test_bad_durations_are_refused(rows: Followed) -> None:
    lasted, left = rows.observed(HORIZON)
    with pytest.raises(ModelInputError, match="1 rows have a negative or missing duration"):
        HazardClassifier().fit(rows.X, left, durations=np.append(lasted[:-1], -1.0))
    with pytest.raises(ModelInputError, match="durations need events"):
        ChurnModel().fit(rows.X, left, durations=lasted)
    with pytest.raises(ModelInputError, match="no feature that varies"):
        HazardClassifier(features=[]).fit(rows.X[["usage"]], left, durations=lasted)


def test_it_is_deterministic_and_reasons_are_by_feature(rows: Followed) -> None:
    model = fitted(rows)
    again = clone(model).fit(
        rows.X, rows.observed(HORIZON)[1], rows.accounts, rows.observed(HORIZON)[0]
    )
    np.testing.assert_array_equal(model.decision_function(rows.X), again.decision_function(rows.X))
    parts = by_feature(model.contributions(rows.X))
    assert set(parts.columns) == {*rows.X.columns, "baseline"}


def test_nobody_is_certain_to_leave() -> None:
    # All who left did so on the day a term ended, and everyone whose term ended left.
    n = 600
    X = pd.DataFrame({"days_to_term_end": np.tile([20.0, 300.0], n // 2), "contract_months": 12.0})
    X["usage"] = np.where(X["days_to_term_end"] < 90, 1e3, -1e3)
    left = (X["days_to_term_end"] < 90).to_numpy()
    durations = np.where(left, 20.0, 200.0)
    model = HazardClassifier(strengths=(1e3,)).fit(X, left.astype(int), durations=durations)
    for far in (X, X.assign(usage=X["usage"] * 1e3)):
        chance = model.predict_proba(far)[:, 1]
        assert 0.0 < chance.min() < 0.01
        assert 0.9 < chance.max() < 1.0 - 1e-7
        np.testing.assert_allclose(
            model.contributions(far).sum(axis=1), model.decision_function(far), rtol=1e-9
        )
        np.testing.assert_allclose(1.0 - model.survival(far, [90.0])[:, 0], chance, rtol=1e-9)
