"""The catalogue of a configuration: every built-in feature and its custom ones."""

from __future__ import annotations

from collections.abc import Mapping

from features.catalogue import CATALOGUE
from features.custom import OwnFamily, catalogue_with
from features.definitions.feature import Feature
from health.settings.config import Config
from health.settings.custom_features import families_of


def custom_families(config: Config) -> tuple[OwnFamily, ...]:
    """Return the families of a configuration's custom modules; HealthError if one is invalid."""
    return families_of(config.base, config.own.features)


def catalogue_of(config: Config) -> Mapping[str, Feature]:
    """Return every feature that the configuration knows, by name."""
    return catalogue_with(custom_families(config)) if config.own.features else CATALOGUE
