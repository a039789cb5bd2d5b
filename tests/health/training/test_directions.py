from __future__ import annotations

from features.catalogue import CATALOGUE
from health.training.fit import churn_directions


def test_risk_moves_against_what_is_healthier() -> None:
    directions = churn_directions(["usage_active_days_28d", "tickets_backlog", "mrr", "segment"])
    assert directions == {"usage_active_days_28d": -1, "tickets_backlog": 1}
    assert CATALOGUE["mrr"].direction == 0
