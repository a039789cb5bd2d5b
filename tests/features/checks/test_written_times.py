"""Times as people write them: what is ambiguous is asked about, never guessed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.reading.table_source import TableSource
from tests.features.small_company import FILES, codes, opened, refused, rows, warned, write

_TIME = "2025-06-01T12:30:00"
#: A time of each table, as it is in its file.
_COLUMNS = [
    ("usage", "occurred_at", _TIME),
    ("tickets", "opened_at", "2025-06-02 10:00"),
    ("tickets", "csat_at", "2025-05-04"),
    ("surveys", "answered_at", "2025-06-05"),
    ("accounts", "created_at", "2025-02-01"),
    ("subscriptions", "ended_at", "2025-10-01"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("table", "column", "old"), _COLUMNS)
@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("2025-06-01 10:00:00 BST", "zone_name"),
        ("2025-06-01 10:00 CST ", "zone_name"),
        ("2025-06-01 10:00:00.5 ist", "zone_name"),
        ("2025-06-01 10:00:00 Europe/London", "zone_name"),
        ("2025-06-01 10:00:00 MESZ", "zone_name"),
        ("25-06-01", "two_digit_year"),
        ("01/06/25", "two_digit_year"),
        ("1.6.25 10:00", "two_digit_year"),
        ("45809", "wrong_type"),
        ("45809.4375", "wrong_type"),
        ("01/06/2025", "unparsable_date"),
        ("June 2025", "unparsable_date"),
    ],
)
def test_an_ambiguous_time_is_asked_about_in_every_table(
    tmp_path: Path, table: str, column: str, old: str, written: str, code: str
) -> None:
    sources = write(tmp_path, **{table: FILES[table].replace(old, written)})
    after = {"date_outside_data", "ended_before_started"}
    (finding,) = [f for f in refused(tmp_path, sources) if f.code not in after]
    assert (finding.code, finding.table, finding.column, finding.rows) == (code, table, column, 1)
    assert finding.example == written


@pytest.mark.parametrize(
    "written",
    [
        "2025-06-01T12:30:00Z",
        "2025-06-01 12:30 UTC",
        "2025-06-01 12:30:00 GMT",
        "2025-06-01T14:30:00+02:00",
        "2025/06/01 12:30",
        " 2025-06-01 12:30 ",
    ],
)
@pytest.mark.quick_cases(1)
def test_unambiguous_times_are_read(tmp_path: Path, written: str) -> None:
    sources = write(tmp_path, usage=FILES["usage"].replace(_TIME, written))
    times = rows(opened(tmp_path, sources), "usage")["occurred_at"]
    assert times[1] == pd.Timestamp("2025-06-01 12:30")


def test_serial_dates_of_a_number_column_are_asked_about(tmp_path: Path) -> None:
    sources = write(tmp_path) | {"usage": TableSource(path="usage.parquet")}
    usage = pd.read_csv(tmp_path / "usage.csv", dtype=str)
    usage.assign(occurred_at=45809.5).to_parquet(tmp_path / "usage.parquet")
    (finding,) = [f for f in refused(tmp_path, sources) if f.table == "usage"]
    assert (finding.code, finding.rows) == ("wrong_type", 3)
    assert "1899-12-30" in finding.fix


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "column", ["first_replied_at", "first_solved_at", "solved_at", "closed_at", "csat_at"]
)
def test_a_time_before_the_ticket_was_opened_is_reported(tmp_path: Path, column: str) -> None:
    tickets = f"account_id,ticket_id,opened_at,{column}\n" + "".join(
        f"00{i},T{i},2025-05-0{i} 15:00,2025-05-0{i} {hour}:00\n" for i, hour in ((1, 13), (2, 16))
    )
    found = [
        f
        for f in warned(tmp_path, tickets=tickets).values()
        if f.code in {"before_start", "solved_before_opened"}
    ]
    assert [(f.column, f.rows, f.example) for f in found] == [(column, 1, "ticket_id T1")]


def test_an_answer_before_the_survey_was_sent_is_reported(tmp_path: Path) -> None:
    surveys = "account_id,kind,sent_at,answered_at,score\n001,nps,2025-05-05,2025-05-01,9\n"
    finding = warned(tmp_path, surveys=surveys)["before_start"]
    assert (finding.table, finding.column, finding.rows) == ("surveys", "answered_at", 1)


def test_good_files_have_none_of_these(tmp_path: Path) -> None:
    ours = {"zone_name", "two_digit_year", "before_start", "stray_times", "in_the_future"}
    assert not ours & set(codes(opened(tmp_path, write(tmp_path)).findings))


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    ("table", "head", "column"),
    [
        ("invoices", "account_id,invoice_id,due_at,amount,issued_at", "paid_at"),
        ("goals", "account_id,goal,set_at", "reached_at"),
        ("contacts", "account_id,contact_id,created_at", "left_at"),
        ("subscriptions", "account_id,product,mrr,ended_at,started_at", "renews_at"),
        ("subscriptions", "account_id,product,mrr,ended_at,started_at", "notice_at"),
    ],
)
def test_an_end_before_the_start_is_reported(
    tmp_path: Path, table: str, head: str, column: str
) -> None:
    one = {
        "invoices": "001,I1,2025-06-01,20",
        "goals": "001,save time",
        "contacts": "001,C1",
        "subscriptions": "001,crm,50,",
    }
    text = f"{head},{column}\n{one[table]},2025-05-05,2019-01-01\n"
    finding = warned(tmp_path, **{table: text})["before_start"]
    assert (finding.table, finding.column, finding.rows) == (table, column, 1)
