"""What every test has in common."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.examples import examples

# Where Python may not keep what it compiles, as in many containers, each of the run's processes
# would compile pandas and scikit-learn anew, which takes longer than most of what they are asked.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Two processes share two cores: threads within each would only wait for one another.
for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_library, "1")

# A test's first example pays for imports and connections; a busy machine pays more.
settings.register_profile("project", deadline=None, max_examples=examples(20))
settings.load_profile("project")


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """Forget what a test planted: one process runs many tests."""
    yield
    # The process that only hands out tests to others loads this file without the packages.
    if redaction := sys.modules.get("features.redaction"):
        redaction._KNOWN.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the later cases of some tests as slow, and begin with what needs the demo company.

    It is made while others, which do not need it, are tested.
    """
    cases: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("quick_cases")
        if mark is not None and item.get_closest_marker("slow") is None:
            test = item.nodeid.partition("[")[0]
            cases[test] += 1
            if cases[test] > mark.args[0]:
                item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.name != "test_cli.py")
