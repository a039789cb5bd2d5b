from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_waltons

from models.base.inputs import ModelInputError
from models.survival.peer_survival import PeerSurvival, retention_curve, tilt, tilted


@dataclass(frozen=True)
class Sample:
    time: np.ndarray
    died: np.ndarray
    entry: np.ndarray
    group: np.ndarray


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(0)
    n = 2000
    life = np.ceil(rng.exponential(400, n))
    censored = np.ceil(rng.uniform(100, 900, n))
    entry = np.where(rng.random(n) < 0.5, np.floor(rng.uniform(0, 300, n)), 0.0)
    group = np.array(["small", "large"], dtype=object)[rng.integers(0, 2, n)]
    group[:40] = "public sector"
    return Sample(np.minimum(life, censored), (life <= censored).astype(int), entry, group)


@pytest.fixture(scope="module")
def fitted(sample: Sample) -> PeerSurvival:
    return PeerSurvival(least_events=60).fit(
        sample.time, sample.died, entry_days=sample.entry, groups=sample.group
    )


def test_it_is_lifelines_curve_at_every_event(sample: Sample, fitted: PeerSurvival) -> None:
    seen = sample.time > sample.entry
    reference = KaplanMeierFitter().fit(
        sample.time[seen], sample.died[seen], entry=sample.entry[seen]
    )
    days = fitted.pooled_.days
    np.testing.assert_allclose(
        fitted.conditional([0.0], None, days)[0],
        reference.survival_function_at_times(days).to_numpy(),
        atol=1e-12,
    )
    assert fitted.dropped_ == (~seen).sum()


def test_golden_waltons() -> None:
    flies = load_waltons()
    curve = PeerSurvival().fit(flies["T"], flies["E"])
    reference = KaplanMeierFitter().fit(flies["T"], flies["E"])
    assert curve.pooled_.basis == "kaplan-meier"
    assert curve.conditional([0], None, [60])[0, 0] == pytest.approx(reference.predict(60))


def test_a_thin_group_borrows_the_curve_of_all(fitted: PeerSurvival) -> None:
    assert fitted.basis_ == {
        "large": "kaplan-meier",
        "small": "kaplan-meier",
        "public sector": "pooled",
    }
    at = [90.0, 400.0]
    unseen = fitted.conditional([10.0], ["somewhere else"], at)
    np.testing.assert_array_equal(unseen, fitted.conditional([10.0], None, at))


def test_a_group_without_events_is_better_than_all_but_not_immortal() -> None:
    rng = np.random.default_rng(1)
    time = np.r_[rng.exponential(300, 200), np.full(15, 400.0)] + 1
    died = np.r_[np.ones(200), np.zeros(15)]
    model = PeerSurvival().fit(time, died, groups=["a"] * 200 + ["loyal"] * 15)
    all_, loyal = model.conditional([0, 0], ["other", "loyal"], [365])[:, 0]
    assert all_ < loyal < 1


@pytest.mark.parametrize(("n_events", "basis"), [(0, "constant"), (2, "constant"), (12, "weibull")])
def test_too_few_events_in_all(n_events: int, basis: str) -> None:
    rng = np.random.default_rng(0)
    time = 300 * rng.weibull(1.3, 60) + 1
    died = np.r_[np.ones(n_events), np.zeros(60 - n_events)]
    model = PeerSurvival().fit(time, died)
    assert model.pooled_.basis == basis
    curve = model.conditional([0.0], None, np.arange(0, 5000, 50.0))[0]
    assert (np.diff(curve) < 0).all()
    assert curve[0] == 1


def test_ages_seen_by_few_do_not_kill_everyone() -> None:
    # The first at risk dies alone: the plain product-limit is 0 ever after.
    time = np.r_[5.0, np.linspace(50, 400, 60)]
    entry = np.r_[0.0, np.full(60, 10.0)]
    model = PeerSurvival().fit(time, np.ones(61), entry_days=entry)
    assert 0.9 < model.conditional([0], None, [45])[0, 0] < 1


