"""Columns that stopped being filled, and times that an import wrote, are reported."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.features.small_company import opened, rows, warned, write


def _tickets(frame: pd.DataFrame) -> str:
    return frame.assign(account_id="001", ticket_id=[f"T{n}" for n in range(len(frame))]).to_csv(
        index=False
    )


def _opened(last: str, rows: int, per_day: int) -> list[pd.Timestamp]:
    days = pd.date_range(end=last, periods=rows // per_day)
    return [day + pd.Timedelta(hours=8 + n) for day in days for n in range(per_day)]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("filled", "per_day", "reported"),
    [
        # The last value was ten days, and thirty days, before the end.
        (300, 6, 60),
        (300, 2, 60),
        # Filled until the end; seldom filled; too few rows to tell.
        (360, 6, None),
        (30, 6, None),
        (350, 2, None),
    ],
)
def test_a_column_that_is_empty_from_a_day_on(
    tmp_path: Path, filled: int, per_day: int, reported: int | None
) -> None:
    times = _opened("2025-12-31", 360, per_day)
    step = 1 if filled > 100 else 3
    priorities = ["high" if n < filled and n % step == 0 else None for n in range(360)]
    text = _tickets(pd.DataFrame({"opened_at": times, "priority": priorities}))
    found = warned(tmp_path, tickets=text).get("emptied_column")
    assert (found and found.rows) == reported
    if found:
        assert (found.table, found.column) == ("tickets", "priority")
        assert "100% of those before" in found.what


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("imported", [30, 10])
def test_contacts_of_one_day(tmp_path: Path, imported: int) -> None:
    created = ["2025-05-01"] * imported + [f"2025-06-{n:02}" for n in range(1, 31 - imported)]
    rows = pd.DataFrame(
        {"created_at": created, "contact_id": [f"C{n}" for n in range(len(created))]}
    )
    text = rows.assign(account_id="001").to_csv(index=False)
    found = warned(tmp_path, contacts=text).get("import_day")
    assert (found and found.rows) == (30 if imported == 30 else None)


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("priorities", "example"),
    [
        (("critical", "high", "normal"), "critical"),
        (("P1", "normal", "low"), "p1"),
        (("P2", "P3"), "p2"),
        (("high", "normal"), None),
        (("urgent", "critical"), None),
    ],
)
def test_the_highest_priority_has_another_word(
    tmp_path: Path, priorities: tuple[str, ...], example: str | None
) -> None:
    text = _tickets(pd.DataFrame({"opened_at": "2025-05-01", "priority": [*priorities]}))
    found = warned(tmp_path, tickets=text).get("unknown_priority")
    assert (found and found.example) == example


def test_flags_of_pandas_are_read(tmp_path: Path) -> None:
    text = _tickets(pd.DataFrame({"opened_at": "2025-05-01", "escalated": [1.0, 0.0, None]}))
    found = opened(tmp_path, write(tmp_path, tickets=text))
    escalated = rows(found, "tickets").sort_values("ticket_id")["escalated"]
    assert escalated[:2].tolist() == [True, False] and escalated.isna().sum() == 1


def test_tickets_that_a_migration_closed(tmp_path: Path) -> None:
    times = pd.Series(_opened("2025-09-30", 40, 1))
    for solved, reported in (
        (pd.Series([pd.Timestamp("2025-10-05")] * 40), 40),
        (times + pd.Timedelta(hours=3), None),
    ):
        text = _tickets(pd.DataFrame({"opened_at": times, "solved_at": solved}))
        found = warned(tmp_path, tickets=text).get("import_day")
        assert (found and found.rows) == reported


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("first", "reported"), [("", True), ("2025-12-31", False)])
def test_times_that_no_row_has(tmp_path: Path, first: str, reported: bool) -> None:
    lines = [f"001,I{n},2025-{n % 6 + 1:02}-01,10,{'' if n else first}" for n in range(30)]
    text = "\n".join(["account_id,invoice_id,due_at,amount,paid_at", *lines, ""])
    found = warned(tmp_path, invoices=text).get("never_ended")
    assert (found and (found.column, found.rows)) == (("paid_at", 30) if reported else None)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("backfilled", [100, 40])
def test_a_history_that_was_loaded_on_one_day(tmp_path: Path, backfilled: int) -> None:
    times = pd.Series(_opened("2025-09-30", 100, 1))
    known = [pd.Timestamp("2025-10-05")] * backfilled + [*times[backfilled:]]
    text = _tickets(pd.DataFrame({"opened_at": times, "known_at": known}))
    found = warned(tmp_path, tickets=text).get("import_day")
    assert (found and (found.column, found.rows)) == (
        ("known_at", 100) if backfilled == 100 else None
    )


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("factor", "rows"), [(100, 31), (0.01, 31), (5, None)])
def test_amounts_in_another_unit_from_a_month_on(
    tmp_path: Path, factor: float, rows: int | None
) -> None:
    days = pd.Series(pd.date_range("2025-05-01", "2025-07-31"))
    amounts = (40 + days.dt.day).where(days < "2025-07-01", (40 + days.dt.day) * factor)
    text = pd.DataFrame({"account_id": "001", "ordered_at": days, "amount": amounts}).to_csv(
        index=False
    )
    found = warned(tmp_path, orders=text).get("amounts_jump")
    assert (found and found.rows) == rows
    if found:
        assert (found.table, found.column) == ("orders", "amount")
        assert "2025-07" in found.what
