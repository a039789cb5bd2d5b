"""Profiles: the first whose criteria hold, else the default; wrong names are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.errors import HealthError
from health.scorecard.profile import applied_profile
from health.scorecard.score import score_health
from health.settings.config import load_config
from health.settings.profiles import require_known_segments
from health.settings.scorecard import Scorecard
from health.settings.stages import DEFAULT_STAGE_CONFIG

TABLES = """
[tables.accounts]
path = "accounts.csv"
[tables.subscriptions]
path = "subscriptions.csv"
"""
ALL_OF = {"name": "all", "weight": 1}
PROFILES = [
    {
        "name": "young SMB",
        "segment": ["SMB"],
        "stage": ["onboarding"],
        "components": [
            {**ALL_OF, "measures": [{"feature": "usage_active_days_28d", "worst": 0, "best": 20}]}
        ],
    },
    {"name": "SMB", "segment": ["SMB"], "minimum_coverage": 0.9},
    {"name": "big", "when": [{"feature": "mrr", "at_least": 1000}], "rules": []},
]
CARD = {
    "components": [
        {**ALL_OF, "measures": [{"feature": "usage_recency_days", "worst": 10, "best": 0}]}
    ],
    "rules": [{"name": "Silent", "cap": 10, "when": [{"feature": "mrr", "above": 0}]}],
    "profiles": PROFILES,
}


def _frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "segment": ["SMB", "SMB", None, "Enterprise"],
            "mrr": [2000.0, 2000, 1000, 999],
            "notice_given": 0.0,
            "tenure_days": [10.0, 400, 400, 10],
            "days_to_renewal": 300.0,
            "expansions_180d": 0.0,
            "usage_active_days_28d": [10.0, 10, 10, 10],
            "usage_recency_days": [2.0, 2, 2, 2],
        }
    )


def test_the_first_profile_that_holds_applies() -> None:
    card = Scorecard.model_validate(CARD)
    names = applied_profile(_frame(), card, DEFAULT_STAGE_CONFIG)
    assert names.tolist() == ["young SMB", "SMB", "big", "default"]
    scores = score_health(_frame(), card)
    # The rule of the default holds in profiles without rules of their own; `big` has none.
    assert scores.score.tolist() == [10, 10, 80, 10]
    assert scores.minimum_coverage.tolist() == [0.2, 0.9, 0.2, 0.2]
    assert scores.points["usage_recency_days"].isna().tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("profile", "key", "message"),
    [
        ("stage = ['onbording']", "scorecard.profiles.0.stage", "no stage is called 'onbording'"),
        ("when = [{ feature = 'arr', above = 1 }]", "profiles.0.when.0", "'arr'"),
        ("when = [{ feature = 'mrr' }]", "profiles.0.when.0", "give one of above"),
        ("minimum_coverage = 0.2", "scorecard.profiles.0", "a profile needs segment, stage"),
        ("segment = ['A']\nname = 'default'", "profiles.0.name", "[scorecard] itself"),
        ("segmnt = ['A']", "scorecard.profiles.0.segmnt", "did you mean 'segment'"),
    ],
)
def test_wrong_criteria_are_refused_by_key(
    tmp_path: Path, profile: str, key: str, message: str
) -> None:
    name = "" if "name =" in profile else "name = 'x'\n"
    path = tmp_path / "health.toml"
    path.write_text(f"{TABLES}[[scorecard.profiles]]\n{name}{profile}\n")
    with pytest.raises(HealthError) as caught:
        load_config(path)
    assert key in str(caught.value)
    assert message in str(caught.value)


def test_a_segment_that_no_account_has_is_refused_by_key() -> None:
    card = Scorecard.model_validate(CARD)
    require_known_segments(card, {"SMB", "Enterprise"}, where="health.toml")
    with pytest.raises(HealthError) as caught:
        require_known_segments(card, {"Enterprise"}, where="health.toml")
    assert "scorecard.profiles.0.segment: no account has the segment 'SMB'" in str(caught.value)
    assert "known are Enterprise" in str(caught.value)


@pytest.mark.parametrize(
    "twice",
    [
        {"profiles": [PROFILES[1], PROFILES[1]]},
        {"components": CARD["components"] * 2},
        {"rules": CARD["rules"] * 2},
    ],
)
def test_names_are_used_once(twice: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"SMB|usage_recency_days|Silent"):
        Scorecard.model_validate({**CARD, **twice})
