"""What stands behind no value is named and counted."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.expansion.gaps import expansion_gaps, unpriced
from health.expansion.inputs import read_offer_inputs
from health.settings.config import Config

DAY = datetime(2026, 6, 7)
CONFIG = Config(tables={})


def company() -> Tables:
    subscriptions = pd.DataFrame(
        {
            "account_id": ["a", "b", "c"],
            "product": ["core", "core", "extra"],
            "started_at": "2026-01-01",
            "ended_at": None,
            "mrr": 10.0,
            "quota": [100.0, 100.0, 50.0],
            "quota_event": ["calls", None, "misspelt"],
        }
    )
    usage = pd.DataFrame(
        {"account_id": ["a"], "event": ["calls"], "occurred_at": [datetime(2026, 6, 1)]}
    )
    tables = {
        "accounts": pd.DataFrame({"account_id": ["a", "b", "c"], "created_at": "2026-01-01"}),
        "subscriptions": subscriptions,
        "usage": usage,
    }
    return tables_from_frames(tables, observed_until=datetime(2026, 7, 1))


def rows(step_mrr: float | None) -> pd.DataFrame:
    return pd.DataFrame({"product": ["extra"], "status": ["open"], "step_mrr": [step_mrr]}).astype(
        {"step_mrr": float}
    )


def _said(whitespace: pd.DataFrame) -> str:
    features = pd.DataFrame({"account_id": ["a", "b", "c"], "as_of": pd.Timestamp(DAY)})
    tables = company()
    inputs = read_offer_inputs(tables, features, CONFIG)
    return " | ".join(expansion_gaps(tables, DAY, CONFIG, inputs, unpriced(whitespace)))


def test_quotas_that_nothing_counts_against_are_named() -> None:
    said = _said(rows(5.0))
    assert "quotas without a quota_event, so their use is unknown: 'core' (1 row)" in said
    assert "events that never occur in usage: 'misspelt' (1 row)" in said
    assert "no list price" not in said


def test_an_offer_without_a_price_is_told_with_its_product() -> None:
    said = _said(rows(None))
    assert "products without a list price or a past purchase" in said
    assert "'extra' (1 row)" in said
