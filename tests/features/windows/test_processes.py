"""A task whose process dies runs once more; one that dies again is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from features.errors import HealthError
from features.windows.processes import in_processes


def doubled(number: int, deaths: Path, most: int) -> int:
    """Double a number; the task of 1 kills its own process this many times."""
    died = len(list(deaths.iterdir()))
    if number == 1 and died < most:
        (deaths / str(died)).touch()
        os.kill(os.getpid(), 9)
    return 2 * number


@pytest.mark.slow
def test_a_killed_task_runs_again_and_is_named_the_second_time(tmp_path: Path) -> None:
    def run(most: int) -> list[int]:
        folder = tmp_path / str(most)
        folder.mkdir()
        given = [(number, folder, most) for number in range(4)]
        return list(in_processes(doubled, given, processes=2, name=lambda n: f"part {n}"))

    assert run(1) == [0, 2, 4, 6]
    with pytest.raises(HealthError, match="part 1 was killed twice") as fault:
        run(9)
    assert fault.value.exit_code == 2
