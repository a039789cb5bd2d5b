"""`health backtest` and `health tune` on the demo company, as somebody runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from health.backtest.run import load_scorecard
from health.settings.config import load_config
from tests.health.conftest import Demo, call_health, run_health, stop_using_before_leaving

pytestmark = pytest.mark.slow

QUICK = """
[training]
every_days = 56
[backtest]
resamples = 50
refit_days = 1000
least_churned = 3
"""
#: One measure that tells a lot beside one that tells nothing, weighed as if it were the reverse.
ABSURD = """
[tune]
least_churned = 10
least_held_out = 3
held_out_share = 0.2
[[scorecard.components]]
name = "use"
weight = 20
measures = [{ feature = "usage_active_days_28d", curve = [[0, 0], [20, 100]] }]
[[scorecard.components]]
name = "size"
weight = 80
measures = [{ feature = "tenure_days", curve = [[0, 0], [1000, 100]] }]
"""
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
    metrics: dict[str, object] = json.loads(
        (folder / "runs" / "backtest" / "backtest.json").read_text()
    )
    return metrics


def test_everything_is_held_against_everything(done: dict[str, object]) -> None:
    together = done["together"]
    assert isinstance(together, dict)
    assert {"rules", "renewal", "usage", "oracle"} <= set(together["figures"])
    assert together["counts"]["first_date"] >= "2026-02-01"
    auc = {key: metrics["auc"]["value"] for key, metrics in together["figures"].items()}
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


def test_tune_proposes_what_predicted_better_and_changes_no_configuration(
    demo: Demo, tmp_path: Path
) -> None:
    folder, config = tmp_path, tmp_path / "absurd.toml"
    shutil.copytree(demo.folder / "tables", folder / "tables")
    stop_using_before_leaving(folder / "tables")
    dense = (demo.config.read_text() + QUICK).replace("every_days = 56", "every_days = 28")
    config.write_text(dense + ABSURD)
    before = config.read_bytes()
    proposal = folder / "elsewhere" / "new.toml"
    finished = call_health("tune", config, "-o", proposal)
    assert finished.code == 0, finished.err
    new = load_scorecard(proposal, load_config(config)).scorecard
    use, size = new.components
    assert use.weight > 25
    assert size.weight < 75
    assert config.read_bytes() == before
    metrics = json.loads((folder / "elsewhere" / "tune.json").read_text())["together"]["figures"]
    assert {"rules", "proposed"} <= set(metrics)
    assert metrics["proposed"]["auc"]["value"] > metrics["rules"]["auc"]["value"]
    assert "# AUC: " in proposal.read_text()
