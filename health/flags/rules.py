"""Flags: which accounts a CSM should act on this week, ranked by money."""

from __future__ import annotations

from datetime import date

import pandas as pd

from features.catalogue import describe
from health.config import Config
from health.flags.offers import advocate, cross_sell, upsell
from health.flags.scored import Scored, paying_on, pick, with_reasons
from health.scoring.reasons import strongest

FLAGS = ("at_risk", "upsell", "cross_sell", "renewal", "advocate", "leaving", "silent")
COLUMNS = (
    "account_id",
    "name",
    "csm",
    "flag",
    "rank",
    "value",
    "probability",
    "since",
    "product",
    "reasons",
    "suggested_play",
)


def raise_flags(
    scored: Scored, config: Config, *, as_of: date, previous: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Raise every flag, rank each CSM's lists by money and cut them to the CSM's capacity.

    Parameters
    ----------
    scored : Scored
        Scores, features and reasons of this run.
    config : Config
        Limits, capacity and plays.
    as_of : date
        The date of the run.
    previous : pd.DataFrame, optional
        The flags of the run before: a flag that stood there keeps its `since`.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, one row per flag, ordered by flag, CSM and rank.
    """
    builders = {
        "at_risk": _at_risk,
        "upsell": upsell,
        "cross_sell": cross_sell,
        "advocate": advocate,
        "leaving": _leaving,
        "silent": _silent,
        "renewal": _renewal,
    }
    lists = [_finish(builders[flag](scored, config), flag, config) for flag in FLAGS]
    flags = pd.concat([f for f in lists if len(f)] or lists[:1], ignore_index=True)
    flags["since"] = _since(flags, as_of, previous)
    return flags[list(COLUMNS)]


def _at_risk(scored: Scored, config: Config) -> pd.DataFrame:
    scores = scored.scores
    red = scores["health_band"] == "red"
    likely = (
        scores["churn_probability"] >= config.flags.at_risk_lift * scores["churn_base_rate"]
    ) & scored.model_supports["churn"]
    chosen = paying_on(scored) & (red | likely)
    return with_reasons(_at_stake(scored, chosen), *_worries(scored))


def _renewal(scored: Scored, config: Config) -> pd.DataFrame:
    days = scored.scores["days_to_renewal"]
    chosen = paying_on(scored) & days.between(0, config.flags.renewal_days)
    picked = with_reasons(_at_stake(scored, chosen), *_worries(scored, most=2))
    ends = days.loc[picked.index].map(lambda left: describe("days_to_renewal", left))
    others = (
        picked["reasons"]
        .str.split("; ")
        .map(lambda texts: [text for text in texts if text and text not in set(ends)])
    )
    reasons = ["; ".join([end, *texts]) for end, texts in zip(ends, others, strict=True)]
    return picked.assign(reasons=reasons)


def _at_stake(scored: Scored, chosen: pd.Series[bool]) -> pd.DataFrame:
    """Pick accounts with what may be lost: without a published probability, a year of MRR."""
    picked = pick(scored, chosen, value="expected_loss", probability="churn_probability")
    a_year = scored.scores.loc[picked.index, "mrr"] * 12
    return picked.assign(value=picked["value"].fillna(a_year))


def _worries(scored: Scored, most: int = 3) -> tuple[pd.Series[str], ...]:
    """Return what speaks for leaving, from the model where one stands behind it."""
    health = strongest(scored.reasons, "health", "missing", most)
    churn = strongest(scored.reasons, "churn", "contribution", most)
    return (churn, health) if scored.model_supports["churn"] else (health,)


def _leaving(scored: Scored, config: Config) -> pd.DataFrame:
    picked = pick(scored, ~paying_on(scored), value="mrr")
    reasons = scored.reasons[scored.reasons["term"] != "notice_given"]
    picked = with_reasons(picked, strongest(reasons, "health", "missing", most=2))
    days = scored.features.loc[picked.index, "days_since_notice"]
    texts = zip(days, picked["reasons"], strict=True)
    picked["reasons"] = [
        "; ".join(filter(None, (describe("days_since_notice", since), others)))
        for since, others in texts
    ]
    return picked


def _silent(scored: Scored, config: Config) -> pd.DataFrame:
    recency = scored.features["usage_recency_days"]
    chosen = paying_on(scored) & (recency >= config.flags.silent_days)
    picked = pick(scored, chosen, value="mrr")
    days = recency.loc[picked.index].astype(int).astype(str)
    return picked.assign(reasons="No use for " + days + " days, after there had been some")


def _finish(picked: pd.DataFrame, flag: str, config: Config) -> pd.DataFrame:
    ordered = picked.sort_values(["value", "account_id"], ascending=[False, True])
    by_csm = ordered.groupby("csm", dropna=False, sort=False)
    ranked = ordered.assign(rank=by_csm.cumcount() + 1, flag=flag)
    ranked = ranked[ranked["rank"] <= config.flags.capacity_per_csm]
    ranked["suggested_play"] = config.play(flag)
    return ranked.sort_values(["csm", "rank"], na_position="last")


def _since(flags: pd.DataFrame, as_of: date, previous: pd.DataFrame | None) -> pd.Series:
    today = pd.Series(pd.Timestamp(as_of), index=flags.index)
    if previous is None or previous.empty:
        return today
    keys = ["account_id", "flag", "product"]
    stood = previous[[*keys, "since"]].drop_duplicates(keys)
    merged = flags[keys].merge(stood, on=keys, how="left")
    return pd.to_datetime(merged["since"]).set_axis(flags.index).fillna(today)
