"""Goals are a component of the default scorecard where the table is given, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from health.settings.config import Config, load_config

CONTRACTS = '[tables.accounts]\npath = "a.csv"\n[tables.subscriptions]\npath = "s.csv"\n'
ORDERS = '[tables.accounts]\npath = "a.csv"\n[tables.orders]\npath = "o.csv"\n'
GOALS = '[tables.goals]\npath = "g.csv"\n'
OWN = """
[[scorecard.components]]
name = "use"
weight = 1
[[scorecard.components.measures]]
feature = "usage_events_trend"
weight = 1
curve = [[-1, 0], [0, 100]]
"""


def names(folder: Path, text: str) -> list[str]:
    (folder / "health.toml").write_text(text)
    config: Config = load_config(folder / "health.toml")
    return [component.name for component in config.scorecard.components]


@pytest.mark.parametrize("tables", [CONTRACTS, ORDERS])
def test_goals_are_added_to_the_built_in_components(tmp_path: Path, tables: str) -> None:
    without = names(tmp_path, tables)
    assert "goals" not in without
    assert names(tmp_path, tables + GOALS) == [*without, "goals"]


def test_components_of_the_configuration_stay_as_they_are(tmp_path: Path) -> None:
    assert names(tmp_path, CONTRACTS + GOALS + OWN) == ["use"]
