"""The end of the data: configured, told by the events, or said to be unsure."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from tests.features.small_company import FILES, codes, opened, refused, write


@pytest.mark.quick_cases(1)
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


_NOW = datetime(2026, 1, 15, 9)


def _usage(days: list[str], rows: int = 1) -> str:
    lines = [f"001,login,{day},1" for day in days for _ in range(rows)]
    return "\n".join(["account_id,event,occurred_at,quantity", *lines]) + "\n"


def _daily(first: str, last: str, rows: int) -> list[str]:
    return [str(day.date()) for day in pd.date_range(first, last) for _ in range(rows)]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("stray", "end"),
    [
        # After the clock, whatever their share.
        (["2026-01-16", "2027-02-01"], datetime(2025, 12, 31)),
        # In the past, after 28 empty days, and under 0.1 % of 3,650 rows.
        (["2026-01-10", "2026-01-11", "2026-01-12"], datetime(2025, 12, 11)),
        # As many rows after 27 empty days continue the data.
        (["2026-01-07", "2026-01-08", "2026-01-09"], datetime(2026, 1, 10)),
        # 0.1 % and more continue it, too.
        (["2026-01-10"] * 4, datetime(2026, 1, 11)),
    ],
)
def test_future_and_sparse_rows_do_not_end_the_data(
    tmp_path: Path, stray: list[str], end: datetime
) -> None:
    last = "2025-12-30" if stray[0] > "2026-01-15" else "2025-12-10"
    days = _daily("2024-12-11", last, 10)[-3_640:]
    sources = write(tmp_path, usage=_usage([*days, *stray]))
    sources = {name: sources[name] for name in ("accounts", "subscriptions", "usage")}
    result = opened(tmp_path, sources, now=_NOW)
    assert result.tables.observed_until == end
    late = [f.rows for f in result.findings if f.code == "after_observed_until"]
    assert late == ([] if stray[-1] < str(end.date()) else [len(stray)])


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("usual", "stray", "end"),
    [
        # Three rows of 123 after half a year, where no gap was longer than a day.
        ("D", ["2025-11-20", "2025-12-24", "2026-01-10"], datetime(2025, 6, 1)),
        # A gap that is long here continues a table with a row every third week.
        ("21D", ["2025-11-20", "2025-12-24", "2026-01-10"], datetime(2026, 1, 11)),
    ],
)
def test_a_few_rows_long_after_a_small_table_are_stray(
    tmp_path: Path, usual: str, stray: list[str], end: datetime
) -> None:
    days = [str(day.date()) for day in pd.date_range(end="2025-05-31", periods=120, freq=usual)]
    sources = write(tmp_path, usage=_usage([*days, *stray]))
    sources = {name: sources[name] for name in ("accounts", "subscriptions", "usage")}
    assert opened(tmp_path, sources, now=_NOW).tables.observed_until == end


def test_stray_rows_before_another_tables_end_are_reported(tmp_path: Path) -> None:
    usage = _usage([*_daily("2024-06-01", "2025-06-30", 10), "2025-11-01"])
    orders = "account_id,ordered_at,amount\n" + "".join(
        f"001,{day:%Y-%m-%d},10\n" for day in pd.date_range("2025-01-01", "2025-12-31", freq="W")
    )
    result = opened(tmp_path, write(tmp_path, usage=usage, orders=orders), now=_NOW)
    assert result.tables.observed_until == datetime(2025, 12, 29)
    stray = next(f for f in result.findings if f.code == "stray_times")
    assert (stray.table, stray.column, stray.rows) == ("usage", "occurred_at", 1)


def test_a_clock_behind_the_data_is_an_error(tmp_path: Path) -> None:
    found = refused(tmp_path, write(tmp_path), now=datetime(2020, 1, 1))
    ahead = next(f for f in found if f.code == "in_the_future")
    assert (ahead.table, ahead.rows) == ("usage", 3)
    assert "--now" in ahead.fix


def test_a_start_in_the_future_does_not_end_the_data(tmp_path: Path) -> None:
    sources = {k: v for k, v in write(tmp_path).items() if k in {"accounts", "subscriptions"}}
    result = opened(tmp_path, sources, now=datetime(2025, 2, 1))
    assert result.tables.observed_until <= datetime(2025, 2, 2)


def test_a_configured_end_after_the_clock_is_doubted(tmp_path: Path) -> None:
    result = opened(tmp_path, write(tmp_path), observed_until=datetime(2027, 1, 1), now=_NOW)
    assert any(f.code == "end_unsure" and "future" in f.what for f in result.findings)
