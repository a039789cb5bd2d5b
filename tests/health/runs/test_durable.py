"""Files and folders that are replaced as a whole, and what a killed process leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from health.runs import durable
from health.runs.durable import new_folder, put_in_place, whole_file, write_whole


def test_a_file_is_replaced_or_kept(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "a.json"
    write_whole(file, "first")
    with pytest.raises(RuntimeError), whole_file(file) as made:
        made.write_text("half")
        raise RuntimeError
    assert file.read_text() == "first"
    write_whole(file, b"second")
    assert [p.name for p in file.parent.iterdir()] == ["a.json"]
    assert file.read_text() == "second"


def test_what_a_killed_process_left_is_removed_and_a_living_one_is_spared(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    dead = tmp_path / f".a.json.{2**31 - 2}-0123abcd.tmp.json"
    alive = tmp_path / f".a.json.{os.getppid()}-0123abcd.tmp.json"
    other = tmp_path / ".other.json.1-0123abcd.tmp.json"
    for path in (dead, alive, other):
        path.write_text("half")
    write_whole(file, "whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([alive.name, other.name, file.name])


@pytest.mark.parametrize("can_swap", [True, False])
def test_a_folder_is_replaced(
    tmp_path: Path, can_swap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_swap:
        monkeypatch.setattr(durable, "swap", lambda one, other: False)
    target, aside = tmp_path / "v1", tmp_path / ".old-v1"
    for content in ("first", "second"):
        made = new_folder(tmp_path, ".tmp-")
        (made / "file").write_text(content)
        put_in_place(made, target, aside)
        assert (target / "file").read_text() == content
        assert [p.name for p in tmp_path.iterdir()] == ["v1"]
