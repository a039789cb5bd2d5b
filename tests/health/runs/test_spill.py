"""The folder for parts of the accounts is private, and nothing of it stays."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from features.errors import HealthError
from health.runs.spill import spill_folder


@pytest.mark.parametrize("spill", ["spill", None])
def test_the_folder_is_private_and_removed(tmp_path: Path, spill: str | None) -> None:
    parent = None if spill is None else tmp_path / spill
    with spill_folder(tmp_path, parent) as folder:
        assert folder.parent == (parent or tmp_path)
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_a_killed_run_left_is_removed_by_the_next_of_the_same_runs(tmp_path: Path) -> None:
    spill, runs, others = (tmp_path / name for name in ("spill", "runs", "others"))
    with spill_folder(others, spill) as other:
        with spill_folder(runs, spill) as folder:
            prefix = folder.name[:-8]
        left = spill / f"{prefix}left"
        left.mkdir()
        with spill_folder(runs, spill):
            assert not left.exists()
            assert other.exists()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    with pytest.raises(HealthError) as fault, spill_folder(tmp_path, tmp_path / "spill"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert fault.value.exit_code == 2
    assert str(tmp_path / "spill") in str(fault.value)
