"""Overrides: which hold on a date, what they do to the score, and that the machine's is kept."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pytest

from features.reading.frames import tables_from_frames
from features.tables.opened import Tables
from health.scorecard.overrides import COLUMNS, active_overrides, override_values
from health.scorecard.score import score_health
from health.settings.scorecard import Scorecard

DAY = datetime(2026, 6, 7)
CARD = Scorecard.model_validate(
    {
        "components": [
            {
                "name": "all",
                "weight": 1,
                "measures": [
                    {"feature": "usage_active_days_28d", "worst": 0, "best": 20},
                    {"feature": "surveys_nps_latest", "worst": 0, "best": 10},
                ],
            }
        ],
        "rules": [
            {"name": "Urgent", "cap": 50, "when": [{"feature": "tickets_urgent_open", "above": 0}]}
        ],
        "minimum_coverage": 0.6,
    }
)


def _tables(*rows: tuple[str, str, float, str, str | None, str | None]) -> Tables:
    frame = pd.DataFrame(
        rows, columns=["account_id", "measure", "value", "created_at", "expires_at", "known_at"]
    )
    for column in ("created_at", "expires_at", "known_at"):
        frame[column] = pd.to_datetime(frame[column])
    frame = frame.assign(author="Ana", reason="spoke to them")
    return tables_from_frames({"overrides": frame}, observed_until=datetime(2027, 1, 1))


def _held(*rows: tuple[str, str, float, str, str | None, str | None]) -> list[float]:
    return active_overrides(_tables(*rows), [DAY])["value"].tolist()


@pytest.mark.parametrize(
    ("created", "expires", "known", "held"),
    [
        ("2026-06-06 23:59:59", None, None, True),
        ("2026-06-07", None, None, False),  # set on the very moment: not known before it
        ("2026-06-01", "2026-06-07", None, False),  # the end is no longer part of it
        ("2026-06-01", "2026-06-07 00:00:01", None, True),
        ("2026-06-01", None, "2026-06-08", False),  # reached the warehouse later
        ("2026-06-01", None, "2026-06-06", True),
    ],
)
@pytest.mark.quick_cases(1)
def test_an_override_holds_from_its_making_to_its_end(
    created: str, expires: str | None, known: str | None, held: bool
) -> None:
    assert _held(("A", "health", 40, created, expires, known)) == ([40] if held else [])


def test_the_last_of_several_counts_and_a_lapsed_one_gives_way() -> None:
    first = ("A", "health", 40.0, "2026-05-01", None, None)
    second = ("A", "health", 60.0, "2026-06-01", None, None)
    lapsed = ("A", "health", 60.0, "2026-06-01", "2026-06-02", None)
    assert _held(first, second) == [60]
    assert _held(first, lapsed) == [40]


def test_without_a_table_nobody_overrides() -> None:
    empty = active_overrides(tables_from_frames({}, observed_until=DAY), [DAY])
    assert list(empty.columns) == list(COLUMNS)
    assert empty.empty


def _frame(*rows: tuple[float, float, float]) -> pd.DataFrame:
    columns = ["usage_active_days_28d", "surveys_nps_latest", "tickets_urgent_open"]
    frame = pd.DataFrame(list(rows), columns=columns, dtype=float)
    frame.insert(0, "account_id", [f"A{i}" for i in frame.index])
    return frame


def _overrides(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["account_id", "measure", "value"])


def test_a_measure_is_replaced_and_the_machine_keeps_its_own() -> None:
    frame = _frame((20, 2, 0), (20, 2, 0))
    scores = score_health(frame, CARD, overrides=_overrides(("A0", "surveys_nps_latest", 90)))
    assert scores.score.tolist() == [95, 60]
    assert scores.machine_score.tolist() == [60, 60]
    terms = scores.contributions.loc[0]
    assert terms["surveys_nps_latest"] == 10
    assert terms["override:surveys_nps_latest"] == 35


def test_a_cap_still_binds_over_a_measure_but_not_over_the_whole_score() -> None:
    frame = _frame((20, 2, 1), (20, 2, 1))
    given = _overrides(("A0", "surveys_nps_latest", 90), ("A1", "health", 80))
    scores = score_health(frame, CARD, overrides=given)
    assert scores.score.tolist() == [50, 80]
    assert scores.machine_score.tolist() == [50, 50]
    assert scores.contributions["override:health"].tolist() == [0, 30]


def test_a_person_may_score_what_the_machine_could_not() -> None:
    nan = float("nan")
    frame = _frame((nan, 9, 0), (nan, 9, 0), (nan, nan, 0))
    given = _overrides(
        ("A0", "usage_active_days_28d", 50), ("A2", "health", 30), ("ghost", "health", 1)
    )
    scores = score_health(frame, CARD, overrides=given)
    assert scores.machine_score.isna().all()
    assert scores.score.tolist()[0] == 70
    assert pd.isna(scores.score[1])
    assert scores.score[2] == 30
    assert scores.contributions.loc[2].sum() == 30
    assert scores.missing.loc[2].sum() == 70


def test_overrides_of_many_dates_go_to_their_own() -> None:
    days = pd.to_datetime(["2026-06-07", "2026-06-14"])
    frame = pd.concat([_frame((20, 2, 0)).assign(as_of=day) for day in days], ignore_index=True)
    given = _overrides(("A0", "health", 10)).assign(as_of=days[1])
    assert override_values(frame, given)["health"].isna().tolist() == [True, False]
    assert score_health(frame, CARD, overrides=given).score.tolist() == [60, 10]
