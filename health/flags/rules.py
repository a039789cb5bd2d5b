"""Flags: which accounts a CSM should act on this week, ranked by money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd

from features.catalogue import describe
from health.config import Config
from health.scoring.reasons import strongest

FLAGS = ("at_risk", "upsell", "cross_sell", "advocate", "leaving", "silent")
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


@dataclass(frozen=True)
class Scored:
    """What flags are raised from.

    Attributes
    ----------
    scores : pd.DataFrame
        One row per account as in scores.parquet.
    features : pd.DataFrame
        The features they were made from, in the same order.
    reasons : pd.DataFrame
        Rows as in reasons.parquet.
    model_supports : dict of str to bool
        For churn, upsell and cross_sell: whether a model with signal stands behind them.
    """

    scores: pd.DataFrame
    features: pd.DataFrame
    reasons: pd.DataFrame
    model_supports: dict[str, bool]


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
        "upsell": _upsell,
        "cross_sell": _cross_sell,
        "advocate": _advocate,
        "leaving": _leaving,
        "silent": _silent,
    }
    lists = [_finish(builders[flag](scored, config), flag, config) for flag in FLAGS]
    flags = pd.concat([f for f in lists if len(f)] or lists[:1], ignore_index=True)
    flags["since"] = _since(flags, as_of, previous)
    return flags[list(COLUMNS)]


def _pick(
    scored: Scored, chosen: pd.Series[bool], *, value: str, probability: str = "", product: str = ""
) -> pd.DataFrame:
    scores = scored.scores.loc[chosen.to_numpy(dtype=bool)]
    return pd.DataFrame(
        {
            "account_id": scores["account_id"],
            "name": scores["name"],
            "csm": scores["csm"],
            "value": scores[value],
            "probability": scores[probability] if probability else float("nan"),
            "product": scores[product] if product else None,
        }
    )


def _with_reasons(picked: pd.DataFrame, *sources: pd.Series[str]) -> pd.DataFrame:
    """Take each account's sentences from the first source that has any."""
    texts = pd.Series("", index=picked.index, dtype=object)
    for source in sources:
        texts = texts.where(texts != "", picked["account_id"].map(source).fillna(""))
    return picked.assign(reasons=texts)


def _paying_on(scored: Scored) -> pd.Series[bool]:
    """Accounts that stay as far as anybody knows: no notice was given."""
    return scored.scores["stage"] != "leaving"


def _at_risk(scored: Scored, config: Config) -> pd.DataFrame:
    scores = scored.scores
    red = scores["health_band"] == "red"
    likely = (
        scores["churn_probability"] >= config.flags.at_risk_lift * scores["churn_base_rate"]
    ) & scored.model_supports["churn"]
    chosen = _paying_on(scored) & (red | likely)
    picked = _pick(scored, chosen, value="expected_loss", probability="churn_probability")
    # Without a published probability the money at stake is a year of the account's MRR.
    a_year = scores.loc[picked.index, "mrr"] * 12
    picked["value"] = picked["value"].fillna(a_year)
    health = strongest(scored.reasons, "health", "missing")
    churn = strongest(scored.reasons, "churn", "contribution")
    sources = (churn, health) if scored.model_supports["churn"] else (health,)
    return _with_reasons(picked, *sources)


def _offer_allowed(scored: Scored) -> pd.Series[bool]:
    """No offer to an account that is red, leaving, onboarding, or waits on an urgent ticket."""
    scores = scored.scores
    return (
        (scores["health_band"] != "red")
        & ~scores["stage"].isin(["leaving", "onboarding"])
        & ~(scored.features["tickets_urgent_open"] > 0)
    )


def _upsell(scored: Scored, config: Config) -> pd.DataFrame:
    scores = scored.scores
    lifted = (
        scores["upsell_probability"] >= config.flags.expansion_lift * scores["upsell_base_rate"]
    ) & scored.model_supports["upsell"]
    near_limit = (scored.features["usage_seat_utilisation_28d"] >= 0.9) | (
        scored.features["usage_quota_use_30d"] >= 0.9
    )
    chosen = _offer_allowed(scored) & (lifted | near_limit) & (scores["upsell_value"] > 0)
    picked = _pick(scored, chosen, value="upsell_value", probability="upsell_probability")
    return _with_reasons(picked, *_offer_reasons(scored, "upsell"))


def _cross_sell(scored: Scored, config: Config) -> pd.DataFrame:
    scores = scored.scores
    lifted = scores["cross_sell_probability"] >= (
        config.flags.expansion_lift * scores["cross_sell_base_rate"]
    )
    chosen = (
        _offer_allowed(scored)
        & (lifted | ~pd.Series(scored.model_supports["cross_sell"], index=scores.index))
        & (scores["cross_sell_value"] > 0)
    )
    picked = _pick(
        scored,
        chosen,
        value="cross_sell_value",
        probability="cross_sell_probability",
        product="cross_sell_product",
    )
    return _with_reasons(picked, *_offer_reasons(scored, "cross_sell"))


def _offer_reasons(scored: Scored, output: str) -> tuple[pd.Series[str], ...]:
    """Return what speaks for an offer, or where no model speaks, what the account does well."""
    well = strongest(scored.reasons, "health", "contribution")
    return strongest(scored.reasons, output, "contribution"), well


def _advocate(scored: Scored, config: Config) -> pd.DataFrame:
    features = scored.features
    chosen = (
        _paying_on(scored)
        & (scored.scores["health_band"] == "green")
        & (features["surveys_nps_latest"] >= config.flags.advocate_nps)
        & ~(features["tickets_urgent_open"] > 0)
    )
    health = strongest(scored.reasons, "health", "contribution")
    return _with_reasons(_pick(scored, chosen, value="mrr"), health)


def _leaving(scored: Scored, config: Config) -> pd.DataFrame:
    picked = _pick(scored, ~_paying_on(scored), value="mrr")
    reasons = scored.reasons[scored.reasons["term"] != "notice_given"]
    picked = _with_reasons(picked, strongest(reasons, "health", "missing", most=2))
    days = scored.features.loc[picked.index, "days_since_notice"]
    texts = zip(days, picked["reasons"], strict=True)
    picked["reasons"] = [
        "; ".join(filter(None, (describe("days_since_notice", since), others)))
        for since, others in texts
    ]
    return picked


def _silent(scored: Scored, config: Config) -> pd.DataFrame:
    recency = scored.features["usage_recency_days"]
    chosen = _paying_on(scored) & (recency >= config.flags.silent_days)
    picked = _pick(scored, chosen, value="mrr")
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