@settings(deadline=None, max_examples=50)
@given(
    tenure=st.lists(st.floats(0, 4000), min_size=1, max_size=6),
    group=st.sampled_from(["small", "large", "public sector", "unseen"]),
)
def test_curves_fall_and_are_never_flat(
    fitted: PeerSurvival, tenure: list[float], group: str
) -> None:
    at = np.arange(0, 1500, 30.0)
    curves = fitted.conditional(tenure, [group] * len(tenure), at)
    assert (curves[:, 0] == 1).all()
    assert (curves[:, 1:] < 1).all()
    assert (curves > 0).all()
    assert (np.diff(curves, axis=1) < 0).all()


def test_conditional_is_a_ratio_of_the_curve(fitted: PeerSurvival) -> None:
    whole = fitted.conditional([0.0], ["small"], [200.0, 500.0])[0]
    later = fitted.conditional([200.0], ["small"], [300.0])[0, 0]
    assert later == pytest.approx(whole[1] / whole[0])


@settings(deadline=None, max_examples=200)
@given(p=st.floats(0, 1), s0=st.floats(1e-6, 1 - 1e-6))
def test_the_tilted_curve_meets_the_probability(p: float, s0: float) -> None:
    theta = tilt([p], [s0])
    assert tilted(np.array([[s0]]), theta)[0, 0] == pytest.approx(1 - p, abs=1e-9)


def test_tilt_at_the_edges() -> None:
    theta = tilt([0.0, 1.0, np.nan, 0.3, 0.3], [0.9, 0.9, 0.9, 1.0, 0.0])
    assert theta[0] == 0
    assert np.isfinite(theta[1])
    np.testing.assert_array_equal(theta[2:], 1)
    with pytest.raises(ModelInputError, match="outside 0-1"):
        tilt([1.5], [0.9])


def test_account_survival_agrees_with_the_model(fitted: PeerSurvival) -> None:
    p = np.array([0.0, 0.02, 0.4, 1.0, np.nan])
    groups = ["small", "large", "public sector", "small", "large"]
    curves = fitted.account_survival(p, np.full(5, 120.0), groups, [90.0, 365.0], horizon_days=90)
    np.testing.assert_allclose(curves[:4, 0], 1 - p[:4], atol=1e-9)
    assert (curves[:, 1] <= curves[:, 0]).all()
    plain = fitted.conditional([120.0], ["large"], [90.0, 365.0])[0]
    np.testing.assert_allclose(curves[4], plain)


def test_retention_has_lifelines_intervals(sample: Sample) -> None:
    model = PeerSurvival().fit(sample.time, sample.died)
    reference = KaplanMeierFitter().fit(sample.time, sample.died)
    days = model.pooled_.days[[40, 120, 200]]
    low, high = reference.confidence_interval_survival_function_.loc[days].to_numpy().T
    points = retention_curve(model.pooled_, days)
    np.testing.assert_allclose([p.low for p in points], low, atol=1e-3)
    np.testing.assert_allclose([p.high for p in points], high, atol=1e-3)


def test_bad_durations_are_named() -> None:
    with pytest.raises(ModelInputError, match="1 rows have a negative or missing"):
        PeerSurvival().fit([-1.0, 5.0], [1, 0])
    with pytest.raises(ModelInputError, match="other than 0 and 1"):
        PeerSurvival().fit([1.0, 5.0], [1, 2])
    with pytest.raises(ModelInputError, match="no account has any time"):
        PeerSurvival().fit([5.0], [1], entry_days=[5.0])
    model = PeerSurvival().fit(pd.Series([4.0, 5.0]), pd.Series([1, 0]))
    with pytest.raises(ModelInputError, match="a tenure is missing"):
        model.conditional([np.nan], None, [30])
