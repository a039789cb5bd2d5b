"""What `check` reports about contract rows and about scales that the answers contradict."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.small_company import broken, warned

HEAD = "account_id,subscription_id,product,started_at,ended_at,mrr\n"


def test_two_versions_that_nothing_orders_are_asked_about(tmp_path: Path) -> None:
    rows = HEAD + (
        "001,S1,crm,2025-01-01,2025-06-01,100\n"
        "001,S1,crm,2025-01-01,,120\n"
        "002,S2,crm,2025-02-01,,200\n"
    )
    (finding,) = broken(tmp_path, subscriptions=rows)
    assert (finding.code, finding.column, finding.rows) == (
        "subscription_versions",
        "subscription_id",
        2,
    )
    assert "account_id 001, crm from 2025-01-01" in str(finding)


def test_overlapping_rows_are_reported_with_count_and_money(tmp_path: Path) -> None:
    rows = HEAD + (
        "001,S1,crm,2025-01-01,2025-08-01,100\n"
        "001,S3,crm,2025-06-01,,130.5\n"
        "002,S2,crm,2025-02-01,,200\n"
    )
    found = warned(tmp_path, subscriptions=rows)
    finding = found["overlapping_contracts"]
    assert finding.rows == 2
    assert "1 account" in str(finding)
    assert "130.50" in str(finding)


def test_rows_without_a_duration_do_not_disappear_silently(tmp_path: Path) -> None:
    rows = HEAD + "001,S1,crm,2025-01-01,,100\n002,S2,crm,2025-02-01,2025-02-01,75\n"
    finding = warned(tmp_path, subscriptions=rows)["ended_when_started"]
    assert (finding.table, finding.column, finding.rows) == ("subscriptions", "ended_at", 1)
    assert "75.00" in str(finding)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("with_id", [True, False])
def test_a_row_whose_start_cannot_be_read_is_no_version_of_another(
    tmp_path: Path, with_id: bool
) -> None:
    rows = HEAD + "001,S1,crm,soon,,100\n002,S2,crm,2025-02-01,,75\n"
    if not with_id:
        rows = rows.replace("subscription_id,", "").replace("S1,", "").replace("S2,", "")
    (finding,) = broken(tmp_path, subscriptions=rows)
    assert (finding.column, finding.rows, finding.example) == ("started_at", 1, "soon")


def test_rows_that_follow_one_another_are_sound(tmp_path: Path) -> None:
    rows = HEAD + (
        "001,S1,crm,2025-01-01,2025-02-01,100\n"
        "001,S2,crm,2025-02-01,,120\n"
        "001,S3,add-on,2025-02-01,,20\n"
    )
    assert not warned(tmp_path, subscriptions=rows).keys() & {
        "overlapping_contracts",
        "subscription_versions",
        "ended_when_started",
    }


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("answers", "level"), [(9, None), (12, "warning"), (24, "error")])
def test_stars_without_a_scale_are_asked_about(
    tmp_path: Path, answers: int, level: str | None
) -> None:
    rows = "account_id,kind,answered_at,score\n" + "".join(
        f"00{i % 3 + 1},nps,2025-0{i % 6 + 4}-01T{i % 24:02}:00,{i % 5 + 1}\n"
        for i in range(answers)
    )
    if level == "error":
        found = {f.code: f for f in broken(tmp_path, surveys=rows)}
    else:
        found = warned(tmp_path, surveys=rows)
    assert ("doubtful_scale" in found) == (level is not None)
    if level:
        assert found["doubtful_scale"].level == level
        assert found["doubtful_scale"].rows == answers
        assert found["doubtful_scale"].table == "surveys"


def test_a_ten_contradicts_no_scale(tmp_path: Path) -> None:
    rows = "account_id,kind,answered_at,score\n" + "".join(
        f"00{i % 3 + 1},nps,2025-05-01T{i % 24:02}:00,{10 if i == 3 else i % 5 + 1}\n"
        for i in range(24)
    )
    assert "doubtful_scale" not in warned(tmp_path, surveys=rows)


def test_an_expectation_on_another_scale_is_doubted(tmp_path: Path) -> None:
    rows = "account_id,kind,answered_at,score,expected\n" + "".join(
        f"001,nps,2025-05-{day:02d},{8 + day % 3},{4 + day % 2}\n" for day in range(1, 26)
    )
    found = warned(tmp_path, surveys=rows)["doubtful_scale"]
    assert (found.level, found.column, found.rows) == ("warning", "expected", 25)
