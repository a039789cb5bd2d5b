"""Features looked at alone, and classifiers on the same later dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from models import AnyClassifier, ModelInputError, compare_in_time, drivers


def rows(n_accounts: int = 120, n_dates: int = 8, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2025-01-05", periods=n_dates, freq="28D")
    frame = pd.DataFrame(
        [(f"a{i}", day) for day in dates for i in range(n_accounts)], columns=["account", "as_of"]
    )
    frame["use"] = rng.normal(size=len(frame))
    frame["noise"] = rng.normal(size=len(frame))
    frame["late"] = np.where(frame["as_of"] > dates[4], rng.normal(size=len(frame)), np.nan)
    frame["churned"] = (rng.random(len(frame)) < 1 / (1 + np.exp(2 + 2 * frame["use"]))) * 1.0
    return frame


def test_the_feature_that_drives_comes_first_with_its_direction() -> None:
    frame = rows()
    frame.loc[::2, "noise"] = np.nan
    found = drivers(frame, ["noise", "use", "late"], "churned")
    assert found.index[0] == "use"
    assert found.loc["use", "auc"] > 0.7
    assert found.loc["use", "direction"] == -1
    assert found.loc["use", "with_event"] < found.loc["use", "without"]
    assert found.loc["noise", "missing_share"] == pytest.approx(0.5)
    assert found["auc"].between(0.5, 1).all()


def test_a_feature_nobody_was_measured_on_has_no_auc_and_no_outcome_is_said() -> None:
    frame = rows().assign(empty=np.nan)
    assert np.isnan(drivers(frame, ["empty"], "churned").loc["empty", "auc"])
    with pytest.raises(ModelInputError, match="no outcome is known"):
        drivers(frame.assign(churned=np.nan), ["use"], "churned")


def test_candidates_are_measured_on_the_same_later_dates() -> None:
    frame = rows()
    compared = compare_in_time(
        {
            "logistic": LogisticRegression(),
            "trees": HistGradientBoostingClassifier(max_iter=10),
        },
        frame[["use", "noise", "late"]],
        frame["churned"],
        groups=frame["account"],
        times=frame["as_of"],
        embargo_days=60,
    )
    assert list(compared.index) == ["logistic", "trees"]
    auc = compared["auc"]
    assert (auc["low"] <= auc["value"]).all()
    assert (auc["value"] <= auc["high"]).all()
    assert auc.loc["logistic", "value"] > 0.65


def test_a_column_never_measured_in_training_stops_no_classifier() -> None:
    frame = rows()
    early = frame[frame["late"].isna()]
    model = AnyClassifier(HistGradientBoostingClassifier(max_iter=5))
    model.fit(early[["use", "late"]], early["churned"])
    assert np.isfinite(model.predict_proba(frame[["use", "late"]])).all()
