"""A short run of the fuzz: broken files of every kind end in a message (see the benchmark)."""

from __future__ import annotations

import pytest

from tests.benchmarks.trust_fuzz import KINDS, run_case
from tests.health.conftest import Demo


@pytest.mark.slow
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_broken_files_end_in_a_message(demo: Demo, kind: int) -> None:
    for number in range(kind, 4 * len(KINDS), len(KINDS)):
        case = run_case(demo.folder, number)
        assert not case.fault, case
