"""The gate before a version scores: refused, forced with a reason, recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import HealthError
from health.settings.config import Config
from health.training import registry
from health.training.champion import load_champion, open_version
from health.training.promotion import promote_version, weigh
from tests.health.training.sample_versions import good, poor, saved

LEAK = {"feature": "ended_at_known", "why": "alone reaches an AUC of 0.991 on churn"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tables={}, models_dir=tmp_path / "models")


def _promote(config: Config, name: str, **options: bool | str) -> None:
    promote_version(config, weigh(config, name), at="2026-01-05T08:00:00", by="ada", **options)


@pytest.mark.slow
def test_first_version_then_a_worse_one_refused_then_forced(config: Config) -> None:
    first_name = saved(config.models_dir, good())
    poor_name = saved(config.models_dir, poor())
    _promote(config, first_name)
    assert load_champion(config).name == first_name
    with pytest.raises(HealthError, match="worse on churn") as refused:
        _promote(config, poor_name)
    assert refused.value.exit_code == 3
    with pytest.raises(HealthError, match="needs a reason"):
        _promote(config, poor_name, force=True, reason=" ")
    assert registry.champion(config.models_dir) == first_name
    _promote(config, poor_name, force=True, reason="the old one reads a column that is gone")
    assert registry.champion(config.models_dir) == poor_name
    first, second = registry.promotions(config.models_dir)
    assert (first["version"], first["forced"]) == (first_name, False)
    assert second["forced"]
    assert second["by"] == "ada"
    assert second["at"] == "2026-01-05T08:00:00"
    assert second["reason"].startswith("the old one")
    assert second["stops"][0].startswith("worse on churn")
    assert second["compared"][0]["figures"]["auc"]["difference"]["value"] < 0


@pytest.mark.slow
def test_a_leak_stops_the_first_version_by_name(config: Config) -> None:
    name = saved(config.models_dir, good(), leaks=[LEAK])
    with pytest.raises(HealthError, match="ended_at_known: alone reaches") as refused:
        _promote(config, name)
    assert refused.value.exit_code == 3
    with pytest.raises(HealthError, match=f"promote {name}"):
        load_champion(config)
    _promote(config, name, force=True, reason="it is known by contract")
    assert load_champion(config).name == name


@pytest.mark.slow
def test_a_champion_that_cannot_score_any_more_stands_in_nobodys_way(config: Config) -> None:
    old = saved(config.models_dir, good("2024-12-31"))
    _promote(config, old)
    (config.models_dir / old / "churn.joblib").write_bytes(b"damaged")
    new = saved(config.models_dir, good())
    decision = weigh(config, new)
    assert decision.passes
    assert "checksum" in decision.note


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        ({"usage_of_magic": "0" * 12}, "not in the catalogue: usage_of_magic"),
        (
            {"usage_active_days_28d": "0" * 12},
            "definitions of features have changed .*: usage_active_days_28d",
        ),
    ],
)
def test_unknown_and_changed_features_are_refused(
    config: Config, definitions: dict[str, str], message: str
) -> None:
    made = good()
    name = saved(config.models_dir, made, feature_definitions=definitions)
    with pytest.raises(HealthError, match=message) as refused:
        open_version(config, name)
    assert refused.value.exit_code == 2
    assert "health train" in str(refused.value)
