"""What every test has in common."""

from __future__ import annotations

from hypothesis import settings

# A test's first example pays for imports and connections; a busy machine pays more.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
