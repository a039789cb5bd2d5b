"""Features: the input tables turned into one row per account and date.

Importing it loads nothing until a name is used, so that commands that read no tables start fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: Where each name is defined.
_HOMES = {
    "CATALOGUE": "catalogue",
    "Feature": "definitions.feature",
    "HealthError": "errors",
    "InputError": "errors",
    "OwnFamily": "custom",
    "TableWarning": "reading.frames",
    "Tables": "tables.opened",
    "as_known": "tables.truncation",
    "build_features": "build",
    "build_labels": "targets.labels",
    "cross_sell_labels": "targets.labels",
    "describe": "catalogue",
    "known_rows": "tables.point_in_time",
    "quota_levels": "usage.family",
    "tables_from_frames": "reading.frames",
    "tenure_spells": "targets.labels",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
