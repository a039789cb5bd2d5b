"""What the tests of sources share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.health.sources import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start one server for the session; skipped where Postgres is not installed."""
    with postgres.server() as url:
        yield url
