"""Old runs are removed with everything next to them of their date; the newest ones stay."""

from __future__ import annotations

import os
import stat
from datetime import date
from pathlib import Path

import pytest

from health.runs.retention import first_kept, prune
from tests.health.conftest import Demo, call_health


def _run(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")


def test_runs_before_the_period_are_removed(tmp_path: Path) -> None:
    for day in ("2024-05-26", "2024-06-02", "2024-06-09", "2026-06-07"):
        _run(tmp_path / f"as_of={day}")
    for place in ("replaced/as_of=2024-06-02.1", "refused/as_of=2024-06-02", "replaced/latest.1"):
        _run(tmp_path / place)
    removed = prune(tmp_path, "2 years")
    assert len(removed) == 4
    kept = sorted(str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("run.json"))
    assert kept == ["as_of=2024-06-09", "as_of=2026-06-07", "replaced/latest.1"]
    assert prune(tmp_path, "2 years") == []


@pytest.mark.parametrize(
    ("period", "first"),
    [
        ("90 days", date(2026, 3, 9)),
        ("1 week", date(2026, 5, 31)),
        ("18 months", date(2024, 12, 7)),
        ("2 Years", date(2024, 6, 7)),
    ],
)
def test_periods(period: str, first: date) -> None:
    assert first_kept(period, date(2026, 6, 7)) == first


@pytest.mark.parametrize("period", ["", "2", "0 days", "-1 days", "2 fortnights"])
def test_what_is_no_period(period: str) -> None:
    with pytest.raises(ValueError, match="number of days"):
        first_kept(period, date(2026, 6, 7))


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "modes"), [("", (0o600, 0o700)), ("true", (0o640, 0o750))])
def test_only_the_owner_reads_what_is_written_unless_the_group_may(
    demo: Demo, tmp_path: Path, setting: str, modes: tuple[int, int]
) -> None:
    before = os.umask(0o022)
    os.umask(before)
    config = tmp_path / "health.toml"
    text = demo.config.read_text().replace('"tables/', f'"{demo.folder}/tables/')
    config.write_text(text + (f"\n[storage]\ngroup_readable = {setting}\n" if setting else ""))
    output = tmp_path / "new" / "features.csv"
    done = call_health("features", config, "--as-of", "2026-06-07", "-o", output)
    assert done.code == 0, done.err
    assert tuple(stat.S_IMODE(p.stat().st_mode) for p in (output, output.parent)) == modes
    assert os.umask(before) == before
