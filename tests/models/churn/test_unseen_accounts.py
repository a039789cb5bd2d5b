"""A test grouped by account tells what was learned from what was remembered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from models import AnyClassifier, ChurnModel, PropensityModel


def _panel() -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Accounts that are what they are on every date: there is nothing to learn but who they are."""
    rng = np.random.default_rng(0)
    accounts, dates = 200, pd.date_range("2024-01-07", periods=14, freq="28D")
    frame = pd.DataFrame({"x": rng.normal(size=accounts), "y": rng.normal(size=accounts)})
    left = pd.Series(rng.random(accounts) < 0.4).astype(int)
    place = np.tile(np.arange(accounts), len(dates))
    times = pd.Series(np.repeat(dates, accounts))
    rows = frame.iloc[place].reset_index(drop=True).assign(account=place)
    return rows, left.iloc[place].reset_index(drop=True), times


@pytest.mark.slow
def test_what_is_only_remembered_fails_on_unseen_accounts() -> None:
    rows, left, times = _panel()
    model = PropensityModel(estimator=AnyClassifier(KNeighborsClassifier(1)))
    model.fit(rows[["x", "y"]], left, groups=rows["account"], times=times)
    # In the ordinary test the memory would look perfect; it is not published.
    assert model.basis_ == "base rate" and model.evaluation_ is not None
    assert model.choice_ is not None and model.choice_.log_loss["custom estimator"] > 0
    assert model.unseen_accounts_auc_ is not None
    assert model.unseen_accounts_auc_.low < 0.5 < model.unseen_accounts_auc_.high + 0.1
    assert any("never seen" in sentence for sentence in model.reasons_)


def test_no_folds_no_test() -> None:
    rows, left, times = _panel()
    model = ChurnModel(estimator=AnyClassifier(KNeighborsClassifier(1)), account_folds=0).fit(
        rows[["x", "y"]], left, groups=rows["account"], times=times
    )
    assert model.unseen_accounts_auc_ is None
