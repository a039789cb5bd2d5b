"""Peer curves, the published ones and Cox, on lives that followed a date."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from health.settings.config import Config
from health.training import curves
from health.training.curves import COX, OWN, PEERS, judge_curves
from health.training.evaluation_page import curves_part
from health.training.held_out import COLUMNS
from health.training.rows import TrainingSet

START, END = pd.Timestamp("2023-01-01"), pd.Timestamp("2025-07-01")
DATES = pd.date_range("2023-06-04", periods=18, freq="28D")
NOBODY = pd.DataFrame(columns=COLUMNS)


def _company(n: int = 400, *, hazard: float = 1 / 900) -> TrainingSet:
    """Accounts of which a third leaves five times as fast, and uses less."""
    rng = np.random.default_rng(0)
    shaky = rng.random(n) < 1 / 3
    began = START + pd.to_timedelta(rng.integers(0, 150, n), unit="D")
    lived = rng.exponential(1 / np.where(shaky, 5 * hazard, hazard))
    followed = (END - began).days.to_numpy(dtype=float)
    spells = pd.DataFrame(
        {
            "account_id": [f"A{i}" for i in range(n)],
            "began_at": began,
            "entry_days": 0.0,
            "duration_days": np.minimum(lived, followed),
            "churned": lived + 30 < followed,
            "group": "all",
        }
    )
    ended = began + pd.to_timedelta(spells["duration_days"], unit="D")
    use = np.where(shaky, 4.0, 12.0) + rng.normal(0, 2, n)
    parts = []
    for day in DATES:
        pays = ((began < day) & (ended >= day)).to_numpy()
        tenure = (day - began).days.to_numpy(dtype=float)
        frame = {
            "account_id": spells["account_id"],
            "as_of": day,
            "tenure_days": tenure,
            "usage_active_days_28d": use,
        }
        parts.append(pd.DataFrame(frame)[pays])
    accounts = pd.concat(parts, ignore_index=True)
    nothing = pd.DataFrame()
    dates: tuple[datetime, ...] = tuple(day.to_pydatetime() for day in DATES)
    return TrainingSet(accounts, nothing, nothing, spells, dates)


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.model_validate({"tables": {"subscriptions": {"path": "subscriptions.csv"}}})


@pytest.fixture(autouse=True)
def two_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """The made-up company has two features, not the catalogue's."""
    columns = ["tenure_days", "usage_active_days_28d"]
    monkeypatch.setattr(curves, "model_columns", lambda *_: columns)


def test_cox_ranks_better_than_peers_that_are_all_alike(config: Config) -> None:
    judged = judge_curves(_company(), NOBODY, config)
    assert list(judged["curves"]) == [PEERS, COX] and judged["notes"] == []
    cox = judged["curves"][COX]
    assert cox["concordance_against_first"]["low"] > 0
    assert 0.6 < cox["concordance"]["value"] < 0.85
    part = curves_part(judged)
    assert part is not None and part.rows[1].against_first.startswith("ranks better; fits")
    assert judge_curves(_company(), NOBODY, config) == judged


def test_what_is_published_comes_first_where_the_model_was_tested(config: Config) -> None:
    training = _company()
    day = DATES[9]
    now = training.accounts[training.accounts["as_of"] == day]
    said = now[["account_id", "as_of"]].assign(target="churn", probability=0.1)
    judged = judge_curves(training, said, config)
    assert list(judged["curves"]) == [OWN, PEERS, COX]
    assert judged["from"] == str(day.date())


def test_a_fit_that_does_not_converge_is_said_and_the_others_stand(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_FEWEST_LEARNT", 10_000)
    judged = judge_curves(_company(), NOBODY, config)
    assert list(judged["curves"]) == [PEERS]
    assert judged["notes"][0].startswith("Cox: ")


def test_too_few_who_left_are_not_compared(config: Config) -> None:
    judged = judge_curves(_company(40, hazard=1 / 50_000), NOBODY, config)
    assert judged["curves"] == {}
    assert "not compared" in judged["notes"][0]
    part = curves_part(judged)
    assert part is not None and part.rows == () and part.notes


def test_an_older_version_has_no_such_part() -> None:
    assert curves_part(None) is None
