"""What every test has in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from features import redaction

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
settings.register_profile("project", deadline=None, max_examples=20)
settings.load_profile("project")


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests() -> Iterator[None]:
    """Forget what a test planted: one process runs many tests."""
    yield
    redaction._KNOWN.clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with a file that needs the demo company: it is made while others are tested."""
    items.sort(key=lambda item: item.path.name != "test_cli.py")
