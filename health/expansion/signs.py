"""Signs in use that speak for an offer, with or without a model: sentences for CSMs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.reasons.sentences import sentences
from health.settings.config import Config

#: Seats or quota used to this share are at their limit.
AT_LIMIT = 0.9
#: A product that this share of peers uses or holds is one that peers count on.
_PEERS = 0.5


def upsell_signs(features: pd.DataFrame, config: Config) -> pd.Series[str]:
    """Return what in use speaks for more of what is held; empty where nothing does.

    Seats or quota at the limit, or near it at the pace of the last months; features of a higher
    plan tried.
    """
    near, soon = config.expansion.near_limit_days, config.expansion.near_quota_days
    full = features["usage_quota_use_30d"] >= AT_LIMIT
    sources = {
        "usage_seat_utilisation_28d": features["usage_seat_utilisation_28d"] >= AT_LIMIT,
        "growth_seats_days_to_limit": features["growth_seats_days_to_limit"].between(0.5, near),
        "usage_quota_use_30d": full,
        "usage_quota_days_to_limit": features["usage_quota_days_to_limit"].between(0.5, soon)
        & ~full,
        "growth_higher_plan_tried_28d": features["growth_higher_plan_tried_28d"] > 0,
    }
    return _sentences(sources, features)


def open_signs(offers: pd.DataFrame) -> pd.Series[str]:
    """Return what speaks for a product not held; empty where nothing does.

    Tried without holding it; most peers use what it does or hold it.
    """
    sources = {
        "offer_tried_28d": offers["offer_tried_28d"] > 0,
        "offer_peer_use_28d": (offers["offer_peer_use_28d"] >= _PEERS)
        & ~(offers["offer_tried_28d"] > 0),
        "offer_peer_share": offers["offer_peer_share"] >= _PEERS,
    }
    return _sentences(sources, offers)


def _sentences(sources: dict[str, pd.Series[bool]], frame: pd.DataFrame) -> pd.Series[str]:
    text = pd.Series("", index=frame.index, dtype=object)
    for name, holds in sources.items():
        chosen = holds.to_numpy(dtype=bool)
        said = sentences(name, frame[name].to_numpy(dtype=float)[chosen])
        before = text[chosen]
        text[chosen] = np.where(before == "", said, before + "; " + said)
    return text
