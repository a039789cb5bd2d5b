"""The churn model against simpler rivals: every pair is compared, whoever is ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.catalogue import CATALOGUE
from health.settings.config import Config
from health.training.held_out import COLUMNS
from health.training.rivals import (
    TITLES,
    compare_rivals,
    score_on_past,
    score_verdict,
    score_warnings,
)


def _rows(accounts: int = 150) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accounts whose renewal decides whether they leave, and a model that knows nothing."""
    rng = np.random.default_rng(0)
    names = [f"A{i}" for i in range(accounts)]
    features = pd.DataFrame(np.nan, index=range(accounts), columns=list(CATALOGUE))
    days = rng.uniform(0, 360, accounts)
    features = features.assign(account_id=names, as_of=pd.Timestamp("2026-01-04"))
    features["days_to_renewal"] = days
    features["usage_events_28d"] = rng.uniform(0, 100, accounts)
    features["notice_given"] = 0.0
    held_out = pd.DataFrame(
        {
            "target": "churn",
            "account_id": names,
            "as_of": pd.Timestamp("2026-01-04"),
            "happened": (days < 60).astype(float),
            "logit": rng.normal(size=accounts),
        }
    )
    return features, held_out


def test_a_single_feature_that_is_ahead_comes_first() -> None:
    features, held_out = _rows()
    found = compare_rivals(features, held_out, Config(tables={}))
    assert found is not None
    model = roc_auc_score(held_out["happened"], held_out["logit"])
    assert found["auc"]["model"]["value"] == pytest.approx(model)
    assert found["auc"]["renewal"]["value"] == pytest.approx(1.0)
    pairs = {(d["first"], d["second"]) for d in found["differences"]}
    assert ("renewal", "model") in pairs
    count = len(found["auc"])
    assert len(pairs) == count * (count - 1) / 2
    assert any(
        s.startswith("Days to renewal alone ranks above the churn model")
        for s in found["sentences"]
    )
    assert set(found["auc"]) <= set(TITLES)


def test_too_few_leave_nothing_to_compare() -> None:
    features, held_out = _rows()
    few = held_out.assign(happened=[1.0, 1.0] + [0.0] * (len(held_out) - 2))
    assert compare_rivals(features, few, Config(tables={})) is None


def test_nothing_tested_leaves_nothing_to_compare() -> None:
    features, _ = _rows()
    assert compare_rivals(features, pd.DataFrame(columns=COLUMNS), Config(tables={})) is None


@pytest.mark.parametrize(("knows", "warned"), [(True, False), (False, True)])
def test_a_score_that_does_not_predict_is_reported(knows: bool, warned: bool) -> None:
    features, held_out = _rows()
    share = np.random.default_rng(1).uniform(0, 1, len(features))
    if knows:
        share = np.where(held_out["happened"] == 1, share / 4, share)
    for name in ("seat_utilisation", "active_days", "breadth_share", "regular_share"):
        features[f"usage_{name}_28d"] = share
    config = Config(tables={}, scorecard={"minimum_coverage": 0.05})
    manifest = {"rivals": compare_rivals(features, held_out, config)}
    auc = score_on_past(manifest)
    assert auc is not None
    assert (auc["low"] > 0.5) is knows
    assert ("lower scores" in score_verdict(auc)) is knows
    assert len(score_warnings(manifest)) == warned
    assert all(f"AUC {auc['value']:.2f}" in line for line in score_warnings(manifest))


@pytest.mark.parametrize("rivals", [None, {}, {"auc": {"model": {"value": 0.7}}}])
def test_a_score_that_was_not_tested_is_not_judged(rivals: dict[str, object] | None) -> None:
    assert score_on_past({"rivals": rivals}) is None
    assert score_warnings({"rivals": rivals}) == []
    assert score_warnings({}) == []
