"""The health score's part of a run: columns, reasons, changes, and their inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.tables.opened import Tables
from health.presentation.wording import count
from health.runs.directory import PublishedRun
from health.scorecard.change import ScoreInputs
from health.scorecard.overrides import HEALTH, active_overrides
from health.scorecard.score import HealthScores, score_with
from health.scoring.change import change_rows
from health.scoring.health_columns import BEFORE, health_columns
from health.settings.config import Config


@dataclass(frozen=True)
class HealthPart:
    """What the scorecard contributes to a run.

    Attributes
    ----------
    columns : dict of str to pd.Series
        For scores.parquet, on the index of the features.
    scores : HealthScores
        The points behind them.
    changes : pd.DataFrame
        Rows of changes.parquet.
    overrides : pd.DataFrame
        The active overrides.
    warnings : list of str
        What readers must know.
    """

    columns: dict[str, Any]
    scores: HealthScores
    changes: pd.DataFrame
    overrides: pd.DataFrame
    warnings: list[str]


def score_health_part(
    features: pd.DataFrame, tables: Tables, config: Config, previous: PublishedRun | None
) -> HealthPart:
    """Score the health of every account of a feature table of one date.

    Parameters
    ----------
    features : pd.DataFrame
        One row per account as of one date, with a range as index.
    tables : Tables
        For the overrides.
    config : Config
        The scorecard.
    previous : PublishedRun or None
        The previous run, for bands and changes.
    """
    settings = config.score_settings
    day = pd.Timestamp(features["as_of"].iloc[0])
    overrides = active_overrides(tables, [day.to_pydatetime()])
    known = overrides["account_id"].isin(features["account_id"])
    overrides = overrides[known].reset_index(drop=True)
    health = score_with(settings, features, overrides)
    before = previous.table("scores", BEFORE) if previous else None
    columns = health_columns(features, health, overrides, settings, before)
    columns["config_hash"] = config.hash
    published = pd.DataFrame({"account_id": features["account_id"], **columns})
    return HealthPart(
        columns,
        health,
        change_rows(ScoreInputs(features, overrides, settings), published, previous),
        overrides,
        _without_effect(overrides, published, config),
    )


def _without_effect(overrides: pd.DataFrame, published: pd.DataFrame, config: Config) -> list[str]:
    """Warn about overrides of measures that are not in their account's profile."""
    profiles = overrides["account_id"].map(published.set_index("account_id")["health_profile"])
    within = {m: config.scorecard.profiles_with(m) for m in overrides["measure"].unique()}
    idle = [
        f"{account} ({measure})"
        for account, measure, profile in zip(
            overrides["account_id"], overrides["measure"], profiles, strict=True
        )
        if measure != HEALTH and profile not in within[measure]
    ]
    if not idle:
        return []
    return [
        f"overrides.measure: {count(len(idle), 'override')} without effect: the scorecard of "
        f"the account does not have the measure, e.g. {', '.join(idle[:3])}; remedy: override a "
        "measure that it has, or the whole score (health)"
    ]
