"""Columns that stopped being filled, and times that an import wrote, are reported."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.features.small_company import warned


def _tickets(rows: pd.DataFrame) -> str:
    return rows.assign(account_id="001", ticket_id=[f"T{n}" for n in range(len(rows))]).to_csv(
        index=False
    )


def _opened(last: str, rows: int, per_day: int) -> list[pd.Timestamp]:
    days = pd.date_range(end=last, periods=rows // per_day)
    return [day + pd.Timedelta(hours=8 + n) for day in days for n in range(per_day)]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("filled", "per_day", "rows"),
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
    tmp_path: Path, filled: int, per_day: int, rows: int | None
) -> None:
    opened = _opened("2025-12-31", 360, per_day)
    step = 1 if filled > 100 else 3
    priorities = ["high" if n < filled and n % step == 0 else None for n in range(360)]
    text = _tickets(pd.DataFrame({"opened_at": opened, "priority": priorities}))
    found = warned(tmp_path, tickets=text).get("emptied_column")
    assert (found and found.rows) == rows
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


def test_tickets_that_a_migration_closed(tmp_path: Path) -> None:
    opened = pd.Series(_opened("2025-09-30", 40, 1))
    for solved, rows in (
        (pd.Series([pd.Timestamp("2025-10-05")] * 40), 40),
        (opened + pd.Timedelta(hours=3), None),
    ):
        text = _tickets(pd.DataFrame({"opened_at": opened, "solved_at": solved}))
        found = warned(tmp_path, tickets=text).get("import_day")
        assert (found and found.rows) == rows
