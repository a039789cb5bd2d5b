"""Training: models fitted on past dates, and the versions that store them.

The functions for notebooks, pandas in and out. Importing the package loads nothing until a name is
used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from health.training.champion import load_champion, open_version
    from health.training.cohort import Candidate
    from health.training.compare import compare_versions
    from health.training.evaluation import evaluation_of
    from health.training.fit import fit_models
    from health.training.held_out import held_out_predictions
    from health.training.leakage import known_late, strong_alone
    from health.training.promotion import promote_version, weigh
    from health.training.registry import list_versions, save_version
    from health.training.rows import TrainingSet, build_training_set, target_rows
    from health.training.train import train_version

#: Module of each name, imported on first use, so that commands start fast.
_HOMES = {
    "Candidate": "cohort",
    "TrainingSet": "rows",
    "build_training_set": "rows",
    "compare_versions": "compare",
    "evaluation_of": "evaluation",
    "fit_models": "fit",
    "held_out_predictions": "held_out",
    "known_late": "leakage",
    "list_versions": "registry",
    "load_champion": "champion",
    "open_version": "champion",
    "promote_version": "promotion",
    "save_version": "registry",
    "strong_alone": "leakage",
    "target_rows": "rows",
    "train_version": "train",
    "weigh": "promotion",
}

__all__ = [
    "Candidate",
    "TrainingSet",
    "build_training_set",
    "compare_versions",
    "evaluation_of",
    "fit_models",
    "held_out_predictions",
    "known_late",
    "list_versions",
    "load_champion",
    "open_version",
    "promote_version",
    "save_version",
    "strong_alone",
    "target_rows",
    "train_version",
    "weigh",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
