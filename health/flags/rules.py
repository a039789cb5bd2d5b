"""Flags: which accounts a CSM should act on this week, ranked by expected value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from features.catalogue import describe
from health.business.kinds import business_of_scores
from health.business.risk import at_risk, red_for_a_reason, unused
from health.expansion.steps import DETAILS
from health.flags.actions import no_actions
from health.flags.capacity import LISTED, fit_week, unassigned_warning
from health.flags.disagreement import disagreement
from health.flags.episodes import KEYS, OPEN, cleared, continued_episodes, with_states
from health.flags.my_week import merged_week, rule_in_words
from health.flags.offers import advocate, cross_sell, upsell
from health.flags.orders import silence_in_words
from health.flags.scored import Scored, pick, staying, with_reasons
from health.reasons.reasons import below_each_other, strongest_reasons
from health.reasons.sentences import each_once
from health.settings.config import Config
from health.settings.rule import RULE_TERM
from models.clv.lifetime_value import MONTHS_AT_RISK

#: Stands where no reason may be shown.
_MANY = "No single reason stands out; many small ones add up"
_NOTHING = "Nothing unusual"
#: Flags of accounts that a contact may save.
_TO_KEEP = ("at_risk", "renewal", "silent")
FLAGS = (
    *("at_risk", "upsell", "cross_sell", "renewal", "disagreement"),
    *("advocate", "leaving", "silent"),
)
COLUMNS = (
    "account_id",
    "name",
    "csm",
    "flag",
    "rank",
    "value",
    "probability",
    "basis",
    "since",
    "product",
    "reasons",
    "suggested_play",
    "last_action",
    "last_action_at",
    "note",
    "base_rate",
    "step_mrr",
    *DETAILS,
    "asked",
    "cause",
    "reasons_share",
)
EPISODE_COLUMNS = (
    *KEYS,
    "csm",
    "since",
    "state",
    "until",
    "value",
    "probability",
    "last_action",
    "last_action_at",
    "note",
)
#: Columns of candidates that decide which of them are shown, or that are kept of all.
_OF_EPISODES = (*KEYS, "csm", "value", "probability", "asked")


@dataclass(frozen=True)
class Raised:
    """The flags of a week.

    Attributes
    ----------
    flags : pd.DataFrame
        Columns `COLUMNS`: what the lists show, ordered by flag, CSM and rank. `value` is money in
        a year, as in the week: what is expected to be lost (at_risk, renewal, disagreement,
        silent) or gained
        (upsell, cross_sell), or all that an account that gave notice pays (leaving); NaN for
        advocates and where no probability is published.
    week : pd.DataFrame
        Columns of `my_week`: one row per account, by CSM and rank.
    episodes : pd.DataFrame
        Columns `EPISODE_COLUMNS`: a row per condition that holds, shown or not, and why not:
        state is listed, waiting (no room), held_out, pending (too young), snoozed or closed.
    cleared : pd.DataFrame
        Episodes of the run before whose condition has ended.
    warnings : list of str
        What a reader of the lists must know.
    rule : str
        The rule by which accounts got into the weeks, in words.
    """

    flags: pd.DataFrame
    week: pd.DataFrame
    episodes: pd.DataFrame
    cleared: pd.DataFrame
    warnings: list[str]
    rule: str

    @property
    def counts(self) -> dict[str, int]:
        """How many conditions are in each state, and how many ended."""
        states = self.episodes["state"].value_counts().sort_index()
        return {**{str(k): int(v) for k, v in states.items()}, "cleared": len(self.cleared)}


def list_flags(
    scored: Scored,
    config: Config,
    *,
    as_of: date,
    previous: pd.DataFrame | None = None,
    actions: pd.DataFrame | None = None,
    savable: pd.Series[float] | None = None,
) -> Raised:
    """List the accounts that fit each CSM's week, by expected value, without any sentence.

    Parameters
    ----------
    scored : Scored
        Scores and features of this run; `scored.reasons` is not read.
    config : Config
        Limits and capacity.
    as_of : date
        The date of the run.
    previous : pd.DataFrame, optional
        The episodes of the previous run: a condition that was met there continues, and stays
        under an easier limit.
    actions : pd.DataFrame, optional
        What people did about flags, as from `read_actions`.
    savable : pd.Series of float, optional
        By account_id, how much a contact lowers the chance of leaving: accounts to keep are then
        ordered by a year of their MRR times it.

    Returns
    -------
    Raised
        To be completed by `word_flags`. The flags have the columns of episodes, `rank`, and
        `week_rank`: the rank of the account in its CSM's week.
    """
    episodes = _held_conditions(scored, config, as_of, previous, actions)
    csms = scored.scores["csm"]
    by_value = bool(scored.scores["churn_probability"].notna().any())
    episodes["worth"] = _worth(episodes, savable)
    open_ = episodes["state"] == OPEN
    fitted = fit_week(episodes[open_], csms, config.flags, by_value=by_value)
    rest = episodes[~open_]
    episodes = pd.concat([f for f in (fitted, rest) if len(f)] or [fitted], ignore_index=True)
    listed = ranked(fitted[fitted["state"] == LISTED])
    return Raised(
        _in_order(listed),
        merged_week(listed.head(0), scored, as_of=as_of, config=config),
        _in_order(episodes)[list(EPISODE_COLUMNS)],
        cleared(episodes, previous),
        unassigned_warning(csms, config.flags),
        rule_in_words(
            config,
            least_gain=scored.least_gain,
            by_value=by_value,
            has_terms=business_of_scores(scored.scores).has_terms,
            by_savable=savable is not None,
        ),
    )


def _held_conditions(
    scored: Scored,
    config: Config,
    as_of: date,
    previous: pd.DataFrame | None,
    actions: pd.DataFrame | None,
) -> pd.DataFrame:
    """Return the conditions that hold as episodes, with the MRR and the order of their account."""
    choosing = replace(scored, reasons=scored.reasons.head(0), choosing_only=True)
    relaxed = config.model_copy(update={"flags": config.flags.relaxed()})
    # Most conditions are not shown: what only a list shows is added by `word_flags`.
    strict = _candidates(choosing, config, KEYS)
    easy = _candidates(choosing, relaxed, _OF_EPISODES)
    episodes = continued_episodes(strict, easy, previous, as_of)
    done = no_actions() if actions is None else actions
    episodes = with_states(episodes, done, config.flags, as_of)
    at = pd.Index(scored.scores["account_id"]).get_indexer(pd.Index(episodes["account_id"]))
    episodes["mrr"] = scored.scores["mrr"].to_numpy()[at]
    # Numbers are sorted many times faster than texts.
    episodes["order"] = pd.factorize(scored.scores["account_id"], sort=True)[0][at]
    return episodes


def _worth(episodes: pd.DataFrame, savable: pd.Series[float] | None) -> pd.Series[float]:
    """Return what rows are ordered by: their value, or what a contact is expected to save."""
    value = episodes["value"].astype(float)
    if savable is None:
        return value
    effect = episodes["account_id"].map(savable).clip(lower=0.0)
    saved = 12 * episodes["mrr"].astype(float) * effect
    return value.mask(episodes["flag"].isin(_TO_KEEP), saved)


def ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return listed rows with rank: 1 is worth most among those of its flag and CSM."""
    ordered = rows.sort_values(
        ["flag", "csm", "worth", "mrr", "account_id"],
        ascending=[True, True, False, False, True],
        na_position="last",
    )
    groups = [ordered["flag"], ordered["csm"].fillna("")]
    return ordered.assign(rank=ordered.groupby(groups, sort=False).cumcount() + 1)


