"""What the runs before say: how accounts moved, and which measures moved them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from health.weekly.run_directory import PublishedRun

_SCORES = ["account_id", "as_of", "health_score", "health_band", "mrr"]
_REASONS = ["account_id", "output", "term", "contribution"]
#: A measure that moved the score by less than this is not named as a cause, in points.
_LEAST_MOVE = 0.05


@dataclass(frozen=True)
class History:
    """Earlier runs, as far as a report shows them.

    Attributes
    ----------
    scores : pd.DataFrame
        account_id, as_of, health_score, health_band, mrr: one row per account and earlier run.
    reasons : pd.DataFrame
        account_id, output, term, contribution of the run just before this one.
    """

    scores: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_SCORES))
    reasons: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_REASONS))

    @classmethod
    def of_runs(cls, runs: Sequence[PublishedRun], *, most: int = 11) -> History:
        """Read the last `most` of some earlier runs, oldest first; empty where there is none."""
        if not runs:
            return cls()
        scores = pd.concat([run.table("scores", _SCORES) for run in runs[-most:]])
        return cls(scores.reset_index(drop=True), runs[-1].table("reasons", _REASONS))

    @property
    def last(self) -> pd.DataFrame:
        """The scores of the run just before."""
        if self.scores.empty:
            return self.scores
        dates = pd.to_datetime(self.scores["as_of"])
        return self.scores[dates == dates.max()]

    def lines(self, accounts: pd.Series[str]) -> dict[str, list[float]]:
        """Return the earlier scores of some accounts, oldest first, NaN where not scored."""
        own = self.scores[self.scores["account_id"].isin(accounts)]
        if own.empty:
            return {}
        wide = own.pivot_table(
            index="account_id", columns="as_of", values="health_score", dropna=False, aggfunc="last"
        )
        table = wide.to_numpy(dtype=float)
        return dict(zip(wide.index, table.tolist(), strict=True))


def score_changes(
    reasons: pd.DataFrame, history: History, accounts: pd.Series[str]
) -> pd.DataFrame:
    """Split the change of the health score since the run before by measure, exactly.

    Parameters
    ----------
    reasons : pd.DataFrame
        Rows of reasons.parquet of this run.
    history : History
        The runs before.
    accounts : pd.Series of str
        Accounts to explain; those not scored in both runs are left out.

    Returns
    -------
    pd.DataFrame
        account_id, term, change (points), text: the largest moves first within an account,
        without those that moved nothing to speak of.
    """
    if history.reasons.empty or reasons.empty:
        return pd.DataFrame(columns=["account_id", "term", "change", "text"]).astype(
            {"change": float}
        )
    now, then = (
        frame[(frame["output"] == "health") & frame["account_id"].isin(accounts)]
        for frame in (reasons, history.reasons)
    )
    both = set(now["account_id"]) & set(then["account_id"])
    keys = ["account_id", "term"]
    moved = now[now["account_id"].isin(both)].merge(
        then.loc[then["account_id"].isin(both), [*keys, "contribution"]],
        on=keys,
        how="outer",
        suffixes=("", "_then"),
    )
    change = moved["contribution"].fillna(0.0) - moved["contribution_then"].fillna(0.0)
    gone = "No longer measured: " + moved["term"].astype(str).str.replace("_", " ")
    moved = moved.assign(change=change, text=moved["text"].fillna(gone), size=change.abs())
    moved = moved[moved["size"] >= _LEAST_MOVE]
    ordered = moved.sort_values(["account_id", "size", "term"], ascending=[True, False, True])
    return ordered[[*keys, "change", "text"]].reset_index(drop=True)
