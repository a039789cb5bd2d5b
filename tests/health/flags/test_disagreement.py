"""Disagreements: score against money, and model against CSM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from health.flags.disagreement import disagreement
from tests.health.flags.test_rules import _config, _scored


def _calls(*rows: tuple[str, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account_id", "call", "created_at"])
    return frame.assign(
        amount=np.nan,
        author="Ann",
        created_at=pd.to_datetime(frame["created_at"]),
        renews_at=pd.NaT,
    )


def test_healthy_by_score_and_at_risk_by_money_and_the_reverse() -> None:
    scored = _scored(
        4,
        health_band=["green", "red", "green", "red"],
        health_score=[82.0, 31.0, 82.0, 31.0],
        churn_probability=[0.2, 0.02, 0.05, 0.2],
    )
    found = disagreement(scored, _config())
    assert found["account_id"].tolist() == ["A0", "A1"]
    assert found["reasons"].iloc[0] == (
        "Health 82 (green), but the chance of leaving is 20 % (usual 5 %)"
    )
    assert found["value"].tolist() == [60.0, 60.0]


def test_a_call_far_from_the_chance_of_staying() -> None:
    scored = _scored(
        5,
        as_of=pd.Timestamp("2026-11-01"),
        churn_probability=[0.4, 0.4, 0.4, 0.4, np.nan],
        churn_base_rate=0.4,
        days_to_renewal=[30.0, 30.0, 200.0, 30.0, 30.0],
    )
    calls = _calls(
        ("A0", "commit", "2026-10-20"),
        ("A1", "likely", "2026-10-20"),
        ("A2", "commit", "2026-10-20"),
        ("A3", "commit", "2025-10-20"),
        ("A4", "commit", "2026-10-20"),
    )
    # A1 agrees, A2 is beyond the horizon, A3's call was about the renewal before, and A4 has no
    # published chance.
    found = disagreement(replace(scored, calls=calls), _config())
    assert found["account_id"].tolist() == ["A0"]
    assert found["reasons"].iloc[0] == (
        "Ann called commit on 20 Oct 2026, but the model gives a 60 % chance of staying"
    )
    near = replace(scored, calls=calls)
    assert len(disagreement(near, _config(call_difference=0.1))) == 2


def test_a_call_on_a_renewal_that_has_passed_is_not_about_the_next_one() -> None:
    scored = _scored(
        2,
        as_of=pd.Timestamp("2026-11-01"),
        churn_probability=0.4,
        churn_base_rate=0.4,
        days_to_renewal=30.0,
    )
    calls = _calls(("A0", "commit", "2026-10-20"), ("A1", "commit", "2026-10-20"))
    calls["renews_at"] = pd.to_datetime(["2026-10-25", "2026-12-01"])
    found = disagreement(replace(scored, calls=calls), _config())
    assert found["account_id"].tolist() == ["A1"]
    # An earlier call that is still valid counts where the last one has passed.
    both = pd.concat([_calls(("A0", "lost", "2026-09-20")), calls], ignore_index=True)
    found = disagreement(replace(scored, calls=both), _config())
    assert found["account_id"].tolist() == ["A0", "A1"]


def test_who_gave_notice_disagrees_with_nobody() -> None:
    scored = _scored(1, health_band="green", churn_probability=0.5, notice_given=1.0)
    assert disagreement(scored, _config()).empty
