"""The checks: each kind of bad input, named with table, column, rows, example and remedy."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from features.errors import Finding, HealthError, InputError
from features.reading.source import open_tables
from features.reading.table_source import TableSource

FILES = {
    "accounts": "account_id,created_at\nA,2024-01-01\nB,2024-01-01\n",
    "subscriptions": "account_id,product,started_at,ended_at,mrr,currency,subscription_id\n"
    "A,core,2024-01-01,,100,EUR,S1\nB,core,2024-01-01,2024-06-01,50,EUR,S2\n",
    "usage": "account_id,event,occurred_at,usage_id,subscription_id\n"
    "A,login,2024-03-01,U1,S1\nB,login,2024-03-01,U2,S2\n",
    "tickets": "account_id,ticket_id,opened_at,solved_at\n"
    "A,T1,2024-03-01,2024-03-02\nB,T2,2024-03-01,\n",
    "surveys": "account_id,kind,sent_at,answered_at,score\n"
    "A,nps,2024-03-01,2024-03-02,9\nB,ces,2024-03-01,,\n",
}
SHARED = Path(__file__).parents[3].parent / "shared" / "data"


def _check(
    folder: Path, allow: tuple[str, ...] = (), **changed: tuple[str, str]
) -> tuple[Finding, ...]:
    """Write the files with one text replaced in some, and return what the checks found."""
    for name, text in FILES.items():
        old, new = changed.get(name, ("", ""))
        assert old in text
        (folder / f"{name}.csv").write_text(text.replace(old, new) if old else text)
    sources = {name: TableSource(path=f"{name}.csv") for name in FILES}
    end = datetime(2024, 7, 1)
    return open_tables(sources, base=folder, observed_until=end, allow=allow).findings


def _errors(folder: Path, **changed: tuple[str, str]) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        _check(folder, **changed)
    return caught.value.findings


def test_clean_tables_have_no_findings(tmp_path: Path) -> None:
    assert _check(tmp_path) == ()


@pytest.mark.parametrize(
    ("table", "old", "new", "code", "column", "example"),
    [
        ("accounts", "B,2024-01-01", "A,2024-01-09", "duplicate_key", "account_id", "A"),
        ("accounts", "B,2024-01-01", "B,31/31/2024", "unparsable_date", "created_at", "31/31/2024"),
        ("accounts", "B,2024-01-01", "B,", "null_key", "created_at", ""),
        ("accounts", "B,2024", ",2024", "null_key", "account_id", ""),
        ("subscriptions", ",50,", ",-50,", "negative_value", "mrr", "-50"),
        ("subscriptions", ",50,", ",a lot,", "wrong_type", "mrr", "a lot"),
        ("subscriptions", ",50,", ",inf,", "infinite_value", "mrr", "inf"),
        ("subscriptions", ",50,", ",,", "null_key", "mrr", ""),
        ("subscriptions", "2024-06-01", "2023-06-01", "ended_before_started", "ended_at", "B"),
        ("subscriptions", "50,EUR", "50,USD", "other_currency", "currency", "USD"),
        ("subscriptions", "2024-06-01", "3024-06-01", "date_outside_data", "ended_at", "3024"),
        ("usage", "B,login,2024", "B,login,1924", "date_outside_data", "occurred_at", "1924"),
        ("tickets", "T2", "T1", "duplicate_key", "ticket_id", "T1"),
        ("surveys", "B,ces", "B,mood", "unknown_kind", "kind", "mood"),
        ("surveys", ",9", ",11", "score_outside_scale", "score", "nps 11"),
    ],
)
@pytest.mark.slow
def test_an_error_names_where_how_many_and_an_example(
    tmp_path: Path, table: str, old: str, new: str, code: str, column: str, example: str
) -> None:
    (finding,) = [f for f in _errors(tmp_path, **{table: (old, new)}) if f.code == code]
    assert (finding.table, finding.column) == (table, column)
    assert finding.source == f"{table}.csv"
    assert finding.rows >= 1
    assert finding.total == 2
    assert example in finding.example
    assert finding.fix


@pytest.mark.parametrize(
    ("table", "old", "new", "code"),
    [
        ("usage", "U2", "U1", "duplicate_id"),
        ("usage", "2024-03-01,U2", "2024-06-15,U2", "usage_outside_subscription"),
        ("usage", "2024-03-01,U2", "2023-03-01,U2", "usage_before_signup"),
        ("usage", "2024-03-01,U2", "2024-07-15,U2", "after_observed_until"),
        ("tickets", "B,T2,2024", "B,T2,2023", "tickets_before_signup"),
        ("tickets", "2024-03-02", "2024-02-02", "solved_before_opened"),
        ("subscriptions", "A,core,2024", "A,core,2023", "subscriptions_before_signup"),
    ],
)
@pytest.mark.quick_cases(1)
def test_a_warning_is_counted_and_work_goes_on(
    tmp_path: Path, table: str, old: str, new: str, code: str
) -> None:
    (finding,) = [f for f in _check(tmp_path, **{table: (old, new)}) if f.code == code]
    assert finding.level == "warning"
    assert (finding.rows, finding.total) == (1, 2)


def test_all_problems_in_one_go(tmp_path: Path) -> None:
    found = _errors(
        tmp_path,
        accounts=("B,2024-01-01", "A,yesterday"),
        subscriptions=(",50,", ",-1,"),
        tickets=("T2", "T1"),
    )
    assert {"duplicate_key", "unparsable_date", "negative_value"} <= {f.code for f in found}
    assert {f.table for f in found} >= {"accounts", "subscriptions", "tickets"}
    # The tables are held against each other in the same go: nobody knows account B now.
    assert {f.table for f in found if f.code == "unknown_account"} >= {"subscriptions"}


def test_an_allowed_error_is_a_warning(tmp_path: Path) -> None:
    found = _check(tmp_path, allow=("unknown_account",), subscriptions=("B,core", "C,core"))
    (finding,) = [f for f in found if f.code == "unknown_account"]
    assert finding.level == "warning"


def test_what_cannot_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(HealthError, match="cannot allow duplicate_key"):
        _check(tmp_path, allow=("duplicate_key",))


def _shared(folder: str) -> Path:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"shared/data/{folder} is not beside the project")
    return SHARED / folder


def test_a_key_format_that_differs_between_files_is_caught() -> None:
    folder = _shared("cybersec")
    sources = {
        "accounts": TableSource(
            path="customers.csv",
            columns={"account_id": "customer_id", "created_at": "contract_start_date"},
        ),
        "subscriptions": TableSource(
            sql="select customer_id as account_id, event_type as product, event_date as "
            "started_at, null::date as ended_at, 1 as mrr from read_csv('contract_events.csv')"
        ),
    }
    with pytest.raises(InputError) as caught:
        open_tables(sources, base=folder)
    (finding,) = [f for f in caught.value.findings if f.code == "unknown_account"]
    assert finding.rows == 10
    assert finding.example.startswith("CUST0")
    assert "CUST_001" in finding.fix
