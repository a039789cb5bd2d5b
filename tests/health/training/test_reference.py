"""Bins of the training data: shares that sum to one, for numbers, texts and nothing at all."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.training.reference import bin_shares, reference_ranges

VALUES = st.lists(
    st.one_of(st.just(math.nan), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6)), min_size=1
)


@given(VALUES)
def test_shares_and_missing_sum_to_one_and_hold_for_the_same_values(values: list[float]) -> None:
    frame = pd.DataFrame({"x": values}, dtype=float)
    reference = reference_ranges(frame)["x"]
    assert sum(reference["shares"]) + reference["missing"] == pytest.approx(1.0)
    assert len(reference["shares"]) == len(reference["edges"]) + 1
    assert reference["edges"] == sorted(set(reference["edges"]))
    assert bin_shares(frame["x"], reference) == (reference["shares"], reference["missing"])


@given(VALUES, VALUES)
def test_each_value_counts_in_the_bin_of_the_last_edge_that_it_reaches(
    before: list[float], after: list[float]
) -> None:
    reference = reference_ranges(pd.DataFrame({"x": before}, dtype=float))["x"]
    newer = [*after, *reference["edges"], math.inf, -math.inf]
    shares, missing = bin_shares(pd.Series(newer, dtype=float), reference)
    counts = [0] * len(reference["shares"])
    for value in newer:
        if not math.isnan(value):
            counts[sum(value >= edge for edge in reference["edges"])] += 1
    assert shares == pytest.approx([count / len(newer) for count in counts])
    assert missing == pytest.approx(sum(map(math.isnan, newer)) / len(newer))


def test_tenths_of_distinct_numbers_hold_a_tenth_each() -> None:
    reference = reference_ranges(pd.DataFrame({"x": np.arange(1000.0)}))["x"]
    assert reference["shares"] == pytest.approx([0.1] * 10, abs=0.002)


def test_a_shift_is_seen() -> None:
    reference = reference_ranges(pd.DataFrame({"x": np.arange(100.0)}))["x"]
    shares, missing = bin_shares(pd.Series([500.0, 600.0, math.nan, math.nan]), reference)
    assert shares[-1] == 0.5
    assert missing == 0.5


def test_texts_have_a_share_for_all_others() -> None:
    frame = pd.DataFrame({"segment": ["a", "b", "a", None]})
    reference = reference_ranges(frame)["segment"]
    assert reference == {"values": ["a", "b"], "shares": [0.5, 0.25, 0.0], "missing": 0.25}
    shares, _ = bin_shares(pd.Series(["new", "a"]), reference)
    assert shares == [0.5, 0.0, 0.5]


def test_a_column_never_measured_is_all_missing() -> None:
    reference = reference_ranges(pd.DataFrame({"x": [math.nan, math.nan]}))["x"]
    assert reference == {"edges": [], "shares": [0.0], "missing": 1.0}
