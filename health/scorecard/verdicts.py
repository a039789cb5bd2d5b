"""Who was right, a person's override or the computed score, once the outcome is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.definitions.metrics import wilson_interval

KEYS = ["account_id", "measure", "author", "created_at"]
COLUMNS = (
    *KEYS,
    "value",
    "reason",
    "as_of",
    "machine_health_score",
    "health_score",
    "churned",
    "nearer",
)
#: Scores closer than this are equal.
_SAME = 1e-9
PERSON, MACHINE, NEITHER, OPEN = "person", "machine", "neither", "not known yet"


def first_uses(overrides: pd.DataFrame) -> pd.DataFrame:
    """Return each override once, from the first run in which it was active.

    Parameters
    ----------
    overrides : pd.DataFrame
        Overrides of many runs, with `as_of`.
    """
    ordered = overrides.sort_values("as_of", kind="stable")
    return ordered.drop_duplicates(KEYS).reset_index(drop=True)


def judge_overrides(
    overrides: pd.DataFrame, scores: pd.DataFrame, labels: pd.DataFrame
) -> pd.DataFrame:
    """Compare each override with what happened.

    The right score is 0 for an account that left and 100 for one that stayed; the closer one was
    right. If an override did not change the score, neither was.

    Parameters
    ----------
    overrides : pd.DataFrame
        As from `first_uses`.
    scores : pd.DataFrame
        account_id, as_of, machine_health_score, health_score of those runs.
    labels : pd.DataFrame
        account_id, as_of, churned (1, 0, or NaN if the horizon has not passed).

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`; `nearer` is ``person``, ``machine``, ``neither`` or ``not known yet``.
        Without a computed score there is nothing to compare: ``neither``.
    """
    keys = ["account_id", "as_of"]
    judged = overrides.merge(scores, on=keys, how="left").merge(
        labels[[*keys, "churned"]], on=keys, how="left"
    )
    target = np.where(judged["churned"] == 1, 0.0, 100.0)
    person = (judged["health_score"] - target).abs()
    machine = (judged["machine_health_score"] - target).abs()
    difference = machine - person
    judged["nearer"] = np.select(
        [judged["churned"].isna(), difference > _SAME, difference < -_SAME],
        [OPEN, PERSON, MACHINE],
        default=NEITHER,
    )
    return judged[list(COLUMNS)]


def verdicts_by_author(judged: pd.DataFrame) -> pd.DataFrame:
    """Count who was right, by author and overall (author "").

    Returns
    -------
    pd.DataFrame
        author, overrides, known, person, machine, neither (counts of those with a known outcome),
        share (of the person among the decided ones) with low and high (95 % Wilson interval), NaN
        if none was decided.
    """
    everyone = judged.assign(author="")
    rows = [
        _verdict(str(author), own)
        for frame in (everyone, judged)
        for author, own in frame.groupby("author", sort=True)
    ]
    table = pd.DataFrame(rows, columns=["author", "overrides", "known", PERSON, MACHINE, NEITHER])
    person, decided = (of.to_numpy(float) for of in (table[PERSON], table[PERSON] + table[MACHINE]))
    interval = wilson_interval(person, decided)
    share = person / np.where(decided > 0, decided, np.nan)
    return table.assign(share=share, low=interval.low, high=interval.high)


def _verdict(author: str, own: pd.DataFrame) -> tuple[str | int, ...]:
    counts = own["nearer"].value_counts()
    decided = tuple(int(counts.get(who, 0)) for who in (PERSON, MACHINE, NEITHER))
    return (author, len(own), sum(decided), *decided)
