"""The configuration: defaults, and refusals that say what to do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from features.errors import HealthError
from health.settings.config import load_config

TABLES = """
[tables.accounts]
path = "accounts.csv"
[tables.subscriptions]
path = "subscriptions.csv"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "health.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(folder: Path, text: str) -> str:
    with pytest.raises(HealthError) as caught:
        load_config(_write(folder, text))
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults_and_folders_beside_the_file(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, TABLES))
    assert config.labels.horizon_days == 90
    assert config.labels.grace_days == 30
    assert config.weekday == 6
    assert config.runs_dir == tmp_path / "runs"
    assert config.base == tmp_path


def test_a_date_means_its_midnight_utc(tmp_path: Path) -> None:
    day = load_config(_write(tmp_path, "observed_until = 2025-01-01\n" + TABLES))
    assert day.observed_until == datetime(2025, 1, 1)
    zoned = load_config(_write(tmp_path, "observed_until = 2025-01-01T02:00:00+02:00\n" + TABLES))
    assert zoned.observed_until == datetime(2025, 1, 1)


def test_every_problem_in_one_go(tmp_path: Path) -> None:
    message = _refusal(
        tmp_path,
        "currancy = 'EUR'\n[labels]\nhorizon_day = 60\ngrace_days = -1\n" + TABLES,
    )
    assert "currancy: unknown key; did you mean 'currency'?" in message
    assert "labels.horizon_day: unknown key; did you mean 'horizon_days'?" in message
    assert "labels.grace_days" in message
    assert "-1" in message


def test_an_unknown_table_names_the_closest(tmp_path: Path) -> None:
    message = _refusal(tmp_path, TABLES + "[tables.ticket]\npath = 'tickets.csv'\n")
    assert "did you mean 'tickets'?" in message


def test_an_unknown_feature_in_the_scorecard(tmp_path: Path) -> None:
    message = _refusal(
        tmp_path,
        TABLES + "[[scorecard.components]]\nname = 'use'\nweight = 1\n"
        "measures = [{ feature = 'logins', curve = [[0, 0], [1, 100]] }]\n",
    )
    assert "no feature is called 'logins'" in message


@pytest.mark.parametrize("curve", ["[[0, 0]]", "[[1, 0], [0, 100]]", "[[0, 0], [1, 120]]"])
def test_a_curve_must_rise_and_stay_within_100(tmp_path: Path, curve: str) -> None:
    message = _refusal(
        tmp_path,
        TABLES + "[[scorecard.components]]\nname = 'use'\nweight = 1\n"
        f"measures = [{{ feature = 'mrr', curve = {curve} }}]\n",
    )
    assert "scorecard.components.0.measures.0.curve" in message


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(HealthError, match="no such configuration file"):
        load_config(tmp_path / "absent.toml")
    assert "not valid TOML" in _refusal(tmp_path, "tables = [")


def test_the_hash_follows_what_changes_a_figure(tmp_path: Path) -> None:
    plain = load_config(_write(tmp_path, TABLES))
    moved = load_config(_write(tmp_path, "runs_dir = 'elsewhere'\n" + TABLES))
    other = load_config(_write(tmp_path, TABLES + "[labels]\nhorizon_days = 60\n"))
    assert plain.hash == moved.hash
    assert plain.hash != other.hash
