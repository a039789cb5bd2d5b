"""Customers who order and have no contract: who has stopped, against the own habit."""

from __future__ import annotations

import math

import pandas as pd

from health.business.kinds import by_orders
from health.flags.scored import Scored
from health.presentation import wording
from health.settings.config import Config

#: The logarithm of the time since the latest order over the usual interval: twice as long.
_TWICE = math.log(2.0)


def stopped_ordering(scored: Scored, config: Config) -> pd.Series[bool]:
    """Tell who has not ordered for `silent_days` and for twice the own usual interval.

    Nobody where the company lives by contracts.
    """
    features = scored.features
    if not by_orders(scored.scores):
        return pd.Series(False, index=features.index)
    away = features["orders_recency_days"] >= config.flags.silent_days
    return away & (features["orders_interval_vs_habit"] >= _TWICE)


def silence_in_words(features: pd.DataFrame) -> list[str]:
    """Say how long each customer has not ordered, beside its usual interval."""
    return [
        f"No order for {wording.span(days)}, usually one every {wording.span(usual)}"
        for days, usual in zip(
            features["orders_recency_days"], features["orders_interval_days_median"], strict=True
        )
    ]
