"""Reasons: one row per account and term, the strongest first, in sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from health.reasons.reasons import COLUMNS, reason_rows, strongest, strongest_reasons

INPUTS = pd.DataFrame(
    {
        "account_id": ["A", "B"],
        "usage_recency_days": [40.0, np.nan],
        "seats": [12.0, 3.0],
        "segment": ["SMB", None],
    }
)
TERMS = pd.DataFrame(
    {
        "usage_recency_days": [0.4, 0.0],
        "seats": [0.9, -0.2],
        "segment": [0.1, 0.3],
        "baseline": -2.0,
    }
)


def test_a_row_for_each_account_and_term() -> None:
    rows = reason_rows("churn", TERMS, INPUTS, baseline_text="Where all start")
    assert list(rows.columns) == list(COLUMNS)
    assert len(rows) == 8
    sums = rows.groupby("account_id", observed=True)["contribution"].sum()
    np.testing.assert_allclose(sums, TERMS.sum(axis=1))
    texts = rows.set_index(["account_id", "term"])["text"]
    assert "40" in texts["A", "usage_recency_days"]
    assert texts["B", "segment"] == "Segment: unknown"
    assert texts["A", "baseline"] == "Where all start"
    assert rows["missing"].isna().all()


def test_size_and_kind_are_never_named_as_reasons() -> None:
    rows = reason_rows("churn", TERMS, INPUTS)
    top = strongest(rows, "churn", "contribution", most=3)
    assert top.to_dict() == {"A": "Days without use: 40"}
    assert strongest(rows, "upsell", "contribution").empty


def test_the_share_that_is_not_named_is_known() -> None:
    found = strongest_reasons(reason_rows("churn", TERMS, INPUTS), "churn", "contribution")
    assert found.loc["A", "share"] == pytest.approx(0.4 / (0.4 + 0.9 + 0.1))
    assert found.loc["A", "cause"] == "adoption"


def test_one_reason_a_signal() -> None:
    terms = ["usage_days_per_user_28d", "usage_days_per_user_90d", "tickets_backlog"]
    inputs = pd.DataFrame({"account_id": ["A"], **{t: [3.0] for t in terms}})
    moved = pd.DataFrame([[0.3, 0.9, 0.1]], columns=terms)
    found = strongest_reasons(reason_rows("churn", moved, inputs), "churn", "contribution")
    assert found.loc["A", "text"].count(";") == 1
    assert "90" in found.loc["A", "text"]
