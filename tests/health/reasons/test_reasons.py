"""Reasons: one row per account and term, the strongest first, in sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.reasons.reasons import COLUMNS, reason_rows, strongest

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
    sums = rows.groupby("account_id")["contribution"].sum()
    np.testing.assert_allclose(sums, TERMS.sum(axis=1))
    texts = rows.set_index(["account_id", "term"])["text"]
    assert "40" in texts["A", "usage_recency_days"]
    assert texts["B", "segment"] == "Segment: unknown"
    assert texts["A", "baseline"] == "Where all start"
    assert rows["missing"].isna().all()


def test_size_is_named_only_where_little_else_speaks() -> None:
    rows = reason_rows("churn", TERMS, INPUTS)
    top = strongest(rows, "churn", "contribution", most=1)
    assert "40" in top["A"]
    assert top["B"] == "Segment: unknown"
    assert strongest(rows, "churn", "contribution", most=3)["A"].count(";") == 2
    assert strongest(rows, "upsell", "contribution").empty
