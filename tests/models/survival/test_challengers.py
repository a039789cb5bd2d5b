"""Cox, the glass box in discrete time, retention tables, and how curves are measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models import (
    CoxSurvival,
    DiscreteTimeSurvival,
    GlassBoxClassifier,
    concordance,
    integrated_brier_score,
    retention_table,
)
from models.base.inputs import ModelInputError
from models.survival.retention import cohorts
from tests.models.conftest import shared


def lives(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Exponential lives whose hazard doubles with `risk`, censored after a year."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"risk": rng.integers(0, 2, n).astype(float), "plan": rng.choice(["a", "b"], n)}
    )
    time = rng.exponential(400 / (1 + X["risk"].to_numpy()))
    return X, np.minimum(time, 365.0), (time < 365).astype(float)


def test_cox_on_rossi_has_the_published_figures() -> None:
    rossi = pd.read_csv(shared("survival/lifelines_rossi.csv"))
    X = rossi.drop(columns=["week", "arrest"])
    model = CoxSurvival(penalizer=0.0).fit(X, rossi["week"], rossi["arrest"])
    assert model.log_likelihood_ == pytest.approx(-658.75, abs=0.01)
    c = concordance(rossi["week"], model.log_hazard_ratio(X), rossi["arrest"])
    assert c == pytest.approx(0.64, abs=0.005)


def test_cox_finds_the_hazard_ratio_and_its_curves_fall() -> None:
    X, time, died = lives(3000)
    model = CoxSurvival(penalizer=0.0).fit(X, time, died)
    ratio = model.coefficients_["risk"] / X["risk"].std(ddof=0)
    assert ratio == pytest.approx(np.log(2), abs=0.12)
    curves = model.survival(X.head(5), [30, 180, 360])
    assert curves.shape == (5, 3)
    assert (np.diff(curves, axis=1) < 0).all()


@pytest.mark.slow
def test_cox_with_left_entry_does_not_take_survivors_for_immortal() -> None:
    X, time, died = lives(3000)
    entry = np.random.default_rng(3).uniform(0, 300, len(time))
    seen = time > entry
    X, time, died, entry = X[seen], time[seen], died[seen], entry[seen]
    calm = pd.DataFrame({"risk": [0.0], "plan": ["a"]})
    right = CoxSurvival().fit(X, time, died, entry_days=entry).survival(calm, [300.0])[0, 0]
    naive = CoxSurvival().fit(X, time, died).survival(calm, [300.0])[0, 0]
    assert right == pytest.approx(np.exp(-300 / 400), abs=0.06)
    assert naive > right + 0.1


def test_discrete_time_hazards_order_accounts_and_are_calibrated() -> None:
    X, time, died = lives(1500)
    quick = GlassBoxClassifier(interactions=0, outer_bags=2, max_rounds=40)
    model = DiscreteTimeSurvival(estimator=quick).fit(X, time, died)
    pair = pd.DataFrame({"risk": [0.0, 1.0], "plan": ["a", "a"]})
    year = model.survival(pair, [6, 12])
    assert year[:, 1] == pytest.approx([np.exp(-360 / 400), np.exp(-720 / 400)], abs=0.07)
    lived = model.survival(pair, [6], lived=[6, 6])
    assert lived[:, 0] * year[:, 0] == pytest.approx(year[:, 1], abs=1e-9)
    with pytest.raises(ModelInputError, match="time under observation"):
        DiscreteTimeSurvival().fit(X, time, died, entry_days=time + 60)


def test_concordance_of_known_orders() -> None:
    assert concordance([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1, 1, 1]) == 1.0
    assert concordance([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [1, 1, 1]) == 0.0


def test_integrated_brier_score_of_known_curves() -> None:
    time, died = np.array([1.0, 2.0, 5.0, 6.0]), np.ones(4)
    at = np.array([1.5, 3.0, 4.0])
    truth = (time[:, None] > at).astype(float)
    assert integrated_brier_score(time, died, truth, at) == 0.0
    assert integrated_brier_score(time, died, np.full((4, 3), 0.5), at) == pytest.approx(0.25)
    with pytest.raises(ModelInputError, match="at least two times"):
        integrated_brier_score(time, died, truth[:, :1], at[:1])


def test_integrated_brier_score_is_not_fooled_by_censoring() -> None:
    rng = np.random.default_rng(1)
    n = 20_000
    time, end = rng.exponential(100, n), rng.exponential(150, n)
    at = np.linspace(10, 150, 15)
    curves = np.tile(np.exp(-at / 100), (n, 1))
    full = integrated_brier_score(time, np.ones(n), curves, at)
    seen = integrated_brier_score(np.minimum(time, end), (time <= end) * 1.0, curves, at)
    assert seen == pytest.approx(full, abs=0.003)


def test_retention_by_cohort_has_intervals_and_ends_with_the_data() -> None:
    started = pd.to_datetime(["2025-01-10"] * 300 + ["2025-04-10"] * 300)
    _, time, died = lives()
    time = np.where(np.arange(600) < 300, time, np.minimum(time, 200.0))
    died = np.where(np.arange(600) < 300, died, died * (time < 200))
    table = retention_table(time, died, cohorts(started), [0, 90, 180, 270, 365])
    assert table["group"].unique().tolist() == ["2025Q1", "2025Q2"]
    assert table.groupby("group")["days"].max().tolist() == [365, 180]
    assert ((table["low"] <= table["survival"]) & (table["survival"] <= table["high"])).all()
    first = table[table["days"] == 0]
    assert first["survival"].tolist() == [1.0, 1.0] and first["at_risk"].tolist() == [300, 300]
    by_hand = (time[:300] > 90).mean()
    assert table.loc[1, "survival"] == pytest.approx(by_hand)


def test_cox_on_the_veterans_has_the_published_concordance() -> None:
    frame = pd.read_csv(shared("survival/sksurv_veterans_lung_cancer.csv"))
    X = frame.drop(columns=["event", "time"])
    model = CoxSurvival(penalizer=0.0).fit(X, frame["time"], frame["event"])
    c = concordance(frame["time"], model.log_hazard_ratio(X), frame["event"])
    assert c == pytest.approx(0.736, abs=0.002)
    at = [30.0, 90.0, 180.0]
    known = integrated_brier_score(frame["time"], frame["event"], model.survival(X, at), at)
    assert 0.05 < known < 0.2
