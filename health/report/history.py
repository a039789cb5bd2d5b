"""Earlier runs: how scores changed, and which measures changed them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from health.presentation.wording import text_of
from health.reasons.sentences import each_once
from health.runs.directory import PublishedRun
from health.scorecard.change import sum_causes

_SCORES = ["account_id", "as_of", "health_score", "health_band", "mrr"]
CHANGES = ["account_id", "term", "kind", "change", "text"]
#: A measure that changed the score by less than this many points is not listed as a cause.
_LEAST_MOVE = 0.05


def no_changes() -> pd.DataFrame:
    """Return an empty table of changes."""
    return pd.DataFrame(columns=CHANGES).astype({"change": float})


@dataclass(frozen=True)
class History:
    """Earlier runs, as far as a report shows them.

    Attributes
    ----------
    scores : pd.DataFrame
        account_id, as_of, health_score, health_band, mrr: one row per account and earlier run; of
        runs before the last, at least those of the accounts in `complete`.
    changes : pd.DataFrame
        account_id, term, kind, change, text: what changed the scores since the previous run, at
        least those of the accounts that are shown.
    summed : pd.DataFrame, optional
        The changes of all accounts as from `sum_causes`; by default those in `changes`.
    complete : frozenset of str, optional
        The accounts whose scores are there of all these runs: only they have lines. None: all.
    """

    scores: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=_SCORES))
    changes: pd.DataFrame = field(default_factory=no_changes)
    complete: frozenset[str] | None = None
    summed: pd.DataFrame | None = None

    @classmethod
    def of_runs(
        cls,
        runs: Sequence[PublishedRun],
        changes: pd.DataFrame | None = None,
        *,
        accounts: Collection[str] | None = None,
        summed: pd.DataFrame | None = None,
        most: int = 11,
    ) -> History:
        """Read the last `most` of some earlier runs; empty where there is none.

        Parameters
        ----------
        runs : sequence of PublishedRun
            Oldest first.
        changes, summed : pd.DataFrame, optional
            As of `History`.
        accounts : collection of str, optional
            Of runs before the last, only these accounts are read: all rows of many runs of a large
            company do not fit in memory.
        most : int
            Runs that are read.
        """
        if not runs:
            return cls()
        some = None if accounts is None else [("account_id", "in", list(accounts))]
        *others, last = runs[-most:]
        read = [run.table("scores", _SCORES, filters=some) for run in others]
        scores = pd.concat([*read, last.table("scores", _SCORES)])
        moved = no_changes() if changes is None else changes[CHANGES]
        complete = None if accounts is None or not others else frozenset(accounts)
        return cls(scores.reset_index(drop=True), moved, complete, summed)

    @property
    def causes(self) -> pd.DataFrame:
        """The changes of all accounts, summed by CSM and cause."""
        return sum_causes(self.changes) if self.summed is None else self.summed

    def of_csm(self, csm: str, accounts: pd.Series[str]) -> History:
        """Return what is known of one CSM's accounts; the CSM is empty for those without one."""
        summed = self.summed
        if summed is not None:
            summed = summed[each_once(summed["csm"], text_of) == csm]
        return replace(
            self,
            scores=self.scores[self.scores["account_id"].isin(accounts)],
            changes=self.changes[self.changes["account_id"].isin(accounts)],
            summed=None
            if self.summed is None
            else self.summed[each_once(self.summed["csm"], text_of) == csm],
        )

    @property
    def last(self) -> pd.DataFrame:
        """The scores of the previous run."""
        if self.scores.empty:
            return self.scores
        dates = pd.to_datetime(self.scores["as_of"])
        return self.scores[dates == dates.max()]

    def lines(self, accounts: pd.Series[str]) -> dict[str, list[float]]:
        """Return the earlier scores of some accounts, oldest first, NaN where not scored."""
        own = self.scores[self.scores["account_id"].isin(accounts)]
        if self.complete is not None:
            own = own[own["account_id"].isin(self.complete)]
        if own.empty:
            return {}
        wide = own.pivot_table(
            index="account_id", columns="as_of", values="health_score", dropna=False, aggfunc="last"
        )
        table = wide.to_numpy(dtype=float)
        return dict(zip(wide.index, table.tolist(), strict=True))


def score_changes(history: History, accounts: pd.Series[str]) -> pd.DataFrame:
    """Return what changed the health score of some accounts since the previous run.

    Parameters
    ----------
    history : History
        Its changes are exact, measure by measure.
    accounts : pd.Series of str
        Accounts to explain; those not scored in both runs are left out.

    Returns
    -------
    pd.DataFrame
        account_id, term, kind, change (points), text: the largest changes first within an
        account, without negligible ones.
    """
    own = history.changes[history.changes["account_id"].isin(accounts)]
    moved = own.assign(size=own["change"].abs())
    moved = moved[moved["size"] >= _LEAST_MOVE]
    ordered = moved.sort_values(["account_id", "size", "term"], ascending=[True, False, True])
    return ordered[CHANGES].reset_index(drop=True)
