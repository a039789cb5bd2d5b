"""Lists are ordered by who can be saved only while an experiment shows it."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features import Tables
from features.errors import HealthError
from features.reading.frames import tables_from_frames
from health.experiment.ranking import savable_estimate
from health.settings.config import Config

START, END = datetime(2026, 1, 1), datetime(2026, 12, 1)


def company(accounts: int, *, effect: float) -> Tables:
    """Return contracts and a randomised call that keeps small accounts only."""
    rng = np.random.default_rng(0)
    ids = [f"A{n:05d}" for n in range(accounts)]
    small, treated = rng.random(accounts) < 0.5, rng.random(accounts) < 0.5
    leaves = rng.random(accounts) < 0.45 - effect * (small & treated)
    day = [START + timedelta(days=int(d)) for d in rng.integers(0, 60, accounts)]
    ends = [d + timedelta(days=40) if gone else None for d, gone in zip(day, leaves, strict=True)]
    return tables_from_frames(
        {
            "accounts": pd.DataFrame(
                {
                    "account_id": ids,
                    "created_at": START - timedelta(days=400),
                    "segment": np.where(small, "small", "large"),
                }
            ),
            "subscriptions": pd.DataFrame(
                {
                    "account_id": ids,
                    "product": "core",
                    "started_at": START - timedelta(days=400),
                    "ended_at": pd.Series(ends, dtype="datetime64[us]"),
                    "mrr": 100.0,
                }
            ),
            "interventions": pd.DataFrame(
                {
                    "account_id": ids,
                    "occurred_at": day,
                    "kind": "call",
                    "arm": np.where(treated, "treated", "control"),
                }
            ),
        },
        observed_until=END,
    )


CONFIG = Config(tables={"accounts": {"path": "a.csv"}, "subscriptions": {"path": "s.csv"}})


@pytest.mark.slow
def test_an_experiment_that_holds_orders_accounts() -> None:
    estimate = savable_estimate(company(3_000, effect=0.4), [], CONFIG, END)
    scores = pd.DataFrame(
        {"account_id": ["one", "two"], "segment": ["small", "large"], "mrr": 100.0}
    ).assign(tenure_days=450.0, health_score=50.0, churn_probability=0.3)
    saved = estimate(scores)
    assert saved["one"] > 0.2 > abs(saved["two"]) + 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accounts", "effect", "why"),
    [(3_000, 0.0, "does not rank better than chance"), (60, 0.4, "too few")],
)
def test_without_evidence_it_is_refused_with_the_reason(
    accounts: int, effect: float, why: str
) -> None:
    with pytest.raises(HealthError, match="cannot be ordered by who can be saved") as refused:
        savable_estimate(company(accounts, effect=effect), [], CONFIG, END)
    assert why in refused.value.what and 'rank = "value"' in refused.value.fix


def test_without_an_experiment_it_is_refused() -> None:
    tables = company(60, effect=0.0)
    bare = tables_from_frames(
        {
            name: pd.DataFrame(tables[name].collect("pandas").to_native())
            for name in ("accounts", "subscriptions")
        },
        observed_until=END,
    )
    with pytest.raises(HealthError, match="no experiment"):
        savable_estimate(bare, [], CONFIG, END)
