"""`health train` in processes of their own: the same bytes again, a page, a gate that holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest

from features import CATALOGUE
from health.training.held_out import COLUMNS
from tests.health.conftest import Demo, call_health


def _manifest(models: Path) -> dict[str, Any]:
    return dict(json.loads(next(models.glob("2*/manifest.json")).read_text()))


@pytest.fixture(scope="module")
def again(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo company trained once more, by another process with another hash seed."""
    folder = tmp_path_factory.mktemp("again")
    shutil.copytree(demo.folder / "tables", folder / "tables")
    shutil.copy(demo.config, folder / "health.toml")
    done = subprocess.run(
        [sys.executable, "-m", "health.cli", "train", str(folder / "health.toml")],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Building features and labels" in done.stdout
    assert "This version is now the champion." in done.stdout
    return folder


@pytest.fixture(scope="module")
def trained(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo company with the version that the demo trained, and without runs."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("tables", "models"):
        shutil.copytree(demo.folder / name, folder / name)
    shutil.copy(demo.config, folder / "health.toml")
    return folder


@pytest.mark.slow
def test_the_same_data_and_seed_give_the_same_manifest(demo: Demo, again: Path) -> None:
    first, second = _manifest(demo.folder / "models"), _manifest(again / "models")
    assert first["checksums"] == second["checksums"]
    # The demo knows its company's true chances, which nothing else does.
    for manifest in (first, second):
        del manifest["version"]
        for judged in manifest["evaluation"].values():
            for metric in ("oracle_auc", "auc_beside_oracle", "oracle_rows"):
                judged.pop(metric, None)
    assert first == second


def test_the_manifest_says_where_it_comes_from(trained: Path) -> None:
    manifest = _manifest(trained / "models")
    assert set(manifest["features"]) == set(CATALOGUE)
    assert len(manifest["features_hash"]) == 16
    assert manifest["data"]["until"] == "2026-11-01"
    churn = manifest["targets"]["churn"]
    assert 0 < churn["event_accounts"] <= churn["events"] < churn["rows"]
    assert churn["outcome_not_known_yet"] > 0
    judged = manifest["evaluation"]["churn"]
    assert judged["auc"]["low"] < judged["auc"]["value"] < judged["auc"]["high"]
    assert sum(b["rows"] for b in judged["reliability"]) == judged["rows"]
    for reference in manifest["feature_ranges"].values():
        assert sum(reference["shares"]) + reference["missing"] == pytest.approx(1)
    text = next((trained / "models").glob("2*/manifest.json")).read_text()
    clock = json.loads(next((trained / "models").glob("2*/trained.json")).read_text())["at"]
    assert clock not in text


def test_held_out_rows_were_not_known_to_their_model(trained: Path) -> None:
    held_out = pd.read_parquet(next((trained / "models").glob("2*/held_out.parquet")))
    assert list(held_out.columns) == COLUMNS
    manifest = _manifest(trained / "models")
    embargo = pd.Timedelta(days=manifest["horizon_days"] + manifest["grace_days"])
    assert (held_out["as_of"] - held_out["learnt_until"] >= embargo).all()
    assert held_out["probability"].between(0, 1).all()


def test_the_evaluation_is_one_page_that_asks_nobody(trained: Path) -> None:
    page = next((trained / "models").glob("2*/evaluation.html")).read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src &#39;none&#39;") or "default-src 'none'" in policy[1]
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "<script" not in page
    for part in ("Churn", "Upsell", "Cross-sell", "AUC", "Calibration table", "Basis:"):
        assert part in page, part
    assert page.count("data:image/svg+xml") >= 6


class _Planted:
    """What a forger would put in an artefact's place: opening it runs code."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.witness,)


@pytest.mark.slow
def test_a_planted_artefact_is_refused_unopened(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "company"
    shutil.copytree(trained, folder)
    witness = tmp_path / "opened"
    planted = next(folder.glob("models/*/churn.joblib"))
    joblib.dump(_Planted(witness), planted)
    done = call_health("score", folder / "health.toml")
    assert done.code == 2
    assert "the artefact's checksum does not match the manifest" in done.err
    assert "remedy: do not use this version" in done.err
    assert not witness.exists()
    assert not (folder / "runs").exists() or not list((folder / "runs").glob("as_of=*"))
    # The forgery works: only the checksum stood before it.
    joblib.load(planted)
    assert witness.exists()


def test_training_again_changes_nothing(trained: Path) -> None:
    models = trained / "models"
    before = (models / "promotions.jsonl").read_text()
    done = call_health("models", trained / "health.toml", "promote", _manifest(models)["version"])
    assert done.code == 0, done.err
    assert "is already the champion" in done.out
    assert (models / "promotions.jsonl").read_text() == before


@pytest.mark.slow
def test_too_little_history_is_said_with_its_dates(trained: Path) -> None:
    done = call_health("train", trained / "health.toml", "--until", "2024-12-15")
    assert done.code == 2
    assert "too little history: the records run for" in done.err
    assert "126 days before" in done.err
    assert len(list((trained / "models").glob("2*"))) == 1
