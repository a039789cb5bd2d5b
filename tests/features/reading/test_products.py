"""Products in several spellings: one product, reported, from files and from frames."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.reading.frames import TableWarning, tables_from_frames
from features.tables import relations as relations_module
from features.tables.product_names import product_key
from tests.features.small_company import opened, rows, write

END = datetime(2026, 1, 1)
SUBSCRIPTIONS = """account_id,product,started_at,ended_at,mrr
001,Data Hub,2025-01-01,,100
002,data  hub,2025-02-01,,200
003,Data Hub,2025-03-01,,300
003,DATAHUB,2025-04-01,,5
001,Insights,2025-01-01,,100
002,Insights,2025-01-01,,100
"""
ORDERS = "account_id,ordered_at,amount,product\n001,2025-05-01,5,INSIGHTS\n002,2025-05-02,5,Pen\n"


def test_spellings_of_a_product_are_one_product_in_all_tables(tmp_path: Path) -> None:
    sources = write(tmp_path, subscriptions=SUBSCRIPTIONS, orders=ORDERS)
    result = opened(tmp_path, sources, observed_until=END)
    assert set(rows(result, "subscriptions")["product"]) == {"Data Hub", "Insights"}
    assert rows(result, "orders")["product"].tolist() == ["Insights", "Pen"]
    found = {f.table: f for f in result.findings if f.code == "product_spelling"}
    assert (found["subscriptions"].rows, found["subscriptions"].total) == (2, 6)
    assert "'data  hub' as 'Data Hub'" in found["subscriptions"].what
    assert found["subscriptions"].level == "warning"


@pytest.mark.parametrize("lazy_from", [0, relations_module.LAZY_FROM_BYTES])
@pytest.mark.slow
def test_frames_and_parquet_have_the_same_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lazy_from: int
) -> None:
    monkeypatch.setattr(relations_module, "LAZY_FROM_BYTES", lazy_from)
    sources = write(tmp_path, subscriptions=SUBSCRIPTIONS)
    frame = pd.read_csv(tmp_path / "subscriptions.csv", dtype={"account_id": str})
    frame.to_parquet(tmp_path / "subscriptions.parquet", index=False)
    source = sources["accounts"].model_copy(update={"path": "subscriptions.parquet"})
    result = opened(tmp_path, {**sources, "subscriptions": source}, observed_until=END)
    assert set(rows(result, "subscriptions")["product"]) == {"Data Hub", "Insights"}
    with pytest.warns(TableWarning, match="'DATAHUB' as 'Data Hub'"):
        tables = tables_from_frames({"subscriptions": frame}, observed_until=END)
    found = tables["subscriptions"].collect("pandas").to_native()
    assert set(found["product"]) == {"Data Hub", "Insights"}


def test_products_that_differ_otherwise_are_several(tmp_path: Path) -> None:
    text = SUBSCRIPTIONS.replace("data  hub", "Data-Hub").replace("DATAHUB", "Data Hub 2")
    result = opened(tmp_path, write(tmp_path, subscriptions=text), observed_until=END)
    assert rows(result, "subscriptions")["product"].nunique() == 4
    assert "product_spelling" not in {f.code for f in result.findings}


def test_a_letter_with_an_accent_is_the_same_however_it_is_encoded() -> None:
    composed, decomposed = "Caf\u00e9 Plus", "Cafe\u0301 plus"
    assert composed != decomposed
    assert product_key(composed) == product_key(decomposed)
    assert product_key("Cafe Plus") != product_key(composed)
