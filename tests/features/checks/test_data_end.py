"""The end of the data: configured, told by the events, or said to be unsure."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.features.small_company import FILES, codes, opened, refused, write


@pytest.mark.parametrize(
    ("usage", "end"),
    [
        ("001,login,2025-12-30,1", datetime(2025, 12, 31)),
        ("001,login,2025-12-30T08:00:00,1", datetime(2025, 12, 30, 8, 0, 0, 1)),
    ],
)
def test_end_of_the_data_is_told_by_the_events(tmp_path: Path, usage: str, end: datetime) -> None:
    text = f"account_id,event,occurred_at,quantity\n{usage}\n"
    result = opened(tmp_path, write(tmp_path, usage=text))
    assert result.tables.observed_until == end


def test_end_of_the_data_as_configured(tmp_path: Path) -> None:
    result = opened(tmp_path, write(tmp_path), observed_until=datetime(2025, 12, 1))
    assert result.tables.observed_until == datetime(2025, 12, 1)
    late = next(f for f in result.findings if f.code == "after_observed_until")
    assert (late.table, late.column, late.rows, late.total) == ("usage", "occurred_at", 1, 3)


def test_one_mistyped_year_is_not_the_end_of_the_data(tmp_path: Path) -> None:
    text = FILES["usage"] + "001,login,2052-12-30,1\n"
    finding = refused(tmp_path, write(tmp_path, usage=text))[0]
    assert (finding.code, finding.rows, finding.example) == (
        "date_outside_data",
        1,
        "2052-12-30 00:00:00",
    )
    assert "2025-12-31" in finding.what


def test_end_without_events_is_said_to_be_unsure(tmp_path: Path) -> None:
    sources = {k: v for k, v in write(tmp_path).items() if k in {"accounts", "subscriptions"}}
    result = opened(tmp_path, sources)
    assert result.tables.observed_until == datetime(2025, 3, 2)
    assert "end_unsure" in codes(result.findings)
