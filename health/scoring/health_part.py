"""The health score's part of a run: columns, points and changes of some accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from features.tables.opened import Tables
from health.presentation.wording import count
from health.runs.directory import PublishedRun
from health.scorecard.change import ScoreInputs
from health.scorecard.overrides import HEALTH, active_overrides
from health.scorecard.score import HealthScores, score_with
from health.scoring.change import change_rows, rows_of
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
    """

    columns: dict[str, Any]
    scores: HealthScores
    changes: pd.DataFrame


@dataclass(frozen=True)
class Percentiles:
    """The percentiles of some accounts among all, as far as scores read any.

    Attributes
    ----------
    now : mapping of str to pd.DataFrame
        As from `percentiles_with`, by the hash of the settings.
    before : pd.DataFrame, optional
        As from `percentiles_before`, by account_id.
    """

    now: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    before: pd.DataFrame | None = None


def score_health_part(
    features: pd.DataFrame,
    overrides: pd.DataFrame,
    config: Config,
    previous: PublishedRun | None,
    percentiles: Percentiles | None = None,
    *,
    with_changes: bool = True,
) -> HealthPart:
    """Score the health of some accounts of one date.

    Parameters
    ----------
    features : pd.DataFrame
        One row per account as of one date, with a range as index.
    overrides : pd.DataFrame
        As from `known_overrides`, of all accounts.
    config : Config
        The scorecard.
    previous : PublishedRun or None
        The previous run, for bands and changes.
    percentiles : Percentiles, optional
        Where measures compare these accounts with others; without it, these accounts are all.
    with_changes : bool
        Whether to explain the changes since the previous run; without it, there are no rows.
    """
    settings, accounts = config.score_settings, features["account_id"]
    among = percentiles or Percentiles()
    health = score_with(settings, features, overrides, percentiles=among.now.get(settings.hash))
    before = rows_of(previous, "scores", BEFORE, accounts) if previous else None
    columns = health_columns(features, health, overrides, settings, before)
    columns["config_hash"] = config.hash
    published = pd.DataFrame({"account_id": accounts, **columns})
    inputs = ScoreInputs(features, overrides, settings, among.now)
    explained = previous if with_changes else None
    return HealthPart(columns, health, change_rows(inputs, published, explained, among.before))


def known_overrides(tables: Tables, accounts: pd.Series[str], day: pd.Timestamp) -> pd.DataFrame:
    """Return the active overrides of some accounts on a date."""
    overrides = active_overrides(tables, [day.to_pydatetime()])
    return overrides[overrides["account_id"].isin(accounts)].reset_index(drop=True)


def without_effect(overrides: pd.DataFrame, scores: pd.DataFrame, config: Config) -> list[str]:
    """Warn about overrides of measures that are not in their account's profile.

    Parameters
    ----------
    overrides : pd.DataFrame
        The active overrides.
    scores : pd.DataFrame
        account_id and health_profile of all accounts.
    config : Config
        The profiles.
    """
    if overrides.empty:
        return []
    profiles = overrides["account_id"].map(scores.set_index("account_id")["health_profile"])
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