def word_flags(raised: Raised, scored: Scored, config: Config, *, as_of: date) -> Raised:
    """Add the sentences to each flag, and merge the flags of each account into its week.

    Parameters
    ----------
    raised : Raised
        As from `list_flags`.
    scored : Scored
        Scores, features and reasons of the flagged accounts at least.
    config : Config
        Limits and plays.
    as_of : date
        The date of the run.
    """
    own = scored.of_accounts(raised.flags["account_id"])
    relaxed = config.model_copy(update={"flags": config.flags.relaxed()})
    shown = [name for name in COLUMNS if name not in raised.flags and name != "suggested_play"]
    worded = _candidates(own, relaxed, [*KEYS, *shown]).drop_duplicates(KEYS)
    both = raised.flags.merge(worded, on=KEYS, how="left")
    for name in ("reasons", "cause"):
        both[name] = both[name].fillna("")
    both["suggested_play"] = [
        config.play(flag, cause) for flag, cause in zip(both["flag"], both["cause"], strict=True)
    ]
    week = merged_week(both, own, as_of=as_of, config=config)
    return replace(raised, flags=both[list(COLUMNS)], week=week)


def _candidates(scored: Scored, config: Config, columns: Sequence[str]) -> pd.DataFrame:
    """Return every account for which a flag's condition holds, whether or not there is room."""
    lists = [
        build(scored, config).assign(flag=flag)[list(columns)] for flag, build in _BUILDERS.items()
    ]
    return below_each_other([f for f in lists if len(f)] or lists[:1])


def _in_order(flags: pd.DataFrame) -> pd.DataFrame:
    places = flags["flag"].map({flag: place for place, flag in enumerate(FLAGS)})
    keyed = flags.assign(place=places)
    by = ["place", "csm", *(["rank"] if "rank" in flags else []), "order"]
    ordered = keyed.sort_values(by, na_position="last", kind="stable")
    return ordered.drop(columns="place").reset_index(drop=True)


