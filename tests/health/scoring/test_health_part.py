"""The health score's part of a run: two runs after one another, kept and read back."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.catalogue import CATALOGUE
from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.runs.directory import PublishedRun
from health.scoring.health_part import (
    HealthPart,
    known_overrides,
    score_health_part,
    without_effect,
)
from health.scoring.health_reasons import health_reasons
from health.settings.config import Config

FIRST, SECOND = datetime(2026, 6, 7), datetime(2026, 6, 14)
CARD: dict[str, Any] = {
    "components": [
        {
            "name": "use",
            "weight": 3,
            "measures": [
                {"feature": "usage_active_users_28d", "worst": 0, "best": 20},
                {"feature": "usage_recency_days", "worst": 20, "best": 0, "missing": "worst"},
            ],
        },
        {
            "name": "voice",
            "weight": 1,
            "measures": [{"feature": "surveys_nps_latest", "worst": 0, "best": 10}],
        },
    ],
    "rules": [
        {
            "name": "An urgent ticket is open",
            "cap": 50,
            "when": [{"feature": "tickets_urgent_open", "above": 0}],
        }
    ],
}
OVERRIDES = pd.DataFrame(
    {
        "account_id": ["A2", "A3", "A3"],
        "measure": ["health", "surveys_nps_latest", "mrr_change_90d"],
        "value": [20.0, 90.0, 10.0],
        "author": ["Ana", "Bo", "Bo"],
        "reason": ["their sponsor left", "said so on a call", "no such measure here"],
        "created_at": pd.to_datetime(["2026-06-10", "2026-06-01", "2026-06-12"]),
        "expires_at": pd.to_datetime([None, "2026-06-10", None]),
    }
)


def _config(card: dict[str, Any] = CARD) -> Config:
    tables = {name: {"path": f"{name}.csv"} for name in ("accounts", "subscriptions")}
    return Config.model_validate({"tables": tables, "scorecard": card})


def _features(day: datetime, *rows: tuple[float, float, float, float]) -> pd.DataFrame:
    measured = [
        "usage_active_users_28d",
        "usage_recency_days",
        "surveys_nps_latest",
        "tickets_urgent_open",
    ]
    frame = pd.DataFrame(np.nan, index=range(len(rows)), columns=list(CATALOGUE))
    frame[measured] = np.array(rows)
    frame.insert(0, "account_id", [f"A{i}" for i in frame.index])
    frame.insert(1, "as_of", pd.Timestamp(day))
    return frame


def _tables() -> Tables:
    return tables_from_frames({"overrides": OVERRIDES}, observed_until=datetime(2027, 1, 1))


def _overrides(features: pd.DataFrame) -> pd.DataFrame:
    return known_overrides(_tables(), features["account_id"], features["as_of"].iloc[0])


def _scored(features: pd.DataFrame, config: Config, previous: PublishedRun | None) -> HealthPart:
    return score_health_part(features, _overrides(features), config, previous)


def _published(folder: Path, features: pd.DataFrame, part: HealthPart, config: Config) -> Path:
    folder.mkdir()
    features.to_parquet(folder / "features.parquet")
    _overrides(features).to_parquet(folder / "overrides.parquet")
    scores = pd.DataFrame({"account_id": features["account_id"], **part.columns})
    scores.to_parquet(folder / "scores.parquet")
    settings = config.score_settings.model_dump(mode="json")
    (folder / "run.json").write_text(json.dumps({"score_settings": settings}))
    return folder


NAN = float("nan")
BEFORE = [(14, 2, 8, 0), (20, 0, 10, 0), (20, 0, 10, 0), (10, 0, 5, 0), (10, NAN, NAN, 0)]
AFTER = [(6, 4, 8, 0), (20, 0, NAN, 1), (20, 0, 10, 0), (10, 0, 5, 0), (10, 0, NAN, 0)]


@pytest.fixture
def before(tmp_path: Path) -> PublishedRun:
    features = _features(FIRST, *BEFORE)
    part = _scored(features, _config(), None)
    assert part.changes.empty
    folder = _published(tmp_path / "as_of=2026-06-07", features, part, _config())
    return PublishedRun(date(2026, 6, 7), folder)


def _texts(part: HealthPart, account: str) -> list[str]:
    own = part.changes[part.changes["account_id"] == account]
    return [f"{text}: {change:+.2f}" for text, change in own[["text", "change"]].to_numpy()]


def test_changes_are_told_in_sentences_with_numbers(before: PublishedRun) -> None:
    part = _scored(_features(SECOND, *AFTER), _config(), before)
    assert _texts(part, "A0") == [
        "Active users in the last 28 days fell from 14 to 6: -15.00",
        "Days without use rose from 2 to 4: -3.75",
    ]
    assert _texts(part, "A1") == [
        "An urgent ticket is open: health is capped at 50: -50.00",
    ]
    assert _texts(part, "A2") == ["Ana set the health score to 20: their sponsor left: -80.00"]
    what = "latest NPS answer"
    assert _texts(part, "A3") == [f"Bo's override of {what} to 90 has expired: -10.00"]
    assert _texts(part, "A4") == ["Not measured in the last run: used on the day before: +50.00"]


def test_the_parts_sum_to_the_published_change(before: PublishedRun) -> None:
    part = _scored(_features(SECOND, *AFTER), _config(), before)
    sums = part.changes.groupby("account_id", observed=True)["change"].sum()
    published = pd.Series(part.columns["health_change"].to_numpy(), [f"A{i}" for i in range(5)])
    np.testing.assert_allclose(sums, published, atol=1e-9)


def _reasons(features: pd.DataFrame, part: HealthPart) -> pd.DataFrame:
    return health_reasons(features, part.scores, _config().scorecard, _overrides(features))


def test_the_machine_keeps_its_score_beside_the_persons(before: PublishedRun) -> None:
    features = _features(SECOND, *AFTER)
    part = _scored(features, _config(), before)
    assert part.columns["health_score"][2] == 20
    assert part.columns["machine_health_score"][2] == 100
    assert part.columns["health_band"][2] == "red"
    assert part.columns["overridden_by"].tolist()[2] == "Ana"
    scores = pd.DataFrame({"account_id": features["account_id"], **part.columns})
    idle = without_effect(_overrides(features), scores, _config())
    assert "1 override without effect" in idle[0]
    reasons = _reasons(features, part)
    own = reasons[reasons["account_id"] == "A2"].set_index("term")
    assert own.loc["override:health", "contribution"] == -80
    assert (
        own.loc["override:health", "text"] == "Ana set the health score to 20: their sponsor left"
    )


def test_a_new_scorecard_is_told_apart_from_behaviour(before: PublishedRun) -> None:
    lower = {**CARD, "rules": [{**CARD["rules"][0], "cap": 40}]}
    config = _config(lower)
    part = _scored(_features(SECOND, *AFTER), config, before)
    assert "The scorecard was changed: -10.00" in _texts(part, "A1")
    assert part.columns["scorecard_hash"] != _config().score_settings.hash


def test_reasons_say_what_a_missing_value_counted_as(before: PublishedRun) -> None:
    features = _features(FIRST, *BEFORE)
    part = _scored(features, _config(), None)
    rows = _reasons(features, part).set_index(["account_id", "term"])
    row = rows.loc[("A4", "usage_recency_days")]
    assert (row["points"], row["weight"], row["policy"]) == (0, 0.5, "worst")
    assert row["text"] == "No use was ever recorded (counted as 0 points)"
    assert rows.loc[("A0", "usage_active_users_28d"), "points"] == 70


def test_reasons_write_to_no_values_of_their_input(before: PublishedRun) -> None:
    features = _features(FIRST, *BEFORE)
    part = _scored(features, _config(), None)
    expected = _reasons(features, part)
    # As in pandas 3, values of a column are then read-only.
    with pd.option_context("mode.copy_on_write", True):
        pd.testing.assert_frame_equal(_reasons(features, part), expected)


def test_a_run_that_kept_too_little_gives_no_changes(before: PublishedRun) -> None:
    (before.folder / "features.parquet").unlink()
    part = _scored(_features(SECOND, *AFTER), _config(), before)
    assert part.changes.empty
    assert part.columns["health_change"].notna().all()
