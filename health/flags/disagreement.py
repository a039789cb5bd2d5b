"""Disagreements: the score against the money, and the model against the CSM's call."""

from __future__ import annotations

import numpy as np
import pandas as pd

from health.business.kinds import business_of_scores
from health.business.risk import lift
from health.flags.scored import Scored, pick, staying
from health.presentation.wording import BANDS, day, percent, score
from health.renewals.calls import CALL_TITLES, called_share, current_calls
from health.settings.config import Config

#: The scores that a sentence about the score names.
_WORDED = ["health_score", "health_band", "churn_probability", "churn_base_rate"]


def disagreement(scored: Scored, config: Config) -> pd.DataFrame:
    """Return accounts whose score, churn probability and call contradict each other.

    - *Healthy by score, at risk by money*: the band is green, and the odds of leaving are at least
      `at_risk_lift` times the usual ones.
    - *The reverse*: the band is red, and the odds are below the usual ones divided by
      `least_lift`.
    - *Model against CSM*: the account renews within the horizon, and the share that the CSM's last
      call means differs from the chance of staying by at least `call_difference`.

    None of them is averaged with another: the account is shown with both. Without a published
    probability nobody disagrees with it.

    Parameters
    ----------
    scored : Scored
        Scores, and the CSMs' last calls.
    config : Config
        Limits.
    """
    scores, limits = scored.scores, config.flags
    times = lift(scores["churn_probability"], scores["churn_base_rate"])
    band = scores["health_band"]
    hidden = (band == "green") & (times >= limits.at_risk_lift)
    harmless = (band == "red") & (times <= 1 / limits.least_lift)
    calls = _about_renewals(scored, config)
    differs = (calls["share"] - calls["staying"]).abs() >= limits.call_difference
    chosen = staying(scored) & (hidden | harmless | differs)
    picked = pick(scored, chosen, value="expected_loss", probability="churn_probability")
    if scored.choosing_only:
        return picked.assign(reasons="", cause="", reasons_share=np.nan)
    own = scores.loc[picked.index]
    texts = pd.DataFrame(
        {
            "score": _score_text(own, business_of_scores(scores).risk).where(hidden | harmless, ""),
            "call": _call_text(calls.loc[own.index]).where(differs, ""),
        },
        index=own.index,
        dtype=object,
    )
    reasons = [
        "; ".join(filter(None, pair)) for pair in zip(texts["score"], texts["call"], strict=True)
    ]
    return picked.assign(reasons=reasons, cause="", reasons_share=np.nan)


def _about_renewals(scored: Scored, config: Config) -> pd.DataFrame:
    """Return the call on each account that renews within the horizon, on its index."""
    scores, calls = scored.scores, scored.calls
    days = pd.Series(scores.get("days_to_renewal", np.nan), index=scores.index, dtype=float)
    soon = days.between(0, config.labels.horizon_days - 1)
    if len(calls):
        calls = current_calls(calls, pd.to_datetime(scores["as_of"]).max())
    last = calls.set_index("account_id")
    own = last.reindex(scores["account_id"]).set_axis(scores.index)
    share = called_share(own, 12.0 * scores["mrr"].astype(float))
    stays = (1.0 - scores["churn_probability"].astype(float)).where(soon)
    return own.assign(share=share, staying=stays)


def _score_text(scores: pd.DataFrame, risk: str) -> pd.Series[str]:
    titles = {band.name: band.title.lower() for band in BANDS}
    texts = [
        f"Health {score(row.get('health_score'))} ({titles[row['health_band']]}), but the "
        f"{risk} is {percent(row['churn_probability'])} (usual {percent(row['churn_base_rate'])})"
        for row in scores.reindex(columns=_WORDED).to_dict("records")
    ]
    return pd.Series(texts, index=scores.index, dtype=object)


def _call_text(calls: pd.DataFrame) -> pd.Series[str]:
    texts = [
        f"{row['author']} called {CALL_TITLES[row['call']].lower()} on "
        f"{day(row['created_at'])}, but the model gives a {percent(row['staying'])} chance "
        "of staying"
        if isinstance(row["call"], str)
        else ""
        for row in calls.to_dict("records")
    ]
    return pd.Series(texts, index=calls.index, dtype=object)
