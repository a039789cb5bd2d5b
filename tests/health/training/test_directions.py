"""Whether risk is constrained to move against what is healthier."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from health.settings.config import Config
from health.settings.training import TrainingConfig
from health.training.directions import choose_directions, with_directions
from health.training.fit import churn_directions
from health.training.rows import TargetRows


def test_risk_moves_against_what_is_healthier() -> None:
    directions = churn_directions(["usage_active_days_28d", "tickets_backlog", "mrr", "segment"])
    assert directions == {"usage_active_days_28d": -1, "tickets_backlog": 1}
    assert CATALOGUE["mrr"].direction == 0


def _rows(sign: float, accounts: int = 240) -> TargetRows:
    """Accounts on ten dates whose risk rises or falls with use."""
    rng = np.random.default_rng(0)
    dates = pd.date_range("2025-01-05", periods=10, freq="28D")
    use = rng.normal(14, 6, accounts)
    frame = pd.DataFrame(
        {
            "account_id": np.repeat([f"A{i}" for i in range(accounts)], len(dates)),
            "as_of": np.tile(dates, accounts),
            "usage_active_days_28d": np.repeat(use, len(dates)) + rng.normal(0, 1, accounts * 10),
        }
    )
    odds = -2.0 + sign * 0.35 * (frame["usage_active_days_28d"] - 14)
    frame["churned"] = (rng.random(len(frame)) < 1 / (1 + np.exp(-odds))).astype(float)
    return TargetRows(frame, "churned", ["usage_active_days_28d"])


def _config(**training: object) -> Config:
    return Config(tables={}, training=TrainingConfig.model_validate(training))


@pytest.mark.parametrize(("sign", "used"), [(-1.0, True), (1.0, False)])
@pytest.mark.slow
def test_directions_are_used_unless_they_cost(sign: float, used: bool) -> None:
    config = _config()
    chosen = choose_directions(_rows(sign), config)
    assert chosen.used is used
    assert chosen.log_loss is not None
    assert chosen.difference == pytest.approx(chosen.log_loss - (chosen.log_loss_free or 0.0))
    assert with_directions(config, chosen).training.monotone is used


def test_what_is_configured_is_not_compared() -> None:
    for wanted in (True, False):
        chosen = choose_directions(_rows(-1.0, accounts=4), _config(monotone=wanted))
        assert chosen.used is wanted
        assert chosen.log_loss is None


def test_too_few_churned_leave_no_curves_to_constrain() -> None:
    assert not choose_directions(_rows(-1.0, accounts=12), _config()).used
