"""Lifecycle stages in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.definitions.stages import DEFAULT_STAGES
from features.errors import HealthError
from health.settings.config import load_config

_TABLES = '[tables.accounts]\npath = "a.csv"\n'


def _load(folder: Path, stages: str) -> object:
    file = folder / "health.toml"
    file.write_text(_TABLES + stages, encoding="utf-8")
    return load_config(file).stages


def test_without_a_word_the_built_in_rules_hold(tmp_path: Path) -> None:
    stages = _load(tmp_path, "")
    assert stages.model_dump() == DEFAULT_STAGES.model_dump()  # type: ignore[attr-defined]


def test_rules_are_read_in_order(tmp_path: Path) -> None:
    stages = _load(
        tmp_path,
        '[stages]\ndefault = "rest"\n'
        'rules = [{ name = "new", when = [{ feature = "tenure_days", below = 30 }] },'
        ' { name = "big", when = [{ feature = "mrr", at_least = 1000 }] }]\n',
    )
    assert stages.names == ("new", "big", "rest")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("stages", "result"),
    [
        (
            '[stages]\ndefault = "x"\n'
            'rules = [{ name = "n", when = [{ feature = "tenur", below = 3 }] }]\n',
            "no feature is called 'tenur'",
        ),
        (
            '[stages]\nrules = [{ name = "n", when = [{ feature = "mrr", above = 3 }] }]\n',
            "stages.default: required, and missing",
        ),
        ('[stages]\ndefault = "x"\nonboarding_days = 90\n', "onboarding_days: unknown key"),
        (
            '[stages]\ndefault = "x"\n'
            'rules = [{ name = "n", when = [{ feature = "mrr", over = 3 }] }]\n',
            "stages.rules.0.when.0.over: unknown key",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, stages: str, result: str) -> None:
    with pytest.raises(HealthError, match=result):
        _load(tmp_path, stages)
