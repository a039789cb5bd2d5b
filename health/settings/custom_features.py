"""Custom features: modules next to the configuration, loaded as feature families."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from features.custom import OwnFamily
from features.definitions.feature import Feature
from features.errors import HealthError
from health.settings.custom_modules import load_module


def families_of(folder: Path, names: Sequence[str]) -> tuple[OwnFamily, ...]:
    """Load modules of a folder as families."""
    return tuple(_family(folder, name) for name in names)


def _family(folder: Path, name: str) -> OwnFamily:
    module = load_module(folder, name)
    features = getattr(module, "FEATURES", ())
    build = getattr(module, "build", None)
    if not features or not callable(build) or not all(isinstance(f, Feature) for f in features):
        raise HealthError(
            "a module of custom features needs FEATURES, a tuple of features.Feature, and a "
            "function build(tables, as_of, accounts)",
            where=str(folder / f"{name}.py"),
            fix="add what is missing; models/README.md has an example",
        )
    return OwnFamily(name, tuple(features), build)
