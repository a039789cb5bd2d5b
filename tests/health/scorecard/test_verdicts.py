"""Who was right about an override, and when that is known."""

from __future__ import annotations

import pandas as pd
import pytest

from health.scorecard.verdicts import first_uses, judge_overrides, verdicts_by_author

NAN = float("nan")
DAYS = pd.to_datetime(["2026-06-07", "2026-06-14"])


def _judged(*rows: tuple[str, str, float, float, float]) -> pd.DataFrame:
    """Judge overrides of the whole score: account, author, theirs, the machine's, churned."""
    frame = pd.DataFrame(
        list(rows),
        columns=["account_id", "author", "health_score", "machine_health_score", "churned"],
    ).assign(as_of=DAYS[0])
    overrides = frame[["account_id", "as_of", "author"]].assign(
        measure="health", value=frame["health_score"], reason="r", created_at=DAYS[0]
    )
    scores = frame[["account_id", "as_of", "health_score", "machine_health_score"]]
    return judge_overrides(overrides, scores, frame[["account_id", "as_of", "churned"]])


@pytest.mark.parametrize(
    ("theirs", "machine", "churned", "nearer"),
    [
        (30, 70, 1, "person"),
        (30, 70, 0, "machine"),
        (70, 30, 1, "machine"),
        (70, 30, 0, "person"),
        (50, 50, 1, "neither"),
        (30, NAN, 1, "neither"),
        (30, 70, NAN, "not known yet"),
    ],
)
def test_the_score_nearer_to_what_happened_was_right(
    theirs: float, machine: float, churned: float, nearer: str
) -> None:
    assert _judged(("A", "Ana", theirs, machine, churned))["nearer"].tolist() == [nearer]


def test_an_override_is_judged_once_from_its_first_run() -> None:
    held = pd.DataFrame(
        {
            "account_id": "A",
            "measure": "health",
            "author": "Ana",
            "created_at": DAYS[0],
            "as_of": DAYS[::-1],
        }
    )
    assert first_uses(held)["as_of"].tolist() == [DAYS[0]]


def test_authors_are_counted_with_an_interval() -> None:
    judged = _judged(
        ("A", "Ana", 30, 70, 1),
        ("B", "Ana", 30, 70, 0),
        ("C", "Ana", 30, 70, 1),
        ("D", "Bo", 90, 50, NAN),
    )
    table = verdicts_by_author(judged).set_index("author")
    assert table.loc["", ["overrides", "known", "person", "machine"]].tolist() == [4, 3, 2, 1]
    assert table.loc["Ana", "share"] == pytest.approx(2 / 3)
    assert table.loc["Ana", "low"] < 0.3
    assert table.loc["Ana", "high"] > 0.9
    assert pd.isna(table.loc["Bo", "share"])
