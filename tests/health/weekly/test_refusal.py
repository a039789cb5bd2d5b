"""A week that a gate stops, with the whole command: told, reported, and nothing published."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from health.runs.directory import list_runs
from tests.health.conftest import Demo, call_health

pytestmark = pytest.mark.slow


@pytest.fixture
def company(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo company whose last run is yet to come."""
    folder = tmp_path / "company"
    shutil.copytree(demo.folder, folder, symlinks=True)
    shutil.rmtree(sorted((folder / "runs").glob("as_of=*"))[-1])
    return folder


def _spoil_usage(company: Path) -> None:
    """Lose the usage of the last five weeks, as a broken export does."""
    files = list((company / "tables" / "usage").rglob("*.parquet"))
    usage = pd.concat([pd.read_parquet(file) for file in files])
    end = pd.to_datetime(usage["occurred_at"]).max() - pd.Timedelta(days=35)
    for file in files:
        rows = pd.read_parquet(file)
        rows[pd.to_datetime(rows["occurred_at"]) < end].to_parquet(file, index=False)


def test_lost_usage_stops_the_run_until_somebody_accepts(company: Path) -> None:
    _spoil_usage(company)
    config = company / "health.toml"
    done = call_health("score", config)
    assert done.code == 3, done.err
    for part in ("freshness of usage", "drift of features", "a fleet-wide shift, ", "usage"):
        assert part in done.err, part
    assert len(list_runs(company / "runs")) == 1
    folder = next((company / "runs" / "refused").iterdir())
    content = json.loads((folder / "gates.json").read_text())
    failed = {gate["code"] for gate in content["gates"] if not gate["passed"]}
    assert {"freshness", "feature_drift", "fleet_shift"} <= failed
    assert "FAILED" in (folder / "gates.txt").read_text()
    assert len(pd.read_parquet(folder / "drift.parquet")) > 30

    accepting = [part for code in sorted(failed) for part in ("--accept", code)]
    assert " ".join(accepting) in done.err
    published = call_health("score", config, *accepting)
    assert published.code == 0, published.err
    assert "published although the gate failed: freshness of usage" in published.out
    assert len(list_runs(company / "runs")) == 2


def test_a_gate_that_is_none(company: Path) -> None:
    done = call_health("score", company / "health.toml", "--accept", "everything")
    assert done.code == 2
    assert "choose from rows" in done.err
