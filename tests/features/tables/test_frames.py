"""Input tables from frames of any library, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from features import HealthError, InputError, TableWarning, build_features, tables_from_frames
from features.tables.currencies import Currencies
from tests.features.company import DAY, UNTIL, arrow_table, company, frame
from tests.spark import jvm

END = datetime(2026, 6, 1)
ACCOUNTS = pd.DataFrame({"account_id": ["a", "b"], "created_at": ["2025-01-01", "2025-02-01"]})
SUBSCRIPTIONS = pd.DataFrame(
    {
        "account_id": ["a", "b"],
        "product": "core",
        "started_at": pd.to_datetime(["2025-01-01", "2025-02-01"]),
        "ended_at": pd.to_datetime([None, "2026-03-01"]),
        "mrr": [100, 50],
        "a column of their own": "x",
    }
)
USAGE = pd.DataFrame(
    {
        "account_id": "a",
        "event": "view",
        "occurred_at": pd.date_range("2026-05-01", periods=20, freq="D", tz="UTC"),
        "user_id": "u",
    }
)
TABLES = {"accounts": ACCOUNTS, "subscriptions": SUBSCRIPTIONS, "usage": USAGE}
CONVERT: dict[str, Any] = {
    "polars": pl.from_pandas,
    "polars lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "arrow": pa.Table.from_pandas,
    "duckdb": lambda frame: duckdb.connect().from_df(frame),
}


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    return build_features(tables_from_frames(TABLES, observed_until=END), [datetime(2026, 5, 24)])


def test_pandas_frames_give_the_accounts_that_pay(expected: pd.DataFrame) -> None:
    assert expected["account_id"].tolist() == ["a"]
    assert expected.loc[0, "usage_events_28d"] == 20


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("kind", CONVERT)
def test_every_kind_of_frame_gives_the_same_features(kind: str, expected: pd.DataFrame) -> None:
    frames = {name: CONVERT[kind](frame) for name, frame in TABLES.items()}
    tables = tables_from_frames(frames, observed_until=END)
    found = build_features(tables, [datetime(2026, 5, 24)])
    pd.testing.assert_frame_equal(found, expected)


def test_columns_without_a_value_have_their_kind() -> None:
    rows, none = (
        company(),
        {"ended_at", "csm", "segment", "csat", "subject", "escalated", "user_id"},
    )
    for name in ("accounts", "subscriptions", "tickets", "usage"):
        rows[name] = [{k: v for k, v in row.items() if k not in none} for row in rows[name]]
    typed = {name: arrow_table(name, listed) for name, listed in rows.items()}
    # In pandas such a column is one of objects, of which no type is known.
    untyped = {
        name: frame(name, listed)
        .astype({"account_id": object})
        .apply(lambda column: column.astype(object) if column.isna().all() else column)
        for name, listed in rows.items()
    }
    found = [
        build_features(tables_from_frames(frames, observed_until=UNTIL), [DAY])
        for frames in (typed, untyped)
    ]
    pd.testing.assert_frame_equal(*found)


def test_a_rating_that_is_no_number_is_none() -> None:
    opened = [datetime(2026, 5, 2), datetime(2026, 5, 3)]
    tickets = pa.table(
        {
            "account_id": ["a", "a"],
            "ticket_id": ["1", "2"],
            "opened_at": opened,
            "solved_at": opened,
            "csat": [float("nan"), 2.0],
        }
    )
    arrow = {name: pa.Table.from_pandas(frame) for name, frame in TABLES.items()}
    tables = tables_from_frames(arrow | {"tickets": tickets}, observed_until=END)
    found = build_features(tables, [datetime(2026, 5, 24)]).iloc[0]
    assert found["tickets_csat_180d"] == 0.0
    assert found["tickets_badly_rated_90d"] == 1.0


def test_a_table_that_is_none_or_lacks_a_column_is_refused() -> None:
    with pytest.raises(HealthError, match="no such input table"):
        tables_from_frames({"acounts": ACCOUNTS}, observed_until=END)
    with pytest.raises(HealthError, match="lacks product, started_at, ended_at, mrr"):
        tables_from_frames({"subscriptions": ACCOUNTS}, observed_until=END)


def test_the_repr_tells_what_is_there() -> None:
    tables = tables_from_frames({"accounts": ACCOUNTS}, observed_until=END)
    assert repr(tables) == "Tables(accounts (2 columns); data until 2026-06-01)"


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("kind", CONVERT)
def test_frames_are_read_by_the_rules_of_files(kind: str) -> None:
    timed = USAGE.assign(occurred_at=USAGE["occurred_at"] + pd.Timedelta(hours=9))
    usage = pd.concat([timed, timed, timed.iloc[:1].assign(account_id="unknown")])
    orders = pd.DataFrame(
        {
            "account_id": ["a", "b"],
            "ordered_at": pd.to_datetime(["2026-01-01", "2026-02-01"]),
            "amount": ["1.234,50", "1,00"],
            "currency": ["EUR", "usd"],
        }
    )
    subscriptions = SUBSCRIPTIONS.assign(product=["core", "Core "])
    frames = {**TABLES, "usage": usage, "orders": orders, "subscriptions": subscriptions}
    frames = {name: CONVERT[kind](frame) for name, frame in frames.items()}
    with pytest.warns(TableWarning) as caught:
        tables = tables_from_frames(
            frames, observed_until=END, currencies=Currencies("USD", {"EUR": 2.0})
        )
    texts = " ".join(str(w.message) for w in caught)
    for part in ("20 of 41 rows", "belongs to no account", "1.234,50 is read as 1234.50", "'core'"):
        assert part in texts
    found = tables["orders"].collect("pandas").to_native().sort_values("account_id")
    assert found["amount"].tolist() == [2469.0, 1.0]
    assert len(tables["usage"].collect("pandas").to_native()) == 20
    products = tables["subscriptions"].collect("pandas").to_native()["product"]
    assert products.nunique() == 1
    with pytest.raises(InputError, match="the company's currency is GBP"):
        tables_from_frames(
            {"orders": frames["orders"]}, observed_until=END, currencies=Currencies("GBP")
        )


def test_versions_in_frames_count_once_and_undecided_ones_are_refused() -> None:
    times = pd.to_datetime(["2026-05-01", "2026-05-02", None])
    tickets = pd.DataFrame(
        {"account_id": "a", "ticket_id": ["1", "1", "1"], "opened_at": times[0], "solved_at": times}
    )
    with pytest.warns(TableWarning, match="latest row"):
        tables = tables_from_frames({"tickets": tickets}, observed_until=END)
    (ticket,) = tables["tickets"].collect("pandas").to_native().to_dict("records")
    assert ticket["solved_at"] == times[1]
    undecided = tickets.assign(solved_at=pd.NaT, priority=["low", "high", "low"])
    with pytest.raises(InputError, match="nothing shows which"):
        tables_from_frames({"tickets": undecided}, observed_until=END)


@pytest.fixture
def spark() -> Iterator[Any]:
    with jvm() as running:
        yield running


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_spark_frames_stay_on_spark(spark: Any) -> None:
    frame = spark.createDataFrame([("a", "2025-01-01")], ["account_id", "created_at"])
    tables = tables_from_frames({"accounts": frame}, observed_until=END)
    assert tables["accounts"].implementation.is_spark_like()
    assert tables["accounts"].collect("pandas").to_native()["created_at"][0] == pd.Timestamp(
        2025, 1, 1
    )
    orders = spark.createDataFrame(
        2 * [("a", datetime(2025, 5, 1, 10), 5.0, "EUR"), ("b", datetime(2025, 5, 2, 10), 1.0, "")],
        "account_id string, ordered_at timestamp_ntz, amount double, currency string",
    )
    rates = Currencies("USD", {"EUR": 2.0})
    with pytest.warns(TableWarning, match="2 of 4 rows"):
        tables = tables_from_frames(
            {"accounts": frame, "orders": orders}, observed_until=END, currencies=rates
        )
    (order,) = tables["orders"].collect("pandas").to_native().to_dict("records")
    assert (order["account_id"], order["amount"], order["currency"]) == ("a", 10.0, "USD")
    with pytest.raises(HealthError, match="the others are not"):
        tables_from_frames({"accounts": frame, "usage": USAGE}, observed_until=END)


def test_a_column_given_twice_is_refused() -> None:
    twice = pd.concat([ACCOUNTS, ACCOUNTS[["account_id"]]], axis=1)
    with pytest.raises(
        HealthError, match=r"(?s)accounts: has columns with the same name.*account_id"
    ):
        tables_from_frames({**TABLES, "accounts": twice}, observed_until=END)


def test_without_contracts_and_orders_there_is_nobody_to_describe() -> None:
    accounts = pd.DataFrame({"account_id": ["a"], "created_at": ["2026-01-05"]})
    tables = tables_from_frames({"accounts": accounts}, observed_until=datetime(2026, 6, 1))
    with pytest.raises(HealthError, match="neither subscriptions nor orders"):
        build_features(tables, [datetime(2026, 6, 1)])


def test_true_is_no_amount() -> None:
    frames = {
        "accounts": pd.DataFrame({"account_id": ["a"], "created_at": ["2026-01-05"]}),
        "orders": pd.DataFrame({"account_id": ["a"], "ordered_at": "2026-01-05", "amount": [True]}),
    }
    with pytest.raises(InputError, match=r"amount.*is not a number"):
        tables_from_frames(frames, observed_until=datetime(2026, 6, 1))
