"""Features: the input tables turned into one row per account and date."""

from features.build import build_features
from features.catalogue import CATALOGUE, describe
from features.custom import OwnFamily
from features.definitions.feature import Feature
from features.errors import HealthError, InputError
from features.reading.frames import TableWarning, tables_from_frames
from features.tables.opened import Tables
from features.tables.point_in_time import known_rows
from features.tables.truncation import as_known
from features.targets.labels import build_labels, cross_sell_labels, tenure_spells
from features.usage.family import quota_levels

__all__ = [
    "CATALOGUE",
    "Feature",
    "HealthError",
    "InputError",
    "OwnFamily",
    "TableWarning",
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
