"""Evaluation of overrides, from the published runs and what happened afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from features.errors import HealthError
from features.targets.labels import build_labels
from health.business.company import open_company
from health.business.kinds import require_contracts
from health.runs.directory import PublishedRun, list_runs
from health.scorecard.verdicts import first_uses, judge_overrides, verdicts_by_author
from health.scoring.change import OVERRIDES
from health.settings.config import Config

_SCORES = ["account_id", "as_of", "machine_health_score", "health_score"]


@dataclass(frozen=True)
class OverrideReport:
    """Whether the overrides or the scorecard were right.

    Attributes
    ----------
    overrides : pd.DataFrame
        As from `judge_overrides`, the newest first.
    authors : pd.DataFrame
        As from `verdicts_by_author`.
    horizon_days : int
        Days after the first run with an override at which it is evaluated.
    runs : int
        Published runs that kept their overrides.
    """

    overrides: pd.DataFrame
    authors: pd.DataFrame
    horizon_days: int
    runs: int


def report_overrides(config: Config) -> OverrideReport:
    """Evaluate every override that was active in a published run.

    Raises
    ------
    HealthError
        No run kept its overrides.
    """
    runs = [run for run in list_runs(config.runs_dir) if run.has(OVERRIDES)]
    if not runs:
        raise HealthError(
            "no run has kept overrides yet",
            where=str(config.runs_dir),
            fix=f"map [tables.overrides] and run `health score {config.file}`",
        )
    days = config.labels.horizon_days
    held = first_uses(pd.concat([run.table(OVERRIDES) for run in runs], ignore_index=True))
    scores = pd.concat([_scores_of(run, held) for run in runs], ignore_index=True)
    tables = open_company(config).opened.tables
    require_contracts(tables, str(config.file))
    labels = build_labels(
        tables,
        held[["account_id", "as_of"]].drop_duplicates(),
        horizon_days=days,
        grace_days=config.labels.grace_days,
    )
    judged = judge_overrides(held, scores, labels)
    newest = judged.sort_values(["as_of", "account_id"], ascending=[False, True])
    return OverrideReport(
        newest.reset_index(drop=True), verdicts_by_author(judged), days, len(runs)
    )


def _scores_of(run: PublishedRun, held: pd.DataFrame) -> pd.DataFrame:
    scores = run.table("scores", _SCORES)
    return scores[scores["account_id"].isin(held["account_id"])]
