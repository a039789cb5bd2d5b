"""A feature table in files is the table in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from health.business.feature_table import (
    ROWS_OF_A_GROUP,
    FeatureTable,
    in_small_groups,
    write_rows,
)

FRAME = pd.DataFrame(
    {
        "account_id": [f"A{number}" for number in range(7)],
        "as_of": pd.Timestamp("2026-06-07"),
        "csm": ["Ana", None, None, None, None, "Bo", "Bo"],
        "mrr": [1.0, 2.0, float("nan"), 4.0, 5.0, 6.0, 7.0],
    }
).astype({"as_of": "datetime64[us]"})
ADDED = pd.DataFrame({"growth": np.arange(7.0)})


@pytest.fixture(params=["memory", "files"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> FeatureTable:
    if request.param == "memory":
        return FeatureTable(FRAME).with_columns(ADDED)
    parts = [FRAME.iloc[:1], FRAME.iloc[1:1], FRAME.iloc[1:5], FRAME.iloc[5:]]
    files = [tmp_path / f"{number}.parquet" for number in range(len(parts))]
    kept = [file for file, rows in zip(files, parts, strict=True) if write_rows(rows, file)]
    assert len(kept) == 3
    return FeatureTable(files=tuple(kept)).with_columns(ADDED)


@pytest.mark.parametrize("places", [[0, 1, 2, 3, 4, 5, 6], [1, 2, 3], [6, 0, 4], [5], []])
def test_rows_at_places(table: FeatureTable, places: list[int]) -> None:
    expected = FRAME.join(ADDED).iloc[places].reset_index(drop=True)
    found = table.rows(np.array(places, dtype=np.intp))
    pd.testing.assert_frame_equal(found, expected)


def test_columns_of_every_account(table: FeatureTable) -> None:
    assert len(table) == len(FRAME)
    assert table.names == [*FRAME, "growth"]
    expected = FRAME.join(ADDED)[["growth", "mrr"]]
    pd.testing.assert_frame_equal(table.columns(["growth", "unknown", "mrr"]), expected)
    pd.testing.assert_frame_equal(table.columns(["growth"]), ADDED)
    assert table.schema.names == table.names


def test_a_file_with_large_groups_is_copied(tmp_path: Path) -> None:
    large, small = tmp_path / "large.parquet", tmp_path / "small.parquet"
    many = pd.DataFrame({"account_id": "A", "mrr": np.arange(5.0 * ROWS_OF_A_GROUP)})
    many.to_parquet(large)
    FRAME.to_parquet(small)
    folder = tmp_path / "copies"
    folder.mkdir()
    assert in_small_groups(small, folder) == small
    copy = in_small_groups(large, folder)
    assert copy != large
    assert pq.read_metadata(copy).num_row_groups == 5
    pd.testing.assert_frame_equal(pd.read_parquet(copy), many)
