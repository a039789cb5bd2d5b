"""Flags of growth: who to offer more to, and who would speak for us."""

from __future__ import annotations

import pandas as pd

from health.config import Config
from health.flags.scored import Scored, paying_on, pick, with_reasons
from health.scoring.reasons import strongest


def _offer_allowed(scored: Scored) -> pd.Series[bool]:
    """No offer to an account that is red, leaving, onboarding, or waits on an urgent ticket."""
    scores = scored.scores
    return (
        (scores["health_band"] != "red")
        & paying_on(scored)
        & (scores["stage"] != "onboarding")
        & ~(scored.features["tickets_urgent_open"] > 0)
    )


def upsell(scored: Scored, config: Config) -> pd.DataFrame:
    """Accounts likely to take more of what they hold, or near the limit of it."""
    scores = scored.scores
    lifted = (
        scores["upsell_probability"] >= config.flags.expansion_lift * scores["upsell_base_rate"]
    ) & scored.model_supports["upsell"]
    near_limit = (scored.features["usage_seat_utilisation_28d"] >= 0.9) | (
        scored.features["usage_quota_use_30d"] >= 0.9
    )
    chosen = _offer_allowed(scored) & (lifted | near_limit) & (scores["upsell_value"] > 0)
    picked = pick(scored, chosen, value="upsell_value", probability="upsell_probability")
    return with_reasons(picked, *_offer_reasons(scored, "upsell"))


def cross_sell(scored: Scored, config: Config) -> pd.DataFrame:
    """Accounts with a product not held that is worth offering."""
    scores = scored.scores
    lifted = scores["cross_sell_probability"] >= (
        config.flags.expansion_lift * scores["cross_sell_base_rate"]
    )
    chosen = (
        _offer_allowed(scored)
        & (lifted | ~pd.Series(scored.model_supports["cross_sell"], index=scores.index))
        & (scores["cross_sell_value"] > 0)
    )
    picked = pick(
        scored,
        chosen,
        value="cross_sell_value",
        probability="cross_sell_probability",
        product="cross_sell_product",
    )
    return with_reasons(picked, *_offer_reasons(scored, "cross_sell"))


def _offer_reasons(scored: Scored, output: str) -> tuple[pd.Series[str], ...]:
    """Return what speaks for an offer, or where no model speaks, what the account does well."""
    well = strongest(scored.reasons, "health", "contribution")
    return strongest(scored.reasons, output, "contribution"), well


def advocate(scored: Scored, config: Config) -> pd.DataFrame:
    """Healthy promoters without open trouble."""
    features = scored.features
    chosen = (
        paying_on(scored)
        & (scored.scores["health_band"] == "green")
        & (features["surveys_nps_latest"] >= config.flags.advocate_nps)
        & ~(features["tickets_urgent_open"] > 0)
    )
    health = strongest(scored.reasons, "health", "contribution")
    return with_reasons(pick(scored, chosen, value="mrr"), health)
