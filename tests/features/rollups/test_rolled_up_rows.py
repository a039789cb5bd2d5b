"""Rolled-up rows of many files put together, against pandas on the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from features.rollups.running_totals import FileDays, follow_one_another, share_a_day
from features.rollups.usage_rollup import in_order_of_day, named_codes
from features.windows.day_rows import distinct, distinct_places

NAMES = st.lists(st.sampled_from(["b", "a", "", "é", None, "c"]), max_size=8)
DAYS = st.lists(st.integers(-3, 12), max_size=8)


@given(parts=st.lists(NAMES, min_size=1, max_size=5))
def test_codes_name_what_stood_there_in_order_of_name(parts: list[list[str | None]]) -> None:
    tables = [pa.table({"name": pa.array(p, pa.string()).dictionary_encode()}) for p in parts]
    # The second half of a table has its names in common with the first.
    cut = [piece for t in tables for piece in (t.slice(0, 3), t.slice(3))]
    names, codes = named_codes(pa.concat_tables(cut)["name"])
    listed = names.to_pylist()
    assert listed == sorted(listed)
    result = [None if code < 0 else listed[code] for code in codes]
    assert result == [name for part in parts for name in part]


@given(files=st.lists(DAYS, max_size=5))
def test_rows_come_in_order_of_day_and_none_is_lost(files: list[list[int]]) -> None:
    tables = [
        pa.table({"day": pa.array(sorted(days), pa.int32()), "file": [number] * len(days)})
        for number, days in enumerate(files)
    ]
    ordered = in_order_of_day(tables)
    rows = pd.concat([pd.DataFrame({"day": [], "file": []}), *(t.to_pandas() for t in ordered)])
    assert rows["day"].is_monotonic_increasing
    given_rows = sorted((day, number) for number, days in enumerate(files) for day in days)
    assert sorted(zip(rows["day"], rows["file"], strict=True)) == given_rows


@given(codes=st.lists(st.integers(0, 50), max_size=30), far=st.booleans())
def test_each_code_once(codes: list[int], *, far: bool) -> None:
    given_codes, span = np.array(codes, dtype=np.int64), 10**12 if far else 51
    assert distinct(given_codes, span).tolist() == sorted(set(codes))
    found, place = distinct_places(given_codes, span)
    assert found.tolist() == sorted(set(codes))
    assert found[place].tolist() == codes


def test_files_that_share_a_day_follow_one_another_all_the_same() -> None:
    files = [FileDays("a", 1, 7), FileDays("b", 7, 14), FileDays("c", 15, 20)]
    assert follow_one_another(files)
    assert share_a_day(files)
    assert not share_a_day(files[1:])
    assert not follow_one_another([FileDays("a", 1, 7), FileDays("late", 2, 9)])
