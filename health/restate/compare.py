"""How much of a change is behaviour, and how much is a different scorecard."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

CHANGE_COLUMNS = (
    "account_id",
    "as_of",
    "previous_as_of",
    "published_change",
    "restated_change",
    "behaviour_change",
    "configuration_change",
)
BOOK_COLUMNS = (
    "as_of",
    "previous_as_of",
    "weighting",
    "accounts",
    "published",
    "restated",
    "published_change",
    "restated_change",
    "behaviour_change",
    "configuration_change",
    "mix_change",
)
_PARTS = ["published_change", "restated_change", "behaviour_change", "configuration_change"]


def account_changes(restated: pd.DataFrame) -> pd.DataFrame:
    """Split the published change of each account between consecutive runs.

    If both runs were published with the same scorecard, the whole change is behaviour. If the
    scorecard changed between them, behaviour is the change with the restating scorecard, and
    configuration is the rest of the published change.

    Parameters
    ----------
    restated : pd.DataFrame
        account_id, as_of, published_score, health_score (as restated) and
        published_scorecard_hash: a row per account and date; NaN if not scored.

    Returns
    -------
    pd.DataFrame
        Columns `CHANGE_COLUMNS`, for the accounts that have both scores on both dates;
        behaviour and configuration sum to the published change.
    """
    known = restated.dropna(subset=["published_score", "health_score"])
    days = sorted(restated["as_of"].unique())
    frames = [_between(known, then, now) for then, now in pairwise(days)]
    if not frames:
        return pd.DataFrame(columns=list(CHANGE_COLUMNS)).astype(dict.fromkeys(_PARTS, float))
    return pd.concat(frames, ignore_index=True)[list(CHANGE_COLUMNS)]


def _between(known: pd.DataFrame, then: pd.Timestamp, now: pd.Timestamp) -> pd.DataFrame:
    columns = ["published_score", "health_score", "published_scorecard_hash"]
    before = known[known["as_of"] == then].set_index("account_id")[columns]
    both = (
        known[known["as_of"] == now]
        .set_index("account_id")
        .join(before, rsuffix="_then", how="inner")
    )
    published = both["published_score"] - both["published_score_then"]
    restated = both["health_score"] - both["health_score_then"]
    hashes = both["published_scorecard_hash"], both["published_scorecard_hash_then"]
    # Runs without a scorecard hash may have had any scorecard.
    same = hashes[0].notna() & (hashes[0] == hashes[1])
    behaviour = published.where(same, restated)
    frame = pd.DataFrame(
        {
            "as_of": now,
            "previous_as_of": then,
            "published_change": published,
            "restated_change": restated,
            "behaviour_change": behaviour,
            "configuration_change": published - behaviour,
        }
    )
    return frame.rename_axis("account_id").reset_index()


def book_changes(restated: pd.DataFrame, changes: pd.DataFrame) -> pd.DataFrame:
    """Split the change in the health of all accounts between consecutive runs.

    Parameters
    ----------
    restated : pd.DataFrame
        As for `account_changes`, and mrr.
    changes : pd.DataFrame
        The result of `account_changes`.

    Returns
    -------
    pd.DataFrame
        Columns `BOOK_COLUMNS`, a row per date and weighting (``mrr``, ``account``): the mean score
        as published and as restated, and the parts of the published change since the previous run.
        Behaviour and configuration are means over the accounts in both runs, with their current
        weights; mix is the rest: new and lost accounts, and changed weights.
    """
    frames = [_book(restated, changes, weighting) for weighting in ("mrr", "account")]
    book = pd.concat(frames, ignore_index=True)
    return book.sort_values(["as_of", "weighting"]).reset_index(drop=True)[list(BOOK_COLUMNS)]


def _book(restated: pd.DataFrame, changes: pd.DataFrame, weighting: str) -> pd.DataFrame:
    weights = restated["mrr"] if weighting == "mrr" else pd.Series(1.0, index=restated.index)
    weighed = restated.assign(weight=weights)
    level = pd.DataFrame(
        {
            "accounts": weighed.groupby("as_of")["published_score"].count(),
            "published": _means(weighed, "published_score"),
            "restated": _means(weighed, "health_score"),
        }
    )
    keys = ["account_id", "as_of"]
    moved = changes.merge(weighed[[*keys, "weight"]], on=keys, how="left")
    for part in ("behaviour_change", "configuration_change"):
        level[part] = _means(moved, part)
    for score in ("published", "restated"):
        level[f"{score}_change"] = level[score].diff()
    result = level["behaviour_change"] + level["configuration_change"]
    level["mix_change"] = level["published_change"] - result
    level["previous_as_of"] = pd.Series(level.index, index=level.index).shift()
    return level.rename_axis("as_of").reset_index().assign(weighting=weighting)


def _means(frame: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return the weighted mean of a column by date; NaN if no value is known."""
    known = frame[frame[column].notna()]
    sums = (known[column] * known["weight"]).groupby(known["as_of"]).sum()
    weight = known["weight"].groupby(known["as_of"]).sum()
    return sums / weight.where(weight > 0, np.nan)
