"""A large company is scored part by part, and nobody can tell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from health.business.company import open_company
from health.runs.directory import list_runs
from health.runs.part_files import PartFiles, decoded, encoded
from health.scoring.run import ScoredRun, score_accounts
from health.settings.config import load_config
from health.training.champion import load_champion
from tests.health.conftest import Demo

pytestmark = pytest.mark.slow


def _scored(demo: Demo, folder: Path, at_once: int, processes: int = 1) -> ScoredRun:
    config = load_config(demo.config)
    before, last = list_runs(config.runs_dir)
    tables = open_company(config).opened.tables
    models = load_champion(config).artefacts
    folder.mkdir()
    with PartFiles(folder) as files:
        return score_accounts(
            last.table("features"),
            tables,
            models,
            config,
            previous=before,
            keep=lambda part: files.add(part.tables),
            at_once=at_once,
            processes=processes,
        )


def test_parts_give_the_same_run(demo: Demo, tmp_path: Path) -> None:
    folders = [tmp_path / "whole", tmp_path / "parts"]
    whole, parts = (_scored(demo, f, n) for f, n in zip(folders, (10_000, 40), strict=True))
    for name, table in whole.tables().items():
        pd.testing.assert_frame_equal(parts.tables()[name], table, check_dtype=False, obj=name)
    for name, keys in (("reasons", ["output", "account_id", "term"]), ("whitespace", None)):
        one, other = (pd.read_parquet(folder / f"{name}.parquet") for folder in folders)
        if keys:
            one, other = (t.sort_values(keys, ignore_index=True) for t in (one, other))
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(parts.sums, whole.sums)
    listed = set(whole.flags["account_id"])
    for result in (parts.reasons, parts.whitespace):
        assert listed <= set(result["account_id"])
    assert parts.warnings == whole.warnings


def test_processes_of_their_own_give_the_same_bytes(demo: Demo, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    one, two = (_scored(demo, f, 100, n) for f, n in zip(folders, (1, 2), strict=True))
    pd.testing.assert_frame_equal(one.scores, two.scores, rtol=0, atol=0)
    for name in ("reasons.parquet", "whitespace.parquet"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_table_is_read_back_as_it_was_encoded() -> None:
    table = pd.DataFrame(
        {"text": ["a", None, "b", "a"], "number": [1.5, float("nan"), 2, 3], "none": None}
    )
    pd.testing.assert_frame_equal(decoded(encoded(table)), table)


def test_the_file_tells_what_the_disk_refused(tmp_path: Path) -> None:
    (tmp_path / "reasons.parquet").symlink_to("/dev/full")
    rows = encoded(pd.DataFrame({"account_id": ["A"] * 10, "contribution": 1.0}))
    with pytest.raises(OSError), PartFiles(tmp_path) as files:
        files.add({"reasons": rows})
