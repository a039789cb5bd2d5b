"""Published runs scored again, from what was known on their dates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import cache

import pandas as pd

from health.business.company import Company, features_of, open_company
from health.business.kinds import business_of, with_money
from health.restate.compare import account_changes, book_changes
from health.runs.directory import PublishedRun
from health.scorecard.overrides import active_overrides
from health.scorecard.score import score_with
from health.scoring.change import FEATURES, OVERRIDES
from health.scoring.health_columns import health_columns
from health.settings.config import Config
from health.settings.score import ScoreSettings

_IDENTITY = ["account_id", "as_of", "csm", "segment", "mrr"]
_PUBLISHED = {
    "health_score": "published_score",
    "health_band": "published_band",
    "scorecard_hash": "published_scorecard_hash",
}


@dataclass(frozen=True)
class Restatement:
    """History under one scorecard, together with what was published.

    Attributes
    ----------
    settings : ScoreSettings
        The scorecard.
    scores : pd.DataFrame
        A row per account and date: health_score, health_band and related columns as restated, and
        published_score, published_band and published_scorecard_hash.
    changes : pd.DataFrame
        As from `account_changes`.
    book : pd.DataFrame
        As from `book_changes`.
    rebuilt : list of str
        Dates whose features were rebuilt from the tables, because their run stored none.
    money : str
        Name of the size of an account in texts.
    """

    settings: ScoreSettings
    scores: pd.DataFrame
    changes: pd.DataFrame
    book: pd.DataFrame
    rebuilt: list[str]
    money: str = "MRR"

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables by file name."""
        return {"scores": self.scores, "changes": self.changes, "book": self.book}


def restate(config: Config, settings: ScoreSettings, runs: Sequence[PublishedRun]) -> Restatement:
    """Score published dates again with one scorecard.

    The features are those stored with a run: what was known when it was published. If it has none,
    they are rebuilt from the tables as of its date; likewise the overrides.

    Parameters
    ----------
    config : Config
        The company.
    settings : ScoreSettings
        The scorecard to score by.
    runs : sequence of PublishedRun
        At least one, oldest first.
    """
    company = cache(lambda: open_company(config))
    frames: list[pd.DataFrame] = []
    for run in runs:
        inputs = _inputs(run, settings, company)
        frames.append(_score(run, *inputs, settings, frames[-1] if frames else None))
    scores = pd.concat(frames, ignore_index=True)
    changes = account_changes(scores)
    rebuilt = [str(run.as_of) for run in runs if not keeps_features(run, settings)]
    money = business_of(runs[-1].info()).money_in_sentence
    return Restatement(settings, scores, changes, book_changes(scores, changes), rebuilt, money)


def _inputs(
    run: PublishedRun, settings: ScoreSettings, company: Callable[[], Company]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return features of the published accounts, and overrides, as known on the date of a run."""
    day = datetime.combine(run.as_of, time())
    kept = keeps_features(run, settings)
    features = run.table(FEATURES) if kept else features_of(company(), day)
    published = run.table("scores", ["account_id", "as_of"])
    features = published.merge(features.drop(columns="as_of"), on="account_id", how="left")
    if run.has(OVERRIDES):
        return features, run.table(OVERRIDES)
    return features, active_overrides(company().opened.tables, [day])


def keeps_features(run: PublishedRun, settings: ScoreSettings) -> bool:
    """Whether a run stored every feature that a scorecard uses."""
    if not run.has(FEATURES):
        return False
    return set(settings.features) <= set(run.columns(FEATURES))


def _score(
    run: PublishedRun,
    features: pd.DataFrame,
    overrides: pd.DataFrame,
    settings: ScoreSettings,
    before: pd.DataFrame | None,
) -> pd.DataFrame:
    published = run.table("scores")
    health = score_with(settings, features, overrides)
    made = health_columns(features, health, overrides, settings, before)
    separate = {
        new: published[old] if old in published.columns else None for old, new in _PUBLISHED.items()
    }
    return with_money(published)[_IDENTITY].assign(**separate, **made)
