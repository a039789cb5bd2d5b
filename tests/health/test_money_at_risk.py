"""The line on money at risk: true with a probability and without one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.cli.run_console import money_at_risk


def _line(chances: list[float], values: list[float]) -> str:
    losses = [100.0 * chance for chance in chances]
    accounts = ["A", "B"]
    scores = pd.DataFrame(
        {
            "account_id": accounts,
            "mrr": [100.0, 200.0],
            "churn_probability": chances,
            "expected_loss": losses,
        }
    )
    flagged = pd.DataFrame({"account_id": accounts[: len(values)], "value": values})
    return money_at_risk(scores, flagged, "USD")


def test_expected_loss_where_there_is_a_probability() -> None:
    line = _line([0.5, 0.1], [50.0])
    assert line == (
        "Money at risk: USD 60 expected loss over all accounts, USD 50 of it on 1 flagged account"
    )


def test_what_they_pay_where_there_is_none() -> None:
    line = _line([np.nan, np.nan], [np.nan, np.nan])
    assert "2 flagged accounts pay USD 3,600 a year" in line
    assert "no churn probability is published" in line
    assert "USD 0" not in line
