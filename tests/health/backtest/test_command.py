"""`health backtest` and `health tune` on the demo company, as somebody runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.health.conftest import Demo, call_health, run_health

QUICK = "\n[backtest]\nresamples = 50\nrefit_days = 1000\nleast_churned = 3\n"
FROM = ("--from", "2026-02-01")


@pytest.fixture(scope="module")
def folder(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("backtest")
    shutil.copytree(demo.folder / "tables", copy / "tables")
    shutil.copy(demo.folder / "truth.parquet", copy)
    (copy / "health.toml").write_text(demo.config.read_text() + QUICK)
    return copy


@pytest.fixture(scope="module")
def done(folder: Path) -> dict[str, object]:
    finished = run_health("backtest", folder / "health.toml", *FROM)
    assert finished.code == 0, finished.err
    assert "backtest.html" in finished.out
    figures: dict[str, object] = json.loads(
        (folder / "runs" / "backtest" / "backtest.json").read_text()
    )
    return figures


def test_everything_is_held_against_everything(done: dict[str, object]) -> None:
    together = done["together"]
    assert isinstance(together, dict)
    assert {"rules", "renewal", "usage", "oracle"} <= set(together["figures"])
    assert together["counts"]["first_date"] >= "2026-02-01"
    auc = {key: figures["auc"]["value"] for key, figures in together["figures"].items()}
    assert auc["oracle"] == max(auc.values())
    assert done["measures"]
    assert done["bands"]


def test_models_learn_only_from_outcomes_known_before_the_first_date(
    done: dict[str, object],
) -> None:
    fits = done["fits"]
    assert isinstance(fits, list)
    for fit in fits:
        # 120 days of horizon and grace lie between.
        assert fit["learnt_until"] <= "2025-10-05"


def test_the_same_bytes_again_and_a_bad_scorecard_leaves_them(
    folder: Path, done: dict[str, object]
) -> None:
    written = folder / "runs" / "backtest"
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    again = call_health("backtest", folder / "health.toml", *FROM)
    assert again.code == 0, again.err
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before
    wrong = folder / "wrong.toml"
    wrong.write_text("[scorecard]\nminimum_coverage = 2\n")
    refused = call_health("backtest", folder / "health.toml", "--scorecard", wrong)
    assert refused.code == 2
    assert "minimum_coverage" in refused.err
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before


def test_tune_declines_with_the_counts_where_too_few_left(folder: Path) -> None:
    before = (folder / "health.toml").read_bytes()
    config = folder / "strict.toml"
    config.write_text((folder / "health.toml").read_text() + "[tune]\nleast_churned = 5000\n")
    refused = call_health("tune", config)
    assert refused.code == 3
    assert "at least 5,000 are needed" in refused.err
    assert not (folder / "runs" / "backtest" / "scorecard_proposed.toml").exists()
    assert (folder / "health.toml").read_bytes() == before
