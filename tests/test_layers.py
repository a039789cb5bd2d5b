"""The architecture: packages and folders in one order, no import against it, no cycle.

Late imports and imports for types count like any other.
"""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("features", "models", "health")
#: The folders and modules of each package, lowest first: each may import only from itself and
#: from those before it.
ORDER: dict[str, tuple[str, ...]] = {
    "features": (
        *(
            "redaction",
            "errors",
            "tables",
            "definitions",
            "windows",
            "rollups",
            "checks",
            "reading",
        ),
        *(
            "usage",
            "tickets",
            "surveys",
            "commercial",
            "journey",
            "orders",
            "relationship",
            "voice",
            "targets",
        ),
        *("catalogue", "catalogue_page", "custom", "build", "parts", "feature_hashes"),
        *("__main__", "features"),
    ),
    "models": (
        *(
            "base",
            "evaluation",
            "glass_box",
            "churn",
            "survival",
            "clv",
            "expansion",
            "text",
            "uplift",
            "renewal",
            "models",
        ),
    ),
    "health": (
        *(
            "presentation",
            "plots",
            "settings",
            "sources",
            "runs",
            "reasons",
            "business",
            "scorecard",
        ),
        *(
            "expansion",
            "renewals",
            "flags",
            "training",
            "scoring",
            "experiment",
            "backtest",
            "restate",
        ),
        *(
            "report",
            "voice",
            "workbook",
            "weekly",
            "publishing",
            "observability",
            "schedulers",
            "app",
            "erasure",
            "demo",
            "cli",
        ),
        "health",
    ),
}


def _modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = _modules()


def _imports(name: str) -> set[str]:
    """Return the project's modules that one imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else str(node.module))
    return {module for module in found if module in MODULES and module != name}


@cache
def _all_imports() -> dict[str, set[str]]:
    """Return what each module imports: read by the first test that asks, not by every process."""
    return {name: _imports(name) for name in MODULES}


def _place(name: str) -> tuple[int, int]:
    """Return where a module stands: its package, and its folder within the package."""
    package, _, rest = name.partition(".")
    return PACKAGES.index(package), ORDER[package].index(rest.split(".")[0] or package)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_has_a_place(package: str) -> None:
    present = {p.stem for p in (ROOT / package).glob("*.py") if p.stem != "__init__"}
    present |= {p.parent.name for p in (ROOT / package).glob("*/__init__.py")}
    assert present == set(ORDER[package]) - {package}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_goes_backwards(package: str) -> None:
    backwards = {
        name: sorted(wrong)
        for name in MODULES
        if name.split(".")[0] == package
        and (wrong := {module for module in _all_imports()[name] if _place(module) > _place(name)})
    }
    assert not backwards


def test_there_is_no_cycle() -> None:
    remaining = {name: set(imports) for name, imports in _all_imports().items()}
    while free := [name for name, imports in remaining.items() if not imports]:
        for name in free:
            del remaining[name]
        for imports in remaining.values():
            imports.difference_update(free)
    assert not remaining, "these modules import one another, or import modules that do"


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_exports_is_loaded_from_where_type_checkers_find_it(package: str) -> None:
    module = importlib.import_module(package)
    body = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body
    typed = [
        line
        for block in body
        if isinstance(block, ast.If)
        for line in block.body
        if isinstance(line, ast.ImportFrom)
    ]
    homes = {name.name: line.module for line in typed for name in line.names}
    assert homes == {name: f"{package}.{home}" for name, home in module._HOMES.items()}
    assert sorted(module.__all__) == sorted(homes)
    for name, home in homes.items():
        assert getattr(module, name) is getattr(importlib.import_module(str(home)), name)
