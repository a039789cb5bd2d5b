"""Growth flags: upsell, cross-sell and advocates."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from health.expansion.steps import DETAILS
from health.expansion.whitespace import worth_listing
from health.flags.scored import Scored, pick, staying, with_reasons
from health.settings.config import Config

#: Use a fifth below its own baseline falls; two weeks without any is no steady use.
_FALLING, _AWAY_DAYS = math.log(0.8), 14
_COPIED = (
    *("account_id", "name", "csm", "value", "probability", "base_rate", "product", "basis"),
    *("step_mrr", *DETAILS),
)


def upsell(scored: Scored, config: Config) -> pd.DataFrame:
    """Accounts that could take more of a product they own."""
    return _listed(scored, "upsell", config)


def cross_sell(scored: Scored, config: Config) -> pd.DataFrame:
    """Products to offer to accounts that do not own them, one row per account and product."""
    return _listed(scored, "cross_sell", config)


def _listed(scored: Scored, offer: str, config: Config) -> pd.DataFrame:
    """Return the offers worth a place; those without a price come last on their list."""
    rows = scored.whitespace
    rows = rows[rows["offer"] == offer]
    rows = rows[worth_listing(rows, config.flags, scored.least_gain)]
    well = scored.strengths["text"]
    # Where neither signs nor a model speak, what the account does well has to.
    reasons = rows["why"].where(rows["why"] != "", rows["account_id"].map(well).fillna(""))
    return rows[list(_COPIED)].assign(
        asked=rows["asked"] != "",
        reasons=reasons,
        cause="",
        reasons_share=np.nan,
    )


def advocate(scored: Scored, config: Config) -> pd.DataFrame:
    """Healthy promoters whose usage is steady and who have no open problem."""
    features = scored.features
    chosen = (
        staying(scored)
        & (scored.scores["health_band"] == "green")
        & (features["surveys_nps_latest"] >= config.flags.advocate_nps)
        & ~(features["tickets_urgent_open"] > 0)
        & ~(features["usage_events_trend"] < _FALLING)
        & ~(features["usage_recency_days"] >= _AWAY_DAYS)
    )
    return with_reasons(pick(scored, chosen), scored.strengths)
