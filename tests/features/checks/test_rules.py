"""The tables held against each other; surveys, currencies and keys."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.checks.accounts import in_circles
from features.reading.table_source import TableSource
from tests.features.small_company import FILES, broken, codes, opened, refused, rows, warned, write

SHARED = Path(__file__).parents[3].parent / "shared" / "data"


def shared(folder: str) -> Path:
    if not (SHARED / folder).is_dir():
        pytest.skip(f"shared/data/{folder} is not beside the project")
    return SHARED / folder


def test_a_sound_company_is_not_warned_of(tmp_path: Path) -> None:
    assert warned(tmp_path) == {}


def test_every_kind_of_problem_in_one_go(tmp_path: Path) -> None:
    sources = write(
        tmp_path,
        accounts=FILES["accounts"].replace("2025-02-01", "01/02/2025") + "001,2025-01-01,\n",
        subscriptions="account_id,product,started_at,ended_at,mrr\n"
        "001,crm,2025-03-01,2025-02-01,-5\n,crm,2025-01-01,,a lot\n",
        usage="account_id,event,at\n001,login,2025-01-01\n",
        surveys="",
    )
    sources["tickets"] = TableSource(path="absent.csv", columns={"nonsense": "x"})
    sources["orders"] = TableSource(sql="select '009' as account_id, date '2025-01-01' as "
                                    "ordered_at, 5 as amount")  # fmt: skip
    findings = refused(tmp_path, sources)
    assert {(f.code, f.table, f.column) for f in findings} == {
        ("unparsable_date", "accounts", "created_at"),
        ("duplicate_key", "accounts", "account_id"),
        ("ended_before_started", "subscriptions", "ended_at"),
        ("negative_value", "subscriptions", "mrr"),
        ("null_key", "subscriptions", "account_id"),
        ("wrong_type", "subscriptions", "mrr"),
        ("column_missing", "usage", "occurred_at"),
        ("file_missing", "tickets", ""),
        ("empty_table", "surveys", ""),
        ("unknown_account", "orders", "account_id"),
    }


def test_the_message_names_file_table_column_rows_and_remedy(tmp_path: Path) -> None:
    text = FILES["accounts"].replace("2025-02-01", "01/02/2025").replace("2025-03-01", "soon")
    (finding,) = broken(tmp_path, accounts=text)
    assert str(finding) == (
        "accounts.created_at (accounts.csv): cannot be read as a date; 2 of 3 rows; "
        "e.g. 01/02/2025; remedy: write dates as 2026-01-31, or use sql with "
        "strptime(created_at, '%d/%m/%Y') [unparsable_date]"
    )


@pytest.mark.parametrize(
    "value",
    ["2025-02-30", "infinity", "290000-01-01", "2025-01-01 (BC)", "12:30", "now"],
)
@pytest.mark.quick_cases(1)
def test_what_is_no_date(tmp_path: Path, value: str) -> None:
    findings = broken(tmp_path, usage=FILES["usage"].replace("2025-05-01", value))
    assert [(f.code, f.example) for f in findings] == [("unparsable_date", value)]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("value", ["1.000.50", "n.a.", "$5", "zwei"])
def test_what_is_no_number(tmp_path: Path, value: str) -> None:
    text = FILES["usage"].replace("2025-05-01,1", f'2025-05-01,"{value}"')
    findings = broken(tmp_path, usage=text)
    assert [(f.code, f.column, f.example) for f in findings] == [("wrong_type", "quantity", value)]


@pytest.mark.parametrize("value", ["inf", "-Infinity", " +inf "])
@pytest.mark.slow
def test_infinite_numbers_are_named_as_such(tmp_path: Path, value: str) -> None:
    (finding,) = broken(
        tmp_path, usage=FILES["usage"].replace("2025-05-01,1", f"2025-05-01,{value}")
    )
    assert (finding.code, finding.column, finding.rows) == ("infinite_value", "quantity", 1)
    frame = pd.DataFrame({"account_id": ["001"], "ordered_at": ["2025-05-01"], "amount": [np.inf]})
    frame.to_parquet(tmp_path / "orders.parquet")
    sources = {**write(tmp_path), "orders": TableSource(path="orders.parquet")}
    (finding,) = refused(tmp_path, sources)
    assert (finding.code, finding.table, finding.column) == ("infinite_value", "orders", "amount")


WORDS = [
    "\\N",
    "NULL",
    "null",
    "None",
    "n/a",
    "N/A",
    "#N/A",
    "<NA>",
    " Null ",
    "nan",
    "NaT",
    "-",
    "(null)",
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.quick_cases(1)
def test_words_for_null_are_null_in_every_kind_of_column(tmp_path: Path, word: str) -> None:
    head, *lines = FILES["subscriptions"].splitlines()
    subscriptions = [f"{head},plan,seats,renews_at", *(f"{x},{word},{word},{word}" for x in lines)]
    accounts = FILES["accounts"].replace("Müller", word)
    tickets = FILES["tickets"].replace("true", word)
    sources = write(
        tmp_path, accounts=accounts, subscriptions="\n".join(subscriptions), tickets=tickets
    )
    result = opened(tmp_path, sources, observed_until=datetime(2026, 1, 1))
    found = {(f.table, f.column): (f.code, f.rows) for f in result.findings}
    assert found == {
        ("accounts", "name"): ("null_word", 1),
        ("subscriptions", "plan"): ("null_word", 3),
        ("subscriptions", "seats"): ("null_word", 3),
        ("subscriptions", "renews_at"): ("null_word", 3),
        ("tickets", "escalated"): ("null_word", 1),
    }
    assert rows(result, "accounts")["name"].isna().tolist() == [False, True, True]
    assert rows(result, "subscriptions")[["plan", "seats", "renews_at"]].isna().all(axis=None)


def test_na_is_namibia_and_north_america(tmp_path: Path) -> None:
    accounts = "account_id,created_at,region\n001,2025-01-01,NA\n002,2025-01-01,na\n"
    accounts += "003,2025-01-01,Nan\n"
    sources = write(tmp_path, accounts=accounts)
    result = opened(tmp_path, sources, observed_until=datetime(2026, 1, 1))
    assert {f.code for f in result.findings} == {"name_spelling"}
    assert rows(result, "accounts")["region"].tolist() == ["NA", "na", "Nan"]


def test_a_word_for_null_as_a_key_is_an_empty_key(tmp_path: Path) -> None:
    text = FILES["subscriptions"].replace("001,crm", "NULL,crm")
    (finding,) = broken(tmp_path, subscriptions=text)
    assert (finding.code, finding.column, finding.rows) == ("null_key", "account_id", 1)


def test_parents_that_are_no_accounts_are_reported(tmp_path: Path) -> None:
    head, *lines = FILES["accounts"].splitlines()
    parents = ["", "001.0", "1"]
    text = "\n".join(
        [f"{head},parent_id", *(f"{x},{p}" for x, p in zip(lines, parents, strict=True))]
    )
    found = warned(tmp_path, accounts=text)
    # Leading zeros are part of an id.
    assert (found["unknown_parent"].rows, found["unknown_parent"].example) == (1, "1")


def test_circular_parents_are_reported(tmp_path: Path) -> None:
    accounts = "account_id,created_at,parent_id\n001,2025-01-01,002\n002,2025-01-01,001\n"
    accounts += "003,2025-01-01,001\n004,2025-01-01,004\n"
    found = warned(tmp_path, accounts=accounts)["circular_parent"]
    assert (found.rows, found.total, found.example) == (3, 4, "001")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=10, max_size=10))
def test_circles_are_those_that_a_walk_finds(parents: list[int | None]) -> None:
    def returns(account: int) -> bool:
        above = parents[account]
        for _ in parents:
            if above is None or above == account:
                break
            above = parents[above]
        return above == account

    ids = [str(n) for n in range(10)]
    named = [None if parent is None else str(parent) for parent in parents]
    assert in_circles(ids, named).tolist() == [returns(n) for n in range(10)]


def test_numbers_and_texts_in_parquet_where_other_kinds_are_due(tmp_path: Path) -> None:
    sources = write(tmp_path)
    frame = pd.DataFrame(
        {
            "account_id": ["001"],
            "ticket_id": ["T1"],
            "opened_at": [1_735_689_600],
            "escalated": ["maybe"],
            "csat": ["good"],
        }
    )
    frame.to_parquet(tmp_path / "tickets.parquet")
    sources["tickets"] = TableSource(path="tickets.parquet")
    findings = refused(tmp_path, sources)
    assert {(f.code, f.column) for f in findings} == {
        ("wrong_type", "opened_at"),
        ("wrong_type", "escalated"),
        ("wrong_type", "csat"),
    }
    assert "to_timestamp" in next(f.fix for f in findings if f.column == "opened_at")


def test_an_empty_key_is_shown_by_its_neighbour(tmp_path: Path) -> None:
    text = FILES["subscriptions"].replace("001,crm", "  ,crm")
    (finding,) = broken(tmp_path, subscriptions=text)
    assert (finding.code, finding.column, finding.rows) == ("null_key", "account_id", 1)
    assert finding.example == "product crm"


def test_unknown_accounts_are_counted_by_rows_and_ids(tmp_path: Path) -> None:
    text = FILES["usage"] + "008,login,2025-05-01,1\n009,login,2025-05-01,1\n" * 2
    (finding,) = broken(tmp_path, usage=text)
    assert (finding.code, finding.rows, finding.total) == ("unknown_account", 4, 7)
    assert finding.example == "008"
    assert "2 ids that accounts does not know" in finding.what


def test_a_key_written_differently_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    text = FILES["usage"].replace("002,", "2,") + "A9,login,2025-05-01,1\n"
    (finding,) = [
        f
        for f in opened(tmp_path, write(tmp_path, usage=text)).findings
        if f.code == "unknown_account"
    ]
    assert finding.rows == 2
    assert "1 of the 2 match but for case, signs or leading zeros" in finding.fix
    assert "'001'" in finding.fix


def test_no_account_at_all_is_one_message(tmp_path: Path) -> None:
    findings = broken(tmp_path, accounts="account_id,created_at\n")
    assert codes(findings) == ["empty_table"]


def test_currencies(tmp_path: Path) -> None:
    head, *lines = FILES["subscriptions"].splitlines()
    kinds = zip(lines, ("EUR", "eur", "USD"), strict=True)
    text = "\n".join([head + ",currency", *(f"{line},{kind}" for line, kind in kinds)])
    (finding,) = broken(tmp_path, subscriptions=text)
    assert (finding.code, finding.rows, finding.example) == ("other_currency", 1, "USD 1")


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        ("001,nps,2025-05-05,11,0-10", "score_outside_scale", "score"),
        ("001,nps,2025-05-05,11,", "score_outside_scale", "score"),
        ("001,csat,2025-05-05,4,1-3", "score_outside_scale", "score"),
        ("001,csat,2025-05-05,0,", "score_outside_scale", "score"),
        ("001,CES,2025-05-05,8,1-7", "score_outside_scale", "score"),
        ("001,csat,2025-05-05,80,0-100%", "unknown_scale", "scale"),
        ("001,nps,2025-05-05,80,0-100", "unknown_scale", "scale"),
        ("001,csat,2025-05-05,101,0-100", "score_outside_scale", "score"),
        ("001,mood,2025-05-05,1,", "unknown_kind", "kind"),
    ],
)
@pytest.mark.quick_cases(1)
def test_surveys(tmp_path: Path, line: str, code: str, column: str) -> None:
    text = "account_id,kind,answered_at,score,scale\n" + line + "\n002,csat,2025-05-05,1,good/bad\n"
    (finding,) = broken(tmp_path, surveys=text)
    assert (finding.code, finding.column, finding.rows) == (code, column, 1)


def test_surveys_without_a_scale_are_read_on_the_usual_one(tmp_path: Path) -> None:
    text = "account_id,kind,answered_at,score\n001,csat,2025-05-05,3\n002,ces,2025-05-05,8\n"
    (finding,) = broken(tmp_path, surveys=text)
    assert (finding.code, finding.example) == ("score_outside_scale", "ces 8.0")


def test_ratings_of_tickets_are_on_one_to_five(tmp_path: Path) -> None:
    (finding,) = broken(tmp_path, tickets=FILES["tickets"].replace("true,5", "true,92"))
    assert (finding.code, finding.table, finding.column) == (
        "score_outside_scale",
        "tickets",
        "csat",
    )


@pytest.mark.slow
def test_ratings_without_a_time_are_told(tmp_path: Path) -> None:
    empty = warned(tmp_path, tickets=FILES["tickets"].replace(",5,2025-05-04", ",5,"))
    assert (empty["rating_without_time"].rows, empty["rating_without_time"].total) == (1, 2)
    assert empty["rating_without_time"].example == "ticket_id T1"
    assert "never counted" in empty["rating_without_time"].what
    absent = warned(tmp_path, tickets=FILES["tickets"].replace("csat_at", "something"))
    assert "solved" in absent["rating_without_time"].what


def test_the_same_subscription_row_twice(tmp_path: Path) -> None:
    text = (
        "account_id,product,started_at,ended_at,mrr,subscription_id\n"
        "001,crm,2025-01-01,2025-06-01,100,S1\n001,crm,2025-06-01,,120,S1\n"
        "002,crm,2025-02-01,,50,S2\n002,crm,2025-02-01,,50,S2\n002,crm,2025-02-01,,50,S2\n"
        "003,crm,2025-03-01,,300,S3\n"
    )
    found = warned(tmp_path, subscriptions=text)["copied_rows"]
    assert (found.table, found.rows, found.total, found.example) == ("subscriptions", 2, 6, "002")
    assert "mrr 100.00 in all" in found.what
    assert "one of each counts" in found.what


def test_use_outside_every_paid_date(tmp_path: Path) -> None:
    subscriptions = (
        "account_id,product,started_at,ended_at,mrr\n"
        "001,crm,2025-02-01,2025-03-01,100\n001,crm,2025-03-01,2025-04-01,100\n"
        "001,add-on,2025-02-15,2025-03-15,10\n001,trial,2025-01-01,2025-02-01,0\n"
        "002,crm,2025-02-01,,100\n003,crm,2025-03-01,,100\n"
    )
    days = ["2025-01-15", "2025-02-01", "2025-03-01", "2025-04-01T23:59", "2025-04-02"]
    usage = "account_id,event,occurred_at\n" + "".join(f"001,a,{day}\n" for day in days)
    found = warned(tmp_path, subscriptions=subscriptions, usage=usage)
    outside = found["usage_outside_subscription"]
    # The day of the end counts as held, the trial does not.
    assert (outside.rows, outside.total, outside.example) == (2, 5, "account_id 001")


@pytest.mark.slow
def test_absurd_dates_and_dates_ahead(tmp_path: Path) -> None:
    subscriptions = FILES["subscriptions"].replace("2025-10-01", "9999-12-31")
    (finding,) = broken(tmp_path, subscriptions=subscriptions)
    assert (finding.code, finding.column) == ("date_outside_data", "ended_at")
    assert "nullif" in finding.fix
    allowed = write(tmp_path, subscriptions=subscriptions)
    assert opened(tmp_path, allowed, allow=["date_outside_data"]).tables.has("subscriptions")
    later = FILES["subscriptions"].replace("2025-10-01", "2027-10-01")
    assert warned(tmp_path, subscriptions=later) == {}


def test_no_table_is_read_for_nothing(tmp_path: Path) -> None:
    calls = "account_id,occurred_at,kind\n001,2025-05-01,call\n"
    orders = "account_id,ordered_at,amount\n001,2025-05-01,5\n"
    sources = write(tmp_path, interventions=calls, orders=orders)
    assert opened(tmp_path, sources, observed_until=datetime(2026, 1, 1)).findings == ()


@pytest.mark.slow
def test_customer360_keys_fit_and_its_tables_open() -> None:
    folder = shared("customer360")
    tables = {
        "accounts": TableSource(
            path="crm_accounts.csv", columns={"name": "account_name", "segment": "plan"}
        ),
        "subscriptions": TableSource(
            sql="select account_id, plan as product, created_at as started_at, null::date as "
            "ended_at, arr / 12 as mrr from read_csv('crm_accounts.csv')"
        ),
        "tickets": TableSource(
            path="support_tickets.csv",
            columns={"opened_at": "created_at", "solved_at": "resolved_at"},
        ),
        "usage": TableSource(
            path="usage_events.csv", columns={"event": "event_type", "occurred_at": "event_time"}
        ),
        "surveys": TableSource(
            sql="select *, 'nps' as kind, survey_date as answered_at from read_csv('nps.csv')"
        ),
    }
    result = opened(folder, tables)
    assert {s.table: s.rows for s in result.summaries}["usage"] == 5_000
    wrong = tables | {
        "usage": TableSource(
            sql="select lower(replace(account_id, 'ACCT', 'acct_')) as account_id, event_type as "
            "event, event_time as occurred_at from read_csv('usage_events.csv')"
        )
    }
    (finding,) = refused(folder, wrong)
    ids = duckdb.sql(f"select distinct account_id from '{folder}/usage_events.csv'").fetchall()
    assert (finding.code, finding.rows) == ("unknown_account", 5_000)
    assert f"{len(ids):,} of the {len(ids):,} match but for case" in finding.fix


@pytest.mark.parametrize("table", ["tickets", "surveys"])
@pytest.mark.slow
def test_ratings_in_words_have_a_remedy_that_works(table: str, tmp_path: Path) -> None:
    files = {
        "tickets": "account_id,ticket_id,opened_at,csat,csat_at\n"
        "001,T1,2025-05-01,good,2025-05-02\n"
        "002,T2,2025-05-01,bad,2025-05-02\n",
        "surveys": "account_id,kind,answered_at,score\n001,csat,2025-05-01,good\n"
        "002,csat,2025-05-01,bad\n",
    }
    sources = write(tmp_path, **{table: files[table]})
    (finding,) = refused(tmp_path, sources)
    column, scale = {"tickets": ("csat", "csat_scale"), "surveys": ("score", "scale")}[table]
    assert (finding.column, finding.rows) == (column, 2)
    words = re.search(r"case .* end", finding.fix)
    assert words is not None
    assert f"'good/bad' as {scale}" in finding.fix
    sql = f"select * replace ({words[0]} as {column}), 'good/bad' as {scale} from '{table}.csv'"
    result = opened(tmp_path, {**sources, table: TableSource(sql=sql)})
    assert rows(result, table)[column].tolist() == [1.0, 0.0]


def test_tickets_that_ended_unsolved_at_no_known_time_are_reported(tmp_path: Path) -> None:
    """They count as open on every date, which only the source can correct."""
    tickets = (
        "account_id,ticket_id,opened_at,solved_at,closed_at,status,merged_into\n"
        "001,T1,2025-05-02,2025-05-03,,Merged,T9\n001,T2,2025-05-02,,2025-05-03,spam,\n"
        "001,T3,2025-05-02,,,open,T9\n001,T4,2025-05-02,,,Closed Unsolved,\n"
        "001,T5,2025-05-02,,,open,-\n001,T6,2025-05-02,,,merged,T9\n"
    )
    sources = write(tmp_path, tickets=tickets)
    found = {f.column: f for f in opened(tmp_path, sources).findings if f.code == "no_end"}
    assert {name: (f.level, f.rows, f.example) for name, f in found.items()} == {
        "merged_into": ("warning", 2, "ticket_id T3"),
        "status": ("warning", 1, "ticket_id T4"),
    }


def test_empty_times_that_were_written_as_zero_are_refused(tmp_path: Path) -> None:
    """Customers since 1970 and answers before there was a company are no data."""
    answers = FILES["surveys"].replace("2025-05-05", "1970-01-01T00:00:00Z")
    orders = "account_id,ordered_at,amount\n001,1970-01-01 01:00:00,5\n001,2025-05-01,5\n"
    found = broken(tmp_path, surveys=answers, orders=orders)
    assert {(f.code, f.table, f.column, f.rows) for f in found} == {
        ("date_outside_data", "surveys", "answered_at", 1),
        ("date_outside_data", "orders", "ordered_at", 1),
    }
