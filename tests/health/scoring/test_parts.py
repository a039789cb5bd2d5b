"""A large company is scored part by part, and nobody can tell."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from health.company import open_company
from health.config import load_config
from health.scoring.reason_file import ReasonFile
from health.scoring.run import ScoredRun, score_accounts
from health.training.champion import load_champion
from health.weekly.run_directory import list_runs
from tests.health.conftest import Demo


def _scored(demo: Demo, file: Path, at_once: int) -> ScoredRun:
    config = load_config(demo.config)
    before, last = list_runs(config.runs_dir)
    tables = open_company(config).opened.tables
    models = load_champion(config).artefacts
    with ReasonFile(file) as reasons:
        return score_accounts(
            last.table("features"),
            tables,
            models,
            config,
            previous=before,
            keep=reasons.add,
            at_once=at_once,
        )


def test_parts_give_the_same_run(demo: Demo, tmp_path: Path) -> None:
    files = [tmp_path / "whole.parquet", tmp_path / "parts.parquet"]
    whole, parts = (_scored(demo, file, n) for file, n in zip(files, (10_000, 40), strict=True))
    for name, table in whole.tables().items():
        pd.testing.assert_frame_equal(parts.tables()[name], table, check_dtype=False, obj=name)
    keys = ["output", "account_id", "term"]
    one, other = (pd.read_parquet(file).sort_values(keys, ignore_index=True) for file in files)
    pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(parts.sums, whole.sums)
    listed = set(whole.flags["account_id"])
    assert listed <= set(parts.reasons["account_id"])
    assert parts.warnings == whole.warnings


def test_the_file_tells_what_the_disk_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError):  # noqa: SIM117
        with ReasonFile(Path("/dev/full")) as file:
            file.add(pd.DataFrame({"account_id": ["A"] * 10, "contribution": 1.0}))
