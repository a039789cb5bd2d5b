from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from health.backtest.bootstrap import Resampling, group_rates, measured, median_of, share_of

QUICK = Resampling(60, seed=3)


def _rows(seed: int, n: int = 80) -> tuple[np.ndarray, pd.Series, pd.Series]:
    rng = np.random.default_rng(seed)
    codes = np.sort(rng.integers(0, 20, n))
    codes = np.unique(codes, return_inverse=True)[1]
    happened = pd.Series((rng.random(n) < 0.3).astype(float))
    groups = pd.Series(rng.choice(["red", "green"], n))
    return codes, happened, groups


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_rates_are_those_of_the_rows_and_lie_in_their_interval(seed: int) -> None:
    codes, happened, groups = _rows(seed)
    rates = group_rates(groups, happened, codes, QUICK, order=["red", "green"]).set_index("name")
    for name in ("red", "green"):
        own = happened[groups == name]
        row = rates.loc[name]
        assert row["rate"] == pytest.approx(own.mean())
        assert row["rows"] == len(own)
        assert row["events"] == own.sum()
        assert row["lift"] == pytest.approx(own.mean() / happened.mean())
        assert row["accounts"] == len(np.unique(codes[groups == name]))
        assert row["event_accounts"] == len(np.unique(codes[(groups == name) & (happened == 1)]))
        assert row["low"] <= row["rate"] + 1e-9
        assert row["rate"] <= row["high"] + 1e-9


def test_rows_of_one_account_count_once_for_the_interval() -> None:
    rng = np.random.default_rng(0)
    happened = pd.Series(np.repeat((rng.random(30) < 0.4).astype(float), 20))
    groups = pd.Series("all", index=happened.index)
    alone = group_rates(groups, happened, np.arange(600), Resampling(400), order=["all"])
    together = group_rates(
        groups, happened, np.repeat(np.arange(30), 20), Resampling(400), order=["all"]
    )
    assert (together["high"] - together["low"])[0] > 3 * (alone["high"] - alone["low"])[0]


def test_none_of_ten_is_not_certainly_none() -> None:
    happened = pd.Series([0.0] * 10 + [1.0] * 10)
    groups = pd.Series(["red"] * 10 + ["green"] * 10)
    rates = group_rates(groups, happened, np.arange(20), QUICK, order=["red", "green"])
    assert rates["high"][0] == pytest.approx(0.308, abs=0.001)
    assert rates["low"][1] == pytest.approx(0.692, abs=0.001)
    assert share_of(np.zeros(10), QUICK).high == pytest.approx(0.308, abs=0.001)


def test_a_difference_is_paired() -> None:
    codes, happened, _ = _rows(1)
    drawn = measured(
        {
            "one": lambda w: {"mean": w @ happened.to_numpy() / w.sum(axis=1)},
            "more": lambda w: {"mean": w @ happened.to_numpy() / w.sum(axis=1) + 0.25},
        },
        codes,
        QUICK,
    )
    difference = drawn["more"]["mean"].minus(drawn["one"]["mean"])
    assert (difference.low, difference.value, difference.high) == pytest.approx((0.25,) * 3)
    assert drawn["one"]["mean"].interval.low < drawn["one"]["mean"].interval.high


def test_a_median_of_nothing_is_not_known() -> None:
    assert np.isnan(median_of(np.empty(0), QUICK).value)
    some = median_of(np.array([10.0, 20.0, 90.0]), QUICK)
    assert (some.low, some.value, some.high) == (10.0, 20.0, 90.0)
