"""The portfolio: health of all accounts, and by CSM, segment and parent."""

from __future__ import annotations

import pandas as pd

from health.scorecard.bands import BANDS

#: Groupings of the roll-up: all accounts, and columns of scores.
GROUPINGS = {"all": "", "csm": "csm", "segment": "segment", "parent": "parent_id"}
WEIGHTINGS = ("mrr", "account")
COLUMNS = (
    "grouping",
    "group",
    "accounts",
    "scored",
    "mrr",
    "scored_mrr",
    "health_by_mrr",
    "health_by_account",
    *(f"{band}_accounts" for band in BANDS),
    *(f"{band}_mrr" for band in BANDS),
    "change_by_mrr",
    "change_by_account",
)
#: The group of accounts without a CSM or segment.
NOBODY = "unassigned"


def roll_up(scores: pd.DataFrame, previous: pd.DataFrame | None = None) -> pd.DataFrame:
    """Roll up the scores of a run.

    Parameters
    ----------
    scores : pd.DataFrame
        account_id, csm, segment, parent_id, mrr, health_score, health_band.
    previous : pd.DataFrame, optional
        The roll-up of the previous run, for the changes.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, a row per group of every grouping that the accounts have.
        `health_by_mrr` and `health_by_account` are the mean score of the scored accounts, 0-100,
        weighted by MRR and by account; the changes compare them with the previous run, whichever
        accounts were in the group then. Accounts without CSM or segment are in the group
        ``unassigned``; only parents with child accounts make a group, and an account below a chain
        of parents belongs to the topmost.
    """
    frames = []
    for grouping, column in GROUPINGS.items():
        groups = _groups(scores, grouping, column)
        if groups is not None:
            frames.append(_totals(scores, groups).assign(grouping=grouping))
    rolled = pd.concat(frames, ignore_index=True)
    return _with_changes(rolled, previous)[list(COLUMNS)]


def topmost_parents(scores: pd.DataFrame) -> pd.Series[str]:
    """Return the topmost parent of each account, itself if it has children; else null.

    A circular chain has no top: it ends at the parent whose id comes first.
    """
    own = scores.loc[scores["parent_id"].notna(), ["account_id", "parent_id"]]
    parents = own.set_index("account_id")["parent_id"]
    above = {str(k): str(v) for k, v in parents[parents != parents.index].items()}
    tops = {account: _top(account, above) for account in above}
    named = scores["account_id"].map(tops)
    heads = scores["account_id"].isin(tops.values())
    return named.where(named.notna() | ~heads, scores["account_id"])


def _top(account: str, above: dict[str, str]) -> str:
    seen = [account]
    while seen[-1] in above:
        parent = above[seen[-1]]
        if parent in seen:
            return min(seen[seen.index(parent) :])
        seen.append(parent)
    return seen[-1]


def _groups(scores: pd.DataFrame, grouping: str, column: str) -> pd.Series[str] | None:
    if grouping == "all":
        return pd.Series("all", index=scores.index)
    if column not in scores.columns or scores[column].isna().all():
        return None
    if grouping == "parent":
        return topmost_parents(scores)
    return scores[column].fillna(NOBODY).astype(object)


def _totals(scores: pd.DataFrame, groups: pd.Series[str]) -> pd.DataFrame:
    score = scores["health_score"]
    scored_mrr = scores["mrr"].where(score.notna())
    parts = {
        "accounts": pd.Series(1, index=scores.index),
        "scored": score.notna().astype(int),
        "mrr": scores["mrr"],
        "scored_mrr": scored_mrr,
        "points": score,
        "mrr_points": score * scored_mrr,
    }
    for band in BANDS:
        inside = scores["health_band"] == band
        parts |= {f"{band}_accounts": inside.astype(int), f"{band}_mrr": scores["mrr"] * inside}
    sums = pd.DataFrame(parts).groupby(groups, sort=True).sum()
    sums["health_by_mrr"] = sums["mrr_points"] / sums["scored_mrr"].where(sums["scored_mrr"] > 0)
    sums["health_by_account"] = sums["points"] / sums["scored"].where(sums["scored"] > 0)
    return sums.rename_axis("group").reset_index()


def _with_changes(rolled: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    weights = {f"health_by_{w}": f"change_by_{w}" for w in WEIGHTINGS}
    if previous is None:
        return rolled.assign(**dict.fromkeys(weights.values(), float("nan")))
    keys = ["grouping", "group"]
    then = rolled[keys].merge(previous[[*keys, *weights]], on=keys, how="left")
    return rolled.assign(**{new: rolled[old] - then[old] for old, new in weights.items()})
