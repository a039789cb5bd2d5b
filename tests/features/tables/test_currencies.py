"""Amounts in other currencies are converted by the configured rates, or rejected."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from features.errors import InputError
from features.reading.source import open_tables
from features.reading.table_source import TableSource
from features.tables.currencies import Currencies
from features.tables.point_in_time import collect

_ACCOUNTS = "account_id,created_at\nA,2024-01-01\nB,2024-01-01\nC,2024-01-01\n"
_SUBSCRIPTIONS = (
    "account_id,product,started_at,ended_at,mrr,list_mrr,seats,currency\n"
    "A,core,2024-01-01,,100,120,5,EUR\nB,core,2024-01-01,,100,120,5, usd\n"
    "C,core,2024-01-01,,10,,5,\n"
)
_ORDERS = "account_id,ordered_at,amount,currency\nA,2024-03-01,-50,GBP\nB,2024-03-02,50,USD\n"


def _opened(folder: Path, currencies: Currencies, *, parquet: bool = False):
    texts = {"accounts": _ACCOUNTS, "subscriptions": _SUBSCRIPTIONS, "orders": _ORDERS}
    sources = {}
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
        if parquet:
            frame = pd.read_csv(folder / f"{name}.csv")
            times = {c: pd.to_datetime(frame[c]) for c in frame if c.endswith("_at")}
            frame.assign(**times).to_parquet(folder / f"{name}.parquet")
        sources[name] = TableSource(path=f"{name}.{'parquet' if parquet else 'csv'}")
    return open_tables(sources, base=folder, currencies=currencies)


@pytest.mark.parametrize("parquet", [False, True])
def test_every_amount_is_converted_and_nothing_else(tmp_path: Path, parquet: bool) -> None:
    opened = _opened(tmp_path, Currencies("usd", {"EUR": 1.10, "GBP": 1.25}), parquet=parquet)
    rows = collect(opened.tables["subscriptions"]).sort_values("account_id")
    assert rows["mrr"].round(6).tolist() == [110, 100, 10]
    assert rows["list_mrr"].round(6).tolist()[:2] == [132, 120]
    assert rows["seats"].tolist() == [5, 5, 5]
    assert rows["currency"].fillna("").tolist() == ["USD", "USD", ""]
    orders = collect(opened.tables["orders"]).sort_values("account_id")
    assert orders["amount"].tolist() == [-62.5, 50]
    (noted,) = (f for f in opened.findings if f.code == "no_currency")
    assert (noted.table, noted.column, noted.rows) == ("subscriptions", "currency", 1)


def test_rows_in_a_currency_without_a_rate_are_rejected_in_every_table(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _opened(tmp_path, Currencies("USD", {"CHF": 1.1}))
    found = {f.table: f for f in caught.value.findings}
    assert found.keys() == {"subscriptions", "orders"}
    assert all(f.code == "other_currency" and f.column == "currency" for f in found.values())
    assert (found["subscriptions"].rows, found["subscriptions"].total) == (1, 3)
    assert "USD" in found["subscriptions"].what and "EUR" in found["subscriptions"].what
    assert (
        "EUR = " in found["subscriptions"].fix and "[exchange_rates]" in found["subscriptions"].fix
    )


def test_one_currency_that_is_not_the_companys_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(_ACCOUNTS)
    (tmp_path / "s.csv").write_text(_SUBSCRIPTIONS.replace(" usd", "EUR"))
    sources = {"accounts": TableSource(path="a.csv"), "subscriptions": TableSource(path="s.csv")}
    with pytest.raises(InputError, match=r"currency is USD.*in EUR; 2 of 3 rows"):
        open_tables(sources, base=tmp_path, currencies=Currencies("USD"))
    open_tables(sources, base=tmp_path, currencies=Currencies("EUR"))
    # Without a configured currency one is as good as another, but a mixture is not.
    open_tables(sources, base=tmp_path)


def test_large_files_are_converted_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.tables.relations.LAZY_FROM_BYTES", 0)
    opened = _opened(tmp_path, Currencies("USD", {"EUR": 2.0, "GBP": 2.0}), parquet=True)
    # Another engine may not read the amounts as they came.
    assert "subscriptions" not in opened.plain
    assert sorted(collect(opened.tables["subscriptions"])["mrr"]) == [10, 100, 200]


def test_quotes_in_a_rates_name_are_data(tmp_path: Path) -> None:
    rates = Currencies("USD", {"EUR": 1.1, "GBP": 1.0, "X' OR 1=1 --": 3.0})
    try:
        assert len(_opened(tmp_path, rates).summaries) == 3
    except duckdb.Error:
        pytest.fail("a currency's name became SQL")
