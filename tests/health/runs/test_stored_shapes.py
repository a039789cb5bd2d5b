"""Stored JSON of an unexpected kind is refused where it is read, with the place of the fault."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import HealthError
from health.runs.directory import PublishedRun, list_runs
from health.runs.stored_shapes import ManifestShape, RunShape, require_shape
from health.training import registry
from tests.benchmarks.trust_fuzz import open_pages
from tests.health.conftest import Demo

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FILE = Path("stored.json")


@given(content=st.dictionaries(st.sampled_from(sorted(RunShape.model_fields)), JSON) | JSON)
def test_any_json_is_returned_as_it_is_or_refused_in_words(content: Any) -> None:
    for shape in (RunShape, ManifestShape):
        try:
            found = require_shape(content, shape, what="cannot be read", file=FILE, fix="restore")
        except HealthError as error:
            assert str(FILE) in str(error)
        else:
            assert found is content


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("business", {}, "business"),
        ("business", "leases", "business"),
        ("warnings", "text", "warnings"),
        ("horizon_days", "90", "horizon_days"),
        ("evaluation", {"churn": {"auc": {"value": "high"}}}, "evaluation.churn.auc.value"),
        ("timings", {"score": []}, "timings.score"),
        ("gates", ["failed"], "gates.0"),
    ],
)
def test_a_value_of_another_kind_in_a_run_is_named(
    tmp_path: Path, demo: Demo, key: str, value: object, place: str
) -> None:
    run = list_runs(demo.folder / "runs")[-1]
    (tmp_path / "run.json").write_text(json.dumps({**run.info(), key: value}))
    with pytest.raises(HealthError, match=f"cannot be read: {place}: ") as refused:
        PublishedRun(run.as_of, tmp_path).info()
    assert "restore the file" in str(refused.value)


@pytest.fixture
def company(demo: Demo, tmp_path: Path) -> Path:
    folder = tmp_path / "company"
    shutil.copytree(demo.folder, folder, symlinks=True)
    return folder


def _removed(path: Path) -> None:
    path.unlink()


def _in_its_place_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_removed, _in_its_place_a_folder])
@pytest.mark.parametrize("name", ["whitespace", "portfolio", "points", "contracts"])
def test_a_table_that_was_written_is_not_taken_for_one_that_was_not(
    company: Path, name: str, damage: Callable[[Path], None]
) -> None:
    run = list_runs(company / "runs")[-1]
    assert name in run.info()["stored_tables"]
    assert run.has(name)
    assert not run.has("of_a_later_version")
    damage(run.folder / f"{name}.parquet")
    with pytest.raises(HealthError, match=f"{name}.parquet: .*cannot be read"):
        run.has(name)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop(columns="as_of"),
        lambda table: table.assign(as_of=7),
        lambda table: table.assign(account_id=None),
    ],
)
def test_a_table_with_other_columns_than_were_written_is_refused(
    company: Path, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    run = list_runs(company / "runs")[-1]
    change(run.table("scores")).to_parquet(run.folder / "scores.parquet")
    with pytest.raises(HealthError, match=r"scores\.parquet: .*not those that were written"):
        run.table("scores", ["account_id"])


@pytest.mark.slow
def test_pages_of_a_run_that_an_earlier_version_wrote_open(company: Path) -> None:
    file = list_runs(company / "runs")[-1].folder / "run.json"
    kept = {"as_of", "finished", "score_settings"}
    file.write_text(
        json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k in kept})
    )
    opened = open_pages(company / "health.toml")
    assert opened.code == 0, opened.err


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("leaks", "usage", "leaks"),
        ("leaks", [{"feature": "usage"}], "leaks.0.why"),
        ("score_ranges", {"churn": "inf"}, "score_ranges.churn"),
        ("feature_ranges", {"usage": {"shares": [None], "missing": 0}}, "feature_ranges.usage"),
        ("training_dates", {}, "training_dates"),
        ("checksums", None, "checksums"),
    ],
)
def test_a_value_of_another_kind_in_a_manifest_is_named(
    tmp_path: Path, demo: Demo, key: str, value: object, place: str
) -> None:
    version = registry.list_versions(demo.folder / "models")[-1]
    manifest = {**version.manifest, key: value}
    # As an attacker would, who knows how versions get their names.
    folder = tmp_path / f"2026-11-01-{registry.seal(manifest)}"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(HealthError, match=f"not a readable manifest: {place}"):
        registry.list_versions(tmp_path)


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "[" * 2_000 + "]" * 2_000])
def test_a_manifest_that_cannot_be_sealed_is_a_changed_one(
    tmp_path: Path, demo: Demo, value: str
) -> None:
    version = registry.list_versions(demo.folder / "models")[-1]
    folder = tmp_path / version.name
    folder.mkdir()
    text = json.dumps(version.manifest)
    (folder / "manifest.json").write_text(f'{{"added": {value}, {text[1:]}')
    with pytest.raises(HealthError, match="manifest"):
        registry.load_version(tmp_path, version.name)
