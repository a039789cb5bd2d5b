"""Whether a scorecard ranked the accounts that left: past runs scored again, with what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from health.app.reading.runs import Run, Runs
from health.scorecard.bands import band
from health.scorecard.score import score_with
from health.settings.score import ScoreSettings

FEATURES = "features"
#: Past runs that are scored again at most, and accounts that have to have left.
_MOST_RUNS, _LEAST_LEFT = 4, 10


@dataclass(frozen=True)
class Hindsight:
    """How well old and new scores rank the accounts that left.

    Attributes
    ----------
    runs : tuple of date
        Past runs that were compared; empty where none is old enough.
    accounts, left : int
        Rows, and how many of them left within the horizon.
    old, new : float
        AUC: the chance that an account that left had a lower score than one that stayed.
    """

    runs: tuple[date, ...]
    accounts: int
    left: int
    old: float
    new: float


@dataclass(frozen=True)
class Trial:
    """Every account under two scorecards.

    Attributes
    ----------
    accounts : pd.DataFrame
        account_id, name, csm, mrr, old, new (scores), old_band, new_band.
    bands : pd.DataFrame
        Accounts by old band (rows) and new band (columns).
    """

    accounts: pd.DataFrame
    bands: pd.DataFrame

    @property
    def moved(self) -> pd.DataFrame:
        """The accounts whose band differs, the largest MRR first."""
        moved = self.accounts[self.accounts["old_band"] != self.accounts["new_band"]]
        return moved.sort_values(["mrr", "account_id"], ascending=[False, True])


def try_scorecard(run: Run, old: ScoreSettings, new: ScoreSettings) -> Trial:
    """Score the accounts of a run by two scorecards, without anybody's overrides."""
    accounts = pd.DataFrame(
        run.rows("scores", ["account_id", "name", "csm", run.business.column], order="account_id")
    ).rename(columns={run.business.column: "mrr"})
    features = accounts[["account_id"]].merge(_features(run, old, new), on="account_id", how="left")
    accounts["name"] = accounts["name"].fillna(accounts["account_id"])
    for name, settings in (("old", old), ("new", new)):
        score = score_with(settings, features).score
        accounts[name] = score
        accounts[f"{name}_band"] = band(score, settings.scorecard.bands).fillna("")
    order = ["red", "yellow", "green", ""]
    bands = pd.crosstab(accounts["old_band"], accounts["new_band"])
    return Trial(accounts, bands.reindex(index=order, columns=order, fill_value=0))


def look_back(runs: Runs, run: Run, old: ScoreSettings, new: ScoreSettings) -> Hindsight:
    """Compare both scorecards on past runs whose outcome is known by now.

    An account left where a past run has it and the newest run does not; a run counts from
    horizon days before the newest on.
    """
    until = run.as_of - timedelta(days=int(run.info["horizon_days"]))
    known = [
        opened
        for published in runs.published()
        if published.as_of <= until and (opened := runs.open(published)).has(FEATURES)
    ]
    places = np.unique(np.linspace(0, len(known) - 1, min(len(known), _MOST_RUNS)).round())
    present = {row["account_id"] for row in run.rows("scores", ["account_id"])}
    frames, days = [], []
    for place in places.astype(int):
        past = known[place]
        features = _features(past, old, new)
        frames.append(
            pd.DataFrame(
                {
                    "left": ~features["account_id"].isin(present),
                    "old": score_with(old, features).score,
                    "new": score_with(new, features).score,
                }
            ).dropna()
        )
        days.append(past.as_of)
    rows = pd.concat(frames) if frames else pd.DataFrame(columns=["left", "old", "new"])
    left = int(rows["left"].sum())
    if left < _LEAST_LEFT or left == len(rows):
        return Hindsight((), len(rows), left, np.nan, np.nan)
    target = rows["left"].astype(bool)
    aucs = [float(roc_auc_score(target, -rows[name].astype(float))) for name in ("old", "new")]
    return Hindsight(tuple(days), len(rows), left, *aucs)


def _features(run: Run, *settings: ScoreSettings) -> pd.DataFrame:
    known = run.columns(FEATURES)
    wanted = dict.fromkeys(["account_id", *(c for s in settings for c in s.columns)])
    columns = [name for name in wanted if name in known]
    frame = run.published.table(FEATURES, columns)
    return frame.assign(**{name: np.nan for name in wanted if name not in known})
