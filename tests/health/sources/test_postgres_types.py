"""Types of Postgres whose values would arrive as something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from features import build_features
from features.errors import InputError
from health.business.company import open_company
from health.settings.config import load_config
from health.sources.databases import open_database
from tests.health.sources.test_databases import fill
from tests.health.sources.test_long_identifiers import AS_OF, configured, statements, warehouse

__all__ = ["warehouse"]
pytestmark = pytest.mark.slow
IDS = ("1", "2")


def test_money_is_not_read_in_cents(warehouse: str, tmp_path: Path) -> None:
    database = open_database("crm", warehouse, tmp_path)
    assert database.read("SELECT 1234.5::money AS m").to_pylist() == [{"m": 1234.5}]
    text = statements("bigint", IDS).replace("mrr numeric", "mrr money")
    fill(warehouse, text.replace("quantity numeric", "quantity money"))
    opened = open_company(load_config(configured(tmp_path, "$WAREHOUSE_URL"))).opened
    built = build_features(opened.tables, [AS_OF]).set_index("account_id")
    assert built.loc[[*IDS], "mrr"].tolist() == [100.5, 7]
    assert built.loc[[*IDS], "usage_events_28d"].tolist() == [30, 4]


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("table", ["subscriptions", "usage"])
def test_an_infinite_date_is_an_error(
    table: str, sign: str, kind: str, warehouse: str, tmp_path: Path
) -> None:
    text = statements("bigint", IDS).replace("timestamp", kind)
    row = {
        "subscriptions": f"(1, 'more', '2025-01-01', '{sign}infinity', 5)",
        "usage": f"(1, 'open', '{sign}infinity', 1, 1)",
    }
    fill(warehouse, f"{text};INSERT INTO {table} VALUES {row[table]}")
    with pytest.raises(InputError) as raised:
        open_company(load_config(configured(tmp_path, "$WAREHOUSE_URL")))
    (found,) = [f for f in raised.value.findings if f.code == "date_beyond_calendar"]
    assert (found.table, found.rows) == (table, 1)
    assert "infinite" in found.what and "nullif" in found.fix
