"""Tasks run in the executors of Spark, and their results and errors come back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.errors import HealthError
from features.windows.executors import in_executors
from tests.spark import jvm

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def half(number: int) -> tuple[int, int]:
    """Return half of an even number, and the process."""
    if number % 2:
        raise HealthError("is odd", where=str(number), fix="give an even number")
    return number // 2, os.getpid()


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    with jvm() as running:
        yield running


def test_results_come_in_the_order_of_the_arguments(spark: Any, tmp_path: Path) -> None:
    numbers = ((n,) for n in range(0, 10, 2))
    found = list(in_executors(spark, half, numbers, at_once=2, folder=tmp_path))
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]
    assert os.getpid() not in {process for _, process in found}
    assert not list(tmp_path.iterdir())


def test_an_error_is_raised_as_it_was(spark: Any, tmp_path: Path) -> None:
    with pytest.raises(HealthError) as fault:
        list(in_executors(spark, half, [(0,), (3,)], at_once=2, folder=tmp_path))
    assert fault.value.where == "3"
    assert fault.value.fix == "give an even number"
