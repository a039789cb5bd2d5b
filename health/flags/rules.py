"""Flags: which accounts a CSM should act on this week, ranked by money."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import pandas as pd

from features.catalogue import describe
from health.flags.actions import no_actions
from health.flags.capacity import LISTED, fit_lists, unassigned_warning
from health.flags.episodes import KEYS, OPEN, begin_or_go_on, cleared, settle
from health.flags.offers import advocate, cross_sell, upsell
from health.flags.orders import silence_in_words, stopped_ordering
from health.flags.scored import Scored, paying_on, pick, with_reasons
from health.reasons.reasons import below_each_other, strongest
from health.reasons.sentences import sentences
from health.settings.config import Config

FLAGS = ("at_risk", "upsell", "cross_sell", "renewal", "advocate", "leaving", "silent")
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


@dataclass(frozen=True)
class Raised:
    """The flags of a week.

    Attributes
    ----------
    flags : pd.DataFrame
        Columns `COLUMNS`: what the lists show, ordered by flag, CSM and rank.
    episodes : pd.DataFrame
        Columns `EPISODE_COLUMNS`: a row per condition that holds, shown or not, and why not:
        state is listed, waiting (no room), held_out, pending (too young), snoozed or closed.
    cleared : pd.DataFrame
        Episodes of the run before whose condition has ended.
    warnings : list of str
        What a reader of the lists must know.
    """

    flags: pd.DataFrame
    episodes: pd.DataFrame
    cleared: pd.DataFrame
    warnings: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """How many conditions are in each state, and how many ended."""
        states = self.episodes["state"].value_counts().sort_index()
        return {**{str(k): int(v) for k, v in states.items()}, "cleared": len(self.cleared)}


def raise_flags(
    scored: Scored,
    config: Config,
    *,
    as_of: date,
    previous: pd.DataFrame | None = None,
    actions: pd.DataFrame | None = None,
) -> Raised:
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
        The episodes of the run before: a condition that held there goes on, and stays under an
        easier limit.
    actions : pd.DataFrame, optional
        What people did about flags, as `read_actions` returns it.
    """
    raised = list_flags(scored, config, as_of=as_of, previous=previous, actions=actions)
    return replace(raised, flags=word_flags(raised.flags, scored, config))


def list_flags(
    scored: Scored,
    config: Config,
    *,
    as_of: date,
    previous: pd.DataFrame | None = None,
    actions: pd.DataFrame | None = None,
) -> Raised:
    """Do what `raise_flags` does, without the sentences; `scored.reasons` is not read."""
    silent = replace(scored, reasons=scored.reasons.head(0))
    relaxed = config.model_copy(update={"flags": config.flags.relaxed()})
    strict, easy = _candidates(silent, config), _candidates(silent, relaxed)
    episodes = begin_or_go_on(strict, easy, previous, as_of)
    done = no_actions() if actions is None else actions
    episodes = settle(episodes, done, config.flags, as_of)
    csms = scored.scores["csm"]
    fitted = fit_lists(episodes[episodes["state"] == OPEN], csms, config.flags)
    rest = episodes[episodes["state"] != OPEN]
    episodes = pd.concat([f for f in (fitted, rest) if len(f)] or [fitted], ignore_index=True)
    listed = fitted[fitted["state"] == LISTED]
    flags = listed.assign(
        reasons="", suggested_play=listed["flag"].map(config.play), rank=listed["rank"].astype(int)
    )
    return Raised(
        _in_order(flags)[list(COLUMNS)],
        _in_order(episodes)[list(EPISODE_COLUMNS)],
        cleared(episodes, previous),
        unassigned_warning(csms, config.flags),
    )


def word_flags(flags: pd.DataFrame, scored: Scored, config: Config) -> pd.DataFrame:
    """Give each flag its sentences.

    Parameters
    ----------
    flags : pd.DataFrame
        Columns `COLUMNS`.
    scored : Scored
        Scores, features and reasons of the flagged accounts at least.
    config : Config
        Limits.
    """
    own = scored.of_accounts(flags["account_id"])
    relaxed = config.model_copy(update={"flags": config.flags.relaxed()})
    worded = _candidates(own, relaxed)[[*KEYS, "reasons"]].drop_duplicates(KEYS)
    both = flags.drop(columns="reasons").merge(worded, on=KEYS, how="left")
    return both.assign(reasons=both["reasons"].fillna(""))[list(COLUMNS)]


def _candidates(scored: Scored, config: Config) -> pd.DataFrame:
    """Return everybody for whom a flag's condition holds, with no regard to room."""
    lists = [build(scored, config).assign(flag=flag) for flag, build in _BUILDERS.items()]
    return below_each_other([f for f in lists if len(f)] or lists[:1])


def _in_order(flags: pd.DataFrame) -> pd.DataFrame:
    places = flags["flag"].map({flag: place for place, flag in enumerate(FLAGS)})
    keyed = flags.assign(place=places)
    by = ["place", "csm", *(["rank"] if "rank" in flags else []), "account_id"]
    ordered = keyed.sort_values(by, na_position="last", kind="stable")
    return ordered.drop(columns="place").reset_index(drop=True)


def at_risk_list(scored: Scored, config: Config) -> pd.DataFrame:
    """Return the at-risk lists of all CSMs, cut to their capacity.

    Parameters
    ----------
    scored : Scored
        Of the scores account_id, name, csm, mrr, health_band, churn_probability, churn_base_rate
        and expected_loss; of the features notice_given.
    config : Config
        Limits and capacity.
    """
    candidates = _at_risk(scored, config).assign(flag="at_risk")
    fitted = fit_lists(candidates, scored.scores["csm"], config.flags)
    return fitted[fitted["state"] == LISTED]


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
    ends = sentences("days_to_renewal", days.loc[picked.index].to_numpy(dtype=float))
    said = [
        "; ".join(dict.fromkeys([end, *texts.split("; ")])) if texts else end
        for end, texts in zip(ends, picked["reasons"], strict=True)
    ]
    return picked.assign(reasons=said)


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
    unused = recency >= config.flags.silent_days
    idle = stopped_ordering(scored, config)
    picked = pick(scored, paying_on(scored) & (unused | idle), value="mrr")
    own = scored.features.loc[picked.index]
    days = own["usage_recency_days"].fillna(0.0).astype(int).astype(str)
    texts = "No use for " + days + " days, after there had been some"
    ordering = pd.Series(silence_in_words(own), index=own.index, dtype=object)
    return picked.assign(reasons=texts.where(unused.loc[picked.index], ordering))


_BUILDERS: dict[str, Callable[[Scored, Config], pd.DataFrame]] = {
    "at_risk": _at_risk,
    "upsell": upsell,
    "cross_sell": cross_sell,
    "renewal": _renewal,
    "advocate": advocate,
    "leaving": _leaving,
    "silent": _silent,
}
