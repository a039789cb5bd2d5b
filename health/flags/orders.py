"""Customers who order and have no contract: how a silence is described."""

from __future__ import annotations

import pandas as pd

from health.presentation import wording


def silence_in_words(features: pd.DataFrame) -> list[str]:
    """Return how long each customer has not ordered, with its usual interval."""
    return [
        f"No order for {wording.span(days)}, usually one every {wording.span(usual)}"
        for days, usual in zip(
            features["orders_recency_days"], features["orders_interval_days_median"], strict=True
        )
    ]
