"""The outlook: a line learned from what accounts did later, not from who left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from models import GlassBoxClassifier
from models.glass_box.outlook import _mean_of_following_days, behaviours

SIGNALS = [f"signal_{i}" for i in range(30)]


def company(accounts: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Many weak signs of a slow mood, some noise, and few who leave: a panel of six dates."""
    rng = np.random.default_rng(seed)
    mood = rng.normal(size=accounts)
    parts = []
    for date in pd.date_range("2025-01-05", periods=6, freq="28D"):
        mood = 0.9 * mood + 0.43 * rng.normal(size=accounts)
        frame = pd.DataFrame(
            {name: mood + 2.5 * rng.normal(size=accounts) for name in SIGNALS[:15]}
            | {name: rng.normal(size=accounts) for name in SIGNALS[15:]}
        )
        frame["use"] = mood + 0.7 * rng.normal(size=accounts)
        frame["account"], frame["as_of"] = np.arange(accounts), date
        frame["left"] = rng.random(accounts) < expit(-3.2 - 1.3 * mood)
        parts.append(frame)
    whole = pd.concat(parts, ignore_index=True)
    return whole, whole.pop("left").astype(int)


def fitted(outlook_of: list[str], **options: object) -> GlassBoxClassifier:
    frame, left = company(250, seed=1)
    given: dict[str, object] = {"outlook": "always", "interactions": 2, **options}
    model = GlassBoxClassifier(outlook_of=outlook_of, **given)  # type: ignore[arg-type]
    X = frame[[*SIGNALS, "use"]]
    return model.fit(X, left, groups=frame["account"], times=frame["as_of"])


@pytest.fixture(scope="module")
def model() -> GlassBoxClassifier:
    return fitted(["use"])


@pytest.mark.slow
def test_what_comes_is_told_by_more_than_the_labels_could(model: GlassBoxClassifier) -> None:
    plain = fitted([])
    assert model.has_outlook_ and not plain.has_outlook_
    later, left = company(3000, seed=2)
    result = roc_auc_score(left, model.decision_function(later[[*SIGNALS, "use"]]))
    alone = roc_auc_score(left, plain.decision_function(later[[*SIGNALS, "use"]]))
    assert result > alone + 0.01


def test_without_the_outlook_it_is_the_boosted_model(model: GlassBoxClassifier) -> None:
    later, _ = company(100, seed=3)
    X = later[[*SIGNALS, "use"]]
    plain = model.without_outlook()
    assert model.has_outlook_ and not plain.has_outlook_ and plain.outlook == "never"
    never = fitted(["use"], outlook="never")
    np.testing.assert_array_equal(plain.decision_function(X), never.decision_function(X))


def test_an_outlook_that_held_out_accounts_do_not_gain_by_is_left_out() -> None:
    frame, _ = company(250, seed=1)
    left = (np.random.default_rng(0).random(len(frame)) < 0.1).astype(int)
    model = GlassBoxClassifier(outlook_of=["use"], interactions=0, outer_bags=3)
    X = frame[[*SIGNALS, "use"]]
    assert not model.fit(X, left, groups=frame["account"], times=frame["as_of"]).has_outlook_


def test_contributions_stay_exact(model: GlassBoxClassifier) -> None:
    later, _ = company(100, seed=3)
    X = later[[*SIGNALS, "use"]].mask(np.random.default_rng(0).random((600, 31)) < 0.1)
    total = model.contributions(X).sum(axis=1)
    np.testing.assert_allclose(total, model.decision_function(X), atol=1e-9)


def test_without_dates_there_is_no_outlook() -> None:
    frame, left = company(100, seed=1)
    plain = GlassBoxClassifier(outlook_of=["use"], interactions=0)
    assert not plain.fit(frame[[*SIGNALS, "use"]], left, groups=frame["account"]).has_outlook_


def test_the_line_keeps_to_the_directions() -> None:
    against = dict.fromkeys([*SIGNALS[:15], "use"], 1)
    held = fitted(["use"], monotone=against)
    for place, name in enumerate([*SIGNALS, "use"]):
        if name in against:
            assert (np.diff(held.tables_.mains[place][:-1]) >= -1e-9).all()


@pytest.mark.slow
def test_behaviours_of_opposite_directions_do_not_cancel() -> None:
    names = [*SIGNALS, "use", "complaints"]

    def both(accounts: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
        frame, left = company(accounts, seed)
        # As good a sign as use, and as large: unsigned, their sum would be nothing but noise.
        noise = np.random.default_rng(seed).normal(size=len(frame))
        return frame.assign(complaints=0.3 * noise - frame["use"]), left

    known, left = both(250, 1)
    options = {"groups": known["account"], "times": known["as_of"]}
    model = GlassBoxClassifier(outlook_of=["use", "complaints"], outlook="always", interactions=0)
    model.fit(known[names], left, **options)
    plain = GlassBoxClassifier(outlook_of=[], interactions=0).fit(known[names], left, **options)
    later, left = both(3000, 2)
    result, alone = (roc_auc_score(left, m.decision_function(later[names])) for m in (model, plain))
    assert model.has_outlook_
    assert result > alone + 0.01


def test_the_mean_of_following_days_is_the_accounts_own() -> None:
    groups, days = np.array([0, 0, 0, 1, 1]), np.array([0, 28, 56, 0, 150])
    following = _mean_of_following_days(np.array([1.0, 2.0, 4.0, 8.0, 16.0]), groups, days)
    np.testing.assert_allclose(following, [3.0, 4.0, np.nan, np.nan, np.nan])


def test_behaviours_are_what_people_do() -> None:
    names = ["usage_active_days_28d", "tickets_backlog", "days_to_renewal", "mrr", "no_such"]
    assert behaviours(names) == ["usage_active_days_28d", "tickets_backlog"]
