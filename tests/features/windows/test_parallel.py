"""Tasks in threads: in order, at the same time, and the first failure is raised."""

from __future__ import annotations

import time
from functools import partial
from threading import Barrier

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.windows.observation_dates import ObservationDates, OneDate
from features.windows.parallel import processors, run_parallel


def test_results_come_in_the_order_of_the_tasks() -> None:
    def waits(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0.0)
        return number

    assert run_parallel(partial(waits, number) for number in range(7)) == list(range(7))
    assert run_parallel([]) == []


@pytest.mark.skipif(processors() < 2, reason="needs two processors")
def test_two_tasks_run_at_the_same_time() -> None:
    # Each waits for the other: one after another they would never meet.
    meets = Barrier(2, timeout=10)
    assert sorted(run_parallel([meets.wait, meets.wait])) == [0, 1]


def test_a_library_call_leaves_the_memory_of_the_process_alone() -> None:
    pool = pa.default_memory_pool().backend_name
    assert run_parallel([lambda: pa.default_memory_pool().backend_name]) == [pool]


def test_the_first_failure_in_order_is_raised() -> None:
    def fails(what: str) -> None:
        raise ValueError(what)

    with pytest.raises(ValueError, match="first"):
        run_parallel([lambda: None, partial(fails, "first"), partial(fails, "second")])


def test_each_family_has_the_features_of_those_before() -> None:
    observations = pd.DataFrame(
        {
            "account_id": ["a", "b", "b"],
            "as_of": pd.to_datetime(["2026-01-04", "2026-01-04", "2026-01-11"]),
            "seats": [1.0, 2.0, 3.0],
        }
    )

    def twice(date: OneDate) -> dict[str, np.ndarray]:
        return {"twice": 2 * date.feature("seats")}

    def more(date: OneDate) -> dict[str, np.ndarray]:
        by_account = {"number": np.array([10.0, 20.0])}
        return {"more": date.feature("twice") + 1, "unknown": date.feature("x")} | date.broadcast(
            by_account
        )

    dates = ObservationDates.of(observations, ["more", "twice", "number", "unknown", "never"])
    result = dates.result([twice, more])
    assert result["more"].tolist() == [3.0, 5.0, 7.0]
    assert result["number"].tolist() == [10.0, 20.0, 20.0]
    assert result[["unknown", "never"]].isna().all(axis=None)
