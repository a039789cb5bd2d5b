"""Features: the input tables turned into one row per account and date."""

from features.build import build_features
from features.catalogue import CATALOGUE, describe
from features.errors import HealthError, InputError
from features.feature import Feature
from features.frames import tables_from_frames
from features.labels import build_labels, cross_sell_labels, tenure_spells
from features.own import OwnFamily
from features.point_in_time import known_rows
from features.tables import Tables
from features.truncation import as_known
from features.usage import quota_levels

__all__ = [
    "CATALOGUE",
    "Feature",
    "HealthError",
    "InputError",
    "OwnFamily",
    "Tables",
    "as_known",
    "build_features",
    "build_labels",
    "cross_sell_labels",
    "describe",
    "known_rows",
    "quota_levels",
    "tables_from_frames",
    "tenure_spells",
]
