"""Features: the input tables turned into one row per account and date."""

from features.build import build_features
from features.catalogue import CATALOGUE, describe
from features.errors import HealthError, InputError
from features.labels import build_labels, cross_sell_labels, tenure_spells
from features.tables import Tables

__all__ = [
    "CATALOGUE",
    "HealthError",
    "InputError",
    "Tables",
    "build_features",
    "build_labels",
    "cross_sell_labels",
    "describe",
    "tenure_spells",
]
