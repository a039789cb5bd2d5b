"""Tasks run in the executors of Spark, and their results and errors come back."""

from __future__ import annotations

import os
import sys
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


def python_of(number: int) -> tuple[int, str]:
    """Return the number and the Python that runs the task."""
    return number, sys.executable


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session of a process whose path finds another Python, as in a cron job."""
    other = tmp_path_factory.mktemp("bin") / "python3"
    other.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    other.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(other.parent), os.environ["PATH"]]))
        with jvm() as running:
            yield running


def test_tasks_run_in_the_python_of_the_session(spark: Any, tmp_path: Path) -> None:
    found = list(in_executors(spark, python_of, [(0,)], at_once=1, folder=tmp_path))
    assert found == [(0, sys.executable)]


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
