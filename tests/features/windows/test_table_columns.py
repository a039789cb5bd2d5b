"""A loaded table: absent columns, and quantiles per account."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from features.tables.connection import in_memory
from features.windows.table_columns import NEVER, load_columns, quantiles

_LARGEST = 2**62


@given(
    st.lists(st.tuples(st.integers(0, 3), st.one_of(st.integers(0, 999), st.just(_LARGEST)))),
    st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]),
)
def test_quantiles_are_those_of_each_account(pairs: list[tuple[int, int]], share: float) -> None:
    account, values = (np.array([pair[k] for pair in pairs], dtype=np.int64) for k in (0, 1))
    found = quantiles(account, 5, values).of(share)
    for number in range(5):
        own = values[account == number]
        expected = np.quantile(own, share) if len(own) else np.nan
        np.testing.assert_allclose(found[number], expected, rtol=1e-12)


def test_a_column_that_is_not_there_is_empty() -> None:
    connection = in_memory()
    rows = connection.sql(
        "SELECT * FROM (VALUES ('b', true, NULL::TIMESTAMP), ('a', NULL, TIMESTAMP '1970-01-02'),"
        " ('c', false, NULL)) AS t(account_id, urgent, replied_at)"
    )
    loaded = load_columns(
        nw.from_native(rows).lazy(),
        pd.Index(["a", "b"], dtype=object),
        optional={
            "urgent": "flag",
            "replied_at": "time",
            "closed": "time",
            "by": "text",
            "n": "number",
        },
    )
    rows_of = {int(account): place for place, account in enumerate(loaded.account)}
    a, b = rows_of[0], rows_of[1]
    assert [loaded["urgent"][a], loaded["urgent"][b]] == [-1, 1]
    assert [loaded["replied_at"][a], loaded["replied_at"][b]] == [86_400_000_000, NEVER]
    assert loaded["closed"].tolist() == [NEVER] * 2
    assert loaded["by"].tolist() == [-1] * 2
    assert np.isnan(loaded["n"]).all()
    assert not loaded.is_text("by", lambda _: True).any()
