"""Usage summed by day, against pandas on the same rows."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.rollups.daily_usage import _numbered
from features.rollups.usage_rollup import ROLLUPS, Name, collected, named_codes, prepared

NAMES = st.lists(st.sampled_from(["b", "a", "", "é", None, "c"]), max_size=8)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "account_id": st.sampled_from(["a", "b"]),
            "user_id": st.sampled_from(["u", None]),
            "event": st.sampled_from(["view", "export"]),
            "occurred_at": st.integers(0, 40).map(
                lambda hours: datetime(2026, 6, 1) + timedelta(hours=hours)
            ),
            "quantity": st.sampled_from([None, 0.0, 2.0]),
            "errors": st.sampled_from([None, 0.0, 3.0]),
            "active_users": st.sampled_from([None, 4.0]),
        }
    ),
    min_size=1,
    max_size=12,
)
TYPES = pa.schema(
    [
        *((name, pa.string()) for name in ("account_id", "user_id", "event")),
        ("occurred_at", pa.timestamp("us")),
        *((name, pa.float64()) for name in ("quantity", "errors", "active_users")),
    ]
)


@given(parts=st.lists(NAMES, min_size=1, max_size=5), is_coded=st.booleans())
def test_codes_are_the_places_of_names_in_order(
    parts: list[list[str | None]], is_coded: bool
) -> None:
    texts = [pa.array(part, pa.string()) for part in parts]
    tables = [pa.table({"name": t.dictionary_encode() if is_coded else t}) for t in texts]
    # Both slices of a table share their dictionary.
    cut = [piece for t in tables for piece in (t.slice(0, 3), t.slice(3))]
    names, codes = named_codes(pa.concat_tables(cut)["name"])
    listed = names.to_pylist()
    assert listed == sorted(listed)
    result = [None if code < 0 else listed[code] for code in codes]
    assert result == [name for part in parts for name in part]


def _summed(name: Name, rows: list[dict[str, object]]) -> pa.Table:
    connection = duckdb.connect()
    table = pa.Table.from_pylist(rows, schema=TYPES)
    return collected(ROLLUPS[name].of(prepared(nw.from_native(connection.from_arrow(table)))))


def _as_frame(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas()
    texts = [name for name in ("account_id", "user_id", "event") if name in frame]
    frame = frame.astype(dict.fromkeys(texts, object)).fillna(
        {"user_id": "nobody"} if "user_id" in frame else {}
    )
    return frame.sort_values([*texts, "day"], ignore_index=True)[sorted(frame.columns)]


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 12))
@pytest.mark.parametrize("name", ROLLUPS)
def test_sums_of_two_roll_ups_are_those_of_all_rows(
    name: Name, rows: list[dict[str, object]], cut: int
) -> None:
    connection, whole = duckdb.connect(), _summed(name, rows)
    parts = [_summed(name, part) for part in (rows[:cut], rows[cut:]) if part]
    days = [
        part.set_column(part.column_names.index("day"), "day", part["day"].cast(pa.date32()))
        for part in parts
    ]
    both = nw.from_native(connection.from_arrow(pa.concat_tables(days).unify_dictionaries()))
    summed = collected(ROLLUPS[name].of(both.lazy()))
    pd.testing.assert_frame_equal(_as_frame(summed), _as_frame(whole))


def test_a_roll_up_by_user_is_what_pandas_sums() -> None:
    day = datetime(2026, 6, 1)
    same = {"account_id": "a", "user_id": "u", "event": "view", "active_users": None}
    rows: list[dict[str, object]] = [
        {**same, "occurred_at": day, "quantity": None, "errors": None},
        {**same, "occurred_at": day + timedelta(hours=23), "quantity": 4.0, "errors": 2.0},
        {**same, "occurred_at": day + timedelta(hours=24), "quantity": 0.5, "errors": 1.0},
    ]
    found = _summed("users", rows).to_pylist()
    first = (date(2026, 6, 1) - date(1970, 1, 1)).days
    assert [row["day"] for row in found] == [first, first + 1]
    assert [row["quantity"] for row in found] == [5.0, 0.5]
    assert [row["records"] for row in found] == [2.0, 1.0]
    assert [row["errors"] for row in found] == [2.0, 1.0]
    assert [row["errors_known"] for row in found] == [1.0, 1.0]
    assert [row["users_counted"] for row in found] == [0.0, 0.0]


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 5))), of_one=st.booleans())
def test_users_are_numbered_in_order_of_account_and_name(
    rows: list[tuple[int, int]], of_one: bool
) -> None:
    """A user of two accounts is two users; a row without a user has none."""
    rows = [(user % 2 if of_one and user >= 0 else account, user) for account, user in rows]
    pairs = sorted({row for row in rows if row[1] >= 0})
    account, user = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    number, owner = _numbered(account, user, 6)
    assert number.tolist() == [pairs.index(row) if row[1] >= 0 else -1 for row in rows]
    assert owner.tolist() == [account for account, _ in pairs]
