"""A past made by hand: accounts on four dates, of which some left, and a score that knew or not."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from health.backtest.contenders import MODEL, RULES, USAGE
from health.backtest.past import Past
from health.scorecard.bands import band
from health.settings.config import Config
from health.settings.scorecard import Bands

FIRST = datetime(2026, 1, 4)
DATES = [FIRST + timedelta(days=28 * place) for place in range(4)]


def config(**sections: dict[str, int]) -> Config:
    return Config.model_validate(
        {
            "company": "A & <b>B</b>",
            "tables": {"accounts": {"path": "a.csv"}, "subscriptions": {"path": "s.csv"}},
            "backtest": {"resamples": 50},
            **sections,
        }
    )


def past(
    *, accounts: int = 120, share_left: float = 0.3, knows: float = 0.0, seed: int = 0
) -> Past:
    """Return a past whose score is `knows` × the truth and the rest noise."""
    rng = np.random.default_rng(seed)
    names = np.array([f"A{place:03d}" for place in range(accounts)])
    left = rng.random(accounts) < share_left
    churned_at = pd.Timestamp(DATES[-1]) + pd.to_timedelta(rng.integers(1, 80, accounts), unit="D")
    observations = pd.MultiIndex.from_product([DATES, names], names=["as_of", "account_id"])
    rows = observations.to_frame(index=False)[["account_id", "as_of"]]
    ends = pd.Series(churned_at, index=names).where(pd.Series(left, index=names))
    days = (rows["account_id"].map(ends) - rows["as_of"]).dt.days
    rows["churned"] = (days < 90).astype(float)
    noise = rng.random(len(rows))
    truth = np.where(days < 90, 0.0, 1.0)
    rows["score"] = 100 * (knows * truth + (1 - knows) * noise)
    rows["band"] = band(rows["score"], Bands())
    rows["csm"], rows["room"] = None, 15.0
    rows["group"] = np.where(rows["account_id"].str[-1].astype(int) % 2, "SMB", "<Large>")
    rows["flagged"] = rows["band"] == "red"
    rows[RULES.key] = -rows["score"]
    rows[USAGE.key] = rng.random(len(rows))
    rows[MODEL.key] = -truth + 0.5 * rng.random(len(rows))
    return Past(
        rows=rows,
        points=pd.DataFrame({"usage_events_trend": rows["score"], "notice_given": 80.0}),
        probability=pd.Series(rng.random(len(rows)) / 2),
        churns=pd.DataFrame({"account_id": names[left], "churned_at": churned_at[left]}),
        contenders=(RULES, MODEL, USAGE),
        fits=(),
        weight_fits=(),
    )
