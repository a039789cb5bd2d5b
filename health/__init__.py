"""The customer health engine: scorecard, training, the weekly run, and what explains it.

What a notebook needs; importing it loads nothing until a name is used.

>>> from health import load_config, open_company, score_health
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from health.backtest.judge import judge
    from health.backtest.past import score_past
    from health.business.company import Company, features_of, open_company
    from health.cli.demo_command import demo_config
    from health.expansion.whitespace import build_whitespace
    from health.scorecard.score import score_health
    from health.scoring.explain import explain_account
    from health.scoring.run import score_accounts
    from health.settings.config import Config, load_config
    from health.training.train import train_version
    from health.weekly.batch import score_run

#: Where each name is defined.
_HOMES = {
    "Company": "business.company",
    "Config": "settings.config",
    "build_whitespace": "expansion.whitespace",
    "demo_config": "cli.demo_command",
    "explain_account": "scoring.explain",
    "features_of": "business.company",
    "judge": "backtest.judge",
    "load_config": "settings.config",
    "open_company": "business.company",
    "score_accounts": "scoring.run",
    "score_health": "scorecard.score",
    "score_past": "backtest.past",
    "score_run": "weekly.batch",
    "train_version": "training.train",
}

__all__ = [
    "Company",
    "Config",
    "build_whitespace",
    "demo_config",
    "explain_account",
    "features_of",
    "judge",
    "load_config",
    "open_company",
    "score_accounts",
    "score_health",
    "score_past",
    "score_run",
    "train_version",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
