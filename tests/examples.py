"""How many examples of a property are tried."""

from __future__ import annotations

import os


def examples(n: int) -> int:
    """Return n where every example is tried, as .ci/run does, and a third of it elsewhere."""
    return n if os.environ.get("HEALTH_TESTS_ALL_EXAMPLES") else max(n // 3, 1)
