"""Flags across weeks: since when a condition holds, and whether it is shown.

A condition that holds without a break is one episode. It starts on the date of the first run that
finds it, is shown once it has held for long enough, rests where somebody snoozed it or closed the
case, and ends with the first run that does not find it.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from health.flags.actions import NOTE, OUTCOMES, SNOOZE, of_flags
from health.settings.flags import FlagsConfig

KEYS = ["account_id", "flag", "product"]
#: States of an episode: may be shown; too young; snoozed; a closed case.
OPEN, PENDING, SNOOZED, CLOSED = "open", "pending", "snoozed", "closed"


def continued_episodes(
    strict: pd.DataFrame, relaxed: pd.DataFrame, previous: pd.DataFrame | None, as_of: date
) -> pd.DataFrame:
    """Return the conditions that hold, each with the date since when.

    Parameters
    ----------
    strict, relaxed : pd.DataFrame
        Flags whose condition holds, under the limit for a new one and under the easier one for
        one that was raised before. The second includes the first.
    previous : pd.DataFrame, optional
        The episodes of the run before: `KEYS` and since.
    as_of : date
        The date of the run.

    Returns
    -------
    pd.DataFrame
        The rows of `relaxed` that are in `strict` or went on, with `since`, on a new index.
    """
    marked = relaxed.merge(strict[KEYS].assign(begins=True), on=KEYS, how="left")
    if previous is None or previous.empty:
        marked["since"] = pd.NaT
    else:
        before = previous[[*KEYS, "since"]].drop_duplicates(KEYS)
        marked = marked.merge(before, on=KEYS, how="left")
    since = pd.to_datetime(marked["since"])
    holds = marked["begins"].notna() | since.notna()
    marked["since"] = since.fillna(pd.Timestamp(as_of)).astype("datetime64[us]")
    return marked[holds].drop(columns="begins").reset_index(drop=True)


def with_states(
    episodes: pd.DataFrame, actions: pd.DataFrame, config: FlagsConfig, as_of: date
) -> pd.DataFrame:
    """Add the state of each episode and the last action about it.

    Parameters
    ----------
    episodes : pd.DataFrame
        As from `continued_episodes`.
    actions : pd.DataFrame
        As from `read_actions`.
    config : FlagsConfig
        How long a condition must hold and how long a case rests.
    as_of : date
        The date of the run.

    Returns
    -------
    pd.DataFrame
        The same with state, until (when a resting one returns), last_action, last_action_at
        and note (the latest note).
    """
    today = pd.Timestamp(as_of)
    days = {flag: config.hold(flag) for flag in episodes["flag"].unique()}
    young = today - episodes["since"] < pd.to_timedelta(episodes["flag"].map(days), "D")
    state = pd.Series(np.where(young, PENDING, OPEN), index=episodes.index, dtype=object)
    until = pd.Series(pd.NaT, index=episodes.index, dtype="datetime64[us]")
    done = of_flags(actions, episodes)
    written = _last(done[done["reason"].notna()], episodes)
    # A note changes nothing: whatever was decided before it still counts.
    decided = done["action"] != NOTE
    last = _last(pd.concat([done[~decided], done[decided]]), episodes)
    rests = pd.to_timedelta(config.outcome_rests_days, "D")
    snoozed = last["action"] == SNOOZE
    closed = last["action"].isin(OUTCOMES)
    ends = last["until"].fillna(last["at"] + pd.to_timedelta(config.snooze_days, "D"))
    until = until.where(~snoozed, ends).where(~closed, last["at"] + rests)
    resting = until > today
    # An outcome closes the episode it was about, not a later one.
    about = last["at"].dt.normalize() >= episodes["since"]
    state = state.where(~(snoozed & resting), SNOOZED)
    state = state.where(~(closed & resting & about), CLOSED)
    return episodes.assign(
        state=state,
        until=until.where(state.isin([SNOOZED, CLOSED])),
        last_action=last["action"],
        last_action_at=last["at"],
        note=written["reason"],
    )


def _last(done: pd.DataFrame, episodes: pd.DataFrame) -> pd.DataFrame:
    """Return the last action about each episode."""
    return done.drop_duplicates("row", keep="last").set_index("row").reindex(episodes.index)


def cleared(episodes: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Return the episodes of the run before whose condition has ended."""
    if previous is None or previous.empty:
        return pd.DataFrame(columns=[*KEYS, "since"])
    both = previous.merge(episodes[KEYS].assign(open=True), on=KEYS, how="left")
    return both[both["open"].isna()].drop(columns="open").reset_index(drop=True)
