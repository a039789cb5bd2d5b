"""Flags of growth: who to offer more to, and who would speak for us."""

from __future__ import annotations

import math

import pandas as pd

from health.expansion.whitespace import worth_listing
from health.flags.scored import Scored, paying_on, pick, with_reasons
from health.reasons.reasons import strongest
from health.settings.config import Config

#: Use a fifth below its own baseline falls; two weeks without any is no steady use.
_FALLING, _AWAY_DAYS = math.log(0.8), 14


def upsell(scored: Scored, config: Config) -> pd.DataFrame:
    """Accounts that should take more of a product they hold."""
    return _listed(scored, "upsell", config)


def cross_sell(scored: Scored, config: Config) -> pd.DataFrame:
    """Products that an account does not hold and should be offered, a row each."""
    return _listed(scored, "cross_sell", config)


def _listed(scored: Scored, offer: str, config: Config) -> pd.DataFrame:
    """Take the rows worth a place; one without a price stands last on its list."""
    rows = scored.whitespace
    rows = rows[worth_listing(rows, config.flags.expansion_lift) & (rows["offer"] == offer)]
    well = strongest(scored.reasons, "health", "contribution")
    picked = rows[["account_id", "name", "csm", "value", "probability", "product", "basis"]]
    # Where neither signs nor a model speak, what the account does well has to.
    reasons = rows["why"].where(rows["why"] != "", rows["account_id"].map(well).fillna(""))
    return picked.assign(reasons=reasons)


def advocate(scored: Scored, config: Config) -> pd.DataFrame:
    """Healthy promoters who use it as steadily as ever, without open trouble."""
    features = scored.features
    chosen = (
        paying_on(scored)
        & (scored.scores["health_band"] == "green")
        & (features["surveys_nps_latest"] >= config.flags.advocate_nps)
        & ~(features["tickets_urgent_open"] > 0)
        & ~(features["usage_events_trend"] < _FALLING)
        & ~(features["usage_recency_days"] >= _AWAY_DAYS)
    )
    health = strongest(scored.reasons, "health", "contribution")
    return with_reasons(pick(scored, chosen, value="mrr"), health)
