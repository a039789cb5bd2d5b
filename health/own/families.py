"""The features of one's own that a configuration names, and the catalogue with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from features.catalogue import CATALOGUE
from features.errors import HealthError
from features.feature import Feature
from features.own import OwnFamily, catalogue_with
from health.own.modules import load_module

if TYPE_CHECKING:
    from health.config import Config


def own_families(config: Config) -> tuple[OwnFamily, ...]:
    """Return the families of a configuration's own modules; HealthError where one is wrong."""
    return families_of(config.base, config.own.features)


def catalogue_of(config: Config) -> Mapping[str, Feature]:
    """Return every feature that the configuration knows, by name."""
    return catalogue_with(own_families(config)) if config.own.features else CATALOGUE


def families_of(folder: Path, names: Sequence[str]) -> tuple[OwnFamily, ...]:
    """Load modules of a folder as families."""
    return tuple(_family(folder, name) for name in names)


def _family(folder: Path, name: str) -> OwnFamily:
    module = load_module(folder, name)
    features = getattr(module, "FEATURES", ())
    build = getattr(module, "build", None)
    if not features or not callable(build) or not all(isinstance(f, Feature) for f in features):
        raise HealthError(
            "an own module of features needs FEATURES, a tuple of features.Feature, and a "
            "function build(tables, as_of, accounts)",
            where=str(folder / f"{name}.py"),
            fix="add what is missing; the README has an example",
        )
    return OwnFamily(name, tuple(features), build)
