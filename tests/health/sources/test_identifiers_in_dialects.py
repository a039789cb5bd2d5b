"""Identifiers that are decimals pass through no float in the SQL of any warehouse."""

from __future__ import annotations

import pyarrow as pa
import pytest

from features.reading.warehouse_table import _canonical
from features.tables.schema import TABLES
from features.tables.warehouse import Warehouse

sqlglot = pytest.importorskip("sqlglot")
pytest.importorskip("ibis")
pytestmark = pytest.mark.slow

COLUMNS = pa.schema(
    {
        "account_id": pa.decimal128(38, 0),
        "event": pa.string(),
        "occurred_at": pa.timestamp("us"),
        "user_id": pa.decimal256(76, 38),
        "quantity": pa.decimal128(38, 9),
    }
)
DIALECTS = ("snowflake", "bigquery", "databricks", "trino", "clickhouse", "athena", "postgres")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_decimal_identifiers_are_cast_to_text(dialect: str) -> None:
    # What is asked is whether events are plain text.
    warehouse = Warehouse(dialect, lambda _: pa.table({"event": [0]}))
    rows = warehouse.rows("SELECT * FROM raw_usage", COLUMNS)
    table = TABLES["usage"]
    canonical = _canonical(table, rows, {table.column(name): name for name in COLUMNS.names})
    parsed = sqlglot.parse_one(warehouse.sql(canonical.to_native()), read=dialect)
    kinds: dict[str, set[bool]] = {}
    for cast in parsed.find_all(sqlglot.exp.Cast):
        if isinstance(cast.this, sqlglot.exp.Column):
            text = cast.to.is_type(*sqlglot.exp.DataType.TEXT_TYPES)
            kinds.setdefault(cast.this.name, set()).add(text)
    assert kinds["account_id"] == kinds["user_id"] == {True}
    assert kinds["quantity"] == {False}