def at_risk_list(scored: Scored, config: Config) -> pd.DataFrame:
    """Return the accounts at risk that fit the weeks of their CSMs.

    Parameters
    ----------
    scored : Scored
        Of the scores account_id, name, csm, mrr, health_band, churn_probability, churn_base_rate
        and expected_loss; of the features notice_given.
    config : Config
        Limits and capacity.
    """
    candidates = _at_risk(scored, config).assign(flag="at_risk")
    candidates["mrr"] = candidates["account_id"].map(scored.scores.set_index("account_id")["mrr"])
    by_value = bool(scored.scores["churn_probability"].notna().any())
    fitted = fit_week(candidates, scored.scores["csm"], config.flags, by_value=by_value)
    return fitted[fitted["state"] == LISTED]


def _at_risk(scored: Scored, config: Config) -> pd.DataFrame:
    scores = scored.scores
    may_leave = red_for_a_reason(scores, config.flags)
    if scored.model_supports["churn"]:
        may_leave = at_risk(scores, config.flags)
    chosen = staying(scored) & may_leave
    picked = with_reasons(_at_stake(scored, chosen), *_worries(scored, chosen))
    return picked.assign(reasons=picked["reasons"].where(picked["reasons"] != "", _MANY))


def _renewal(scored: Scored, config: Config) -> pd.DataFrame:
    days = scored.scores["days_to_renewal"]
    chosen = staying(scored) & days.between(0, config.flags.renewal_days)
    picked = with_reasons(_at_stake(scored, chosen), *_worries(scored, chosen))
    return picked.assign(reasons=picked["reasons"].where(picked["reasons"] != "", _NOTHING))


def _at_stake(scored: Scored, chosen: pd.Series[bool]) -> pd.DataFrame:
    """Pick accounts with their expected loss; NaN where no probability is published."""
    return pick(
        scored,
        chosen,
        value="expected_loss",
        probability="churn_probability",
    )


def _worries(scored: Scored, chosen: pd.Series[bool]) -> tuple[pd.DataFrame, ...]:
    """Return what speaks for leaving, from the model where it has a signal.

    Causes are compared among the chosen accounts.
    """
    listed = scored.scores.loc[chosen.to_numpy(dtype=bool), "account_id"]
    reasons = scored.reasons[scored.reasons["account_id"].isin(listed)]
    health = strongest_reasons(reasons, "health", "missing")
    churn = strongest_reasons(reasons, "churn", "contribution")
    return (churn, health) if scored.model_supports["churn"] else (health,)


def _leaving(scored: Scored, config: Config) -> pd.DataFrame:
    picked = pick(scored, ~staying(scored), value="mrr")
    # All of it is going to be lost.
    picked["value"] *= MONTHS_AT_RISK
    if scored.choosing_only:
        return picked.assign(reasons="", cause="", reasons_share=np.nan)
    # That notice was given is stated with its date; a rule about it adds nothing.
    is_known = each_once(
        scored.reasons["term"], lambda term: term == "notice_given" or term.startswith(RULE_TERM)
    )
    reasons = scored.reasons[~is_known.astype(bool)]
    picked = with_reasons(picked, strongest_reasons(reasons, "health", "missing", most=2))
    days = scored.features.loc[picked.index, "days_since_notice"]
    texts = zip(days, picked["reasons"], strict=True)
    picked["reasons"] = [
        "; ".join(filter(None, (describe("days_since_notice", since), others)))
        for since, others in texts
    ]
    # The notice explains it, whatever share of the missing points the other reasons have.
    return picked.assign(reasons_share=np.nan)


def _silent(scored: Scored, config: Config) -> pd.DataFrame:
    away = unused(scored.features, config.flags)
    idle = business_of_scores(scored.scores).stopped(scored.features, config.flags)
    chosen = staying(scored) & (away | idle)
    picked = _at_stake(scored, chosen)
    own = scored.features.loc[picked.index]
    days = own["usage_recency_days"].fillna(0.0).astype(int).astype(str)
    texts = "No use for " + days + " days, but used before"
    ordering = pd.Series(silence_in_words(own), index=own.index, dtype=object)
    reasons = texts.where(away.loc[picked.index], ordering)
    return picked.assign(reasons=reasons, cause="", reasons_share=np.nan)


_BUILDERS: dict[str, Callable[[Scored, Config], pd.DataFrame]] = {
    "at_risk": _at_risk,
    "upsell": upsell,
    "cross_sell": cross_sell,
    "renewal": _renewal,
    "disagreement": disagreement,
    "advocate": advocate,
    "leaving": _leaving,
    "silent": _silent,
}
