"""The direction of imports: features <- models <- health, never back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"features": {"models", "health"}, "models": {"health"}}


def _imported(path: Path) -> set[str]:
    """Return the top packages that a module imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_no_import_goes_back(package: str) -> None:
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    back = {
        str(path.relative_to(ROOT)): sorted(wrong)
        for path in modules
        if (wrong := _imported(path) & FORBIDDEN[package])
    }
    assert not back
