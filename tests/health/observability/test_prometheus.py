"""Metrics of runs, in Prometheus's text format."""

from __future__ import annotations

import json
import re
import stat
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import HealthError
from health.observability.prometheus import (
    Attempt,
    Sample,
    metrics_page,
    newest_success,
    write_metrics,
)
from health.runs.durable import write_whole
from tests.health.conftest import Demo

_LINE = re.compile(r'([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)')
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
AT = datetime(2026, 11, 2, 3)


def parsed(text: str) -> dict[tuple[str, ...], float]:
    """Read a page as Prometheus does: name, then labels other than the company, and value."""
    samples: dict[tuple[str, ...], float] = {}
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("# HELP "):
            found = _LINE.fullmatch(line)
            assert found is not None, line
            labels = dict(_LABEL.findall(found[2]))
            assert found[1] in typed
            assert labels.pop("company")
            key = (found[1], *labels.values())
            assert key not in samples
            samples[key] = float(found[3])
    return samples


def test_a_published_run_as_metrics(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "health.prom"
    run = newest_success(demo.folder / "runs")
    assert run is not None
    info = run.info()
    write_metrics(file, demo.folder / "runs", Attempt(AT, 0, info["gates"]), company='Acme "A"\\\n')
    found = parsed(file.read_text())
    finished = pd.Timestamp(info["finished"], tz="UTC").timestamp()
    assert found["health_last_success_timestamp_seconds",] == finished
    assert found["health_last_attempt_timestamp_seconds",] == pd.Timestamp(AT).timestamp()
    assert found["health_last_attempt_exit_code",] == 0
    assert found["health_run_info", str(run.as_of), info["model_version"]] == 1
    for table, rows in info["row_counts"].items():
        assert found["health_rows", table] == rows
    for gate in info["gates"]:
        assert found["health_gate_passed", gate["code"], gate["name"]] == gate["passed"]
    drift = run.table("drift").dropna(subset="psi_training")
    psi = {key[1:]: value for key, value in found.items() if key[0] == "health_drift_psi"}
    assert len(psi) == len(drift)
    assert psi["score", "churn"] == pytest.approx(
        float(drift.loc[drift["column"] == "churn", "psi_training"].iloc[0])
    )
    # The collector of another user reads it, although new files are the owner's alone.
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_the_monitor_is_that_of_the_newest_outcome(demo: Demo, tmp_path: Path) -> None:
    run = newest_success(demo.folder / "runs")
    assert run is not None
    runs = tmp_path / "runs"
    folder = runs / run.folder.name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({**run.info(), "stored_tables": {}}))
    monitor = {"outcome": ["churn", "churn"], "auc": [0.7, 0.8], "auc_trained": [0.75, 0.75]}
    dates = pd.to_datetime(["2026-01-04", "2026-01-11"])
    pd.DataFrame({"as_of": dates, **monitor, "calibration_ratio": [1.0, float("nan")]}).to_parquet(
        folder / "monitor.parquet"
    )
    write_metrics(tmp_path / "health.prom", runs, Attempt(AT, 0), company="Acme")
    found = parsed((tmp_path / "health.prom").read_text())
    assert found["health_monitor_auc", "churn"] == 0.8
    assert found["health_monitor_as_of_timestamp_seconds", "churn"] == dates[1].timestamp()
    assert ("health_monitor_calibration_ratio", "churn") not in found


def test_a_failed_attempt_keeps_the_time_of_the_last_success(demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "health.prom"
    stopped = {"code": "rows", "name": "rows of usage", "passed": False, "accepted": False}
    write_metrics(file, demo.folder / "runs", Attempt(AT, 3, [stopped]), company="Acme")
    found = parsed(file.read_text())
    assert found["health_last_attempt_exit_code",] == 3
    assert found["health_gate_passed", "rows", "rows of usage"] == 0
    assert ("health_last_success_timestamp_seconds",) in found
    write_metrics(file, tmp_path / "none", Attempt(AT, 2), company="Acme")
    assert set(parsed(file.read_text())) == {
        ("health_last_attempt_timestamp_seconds",),
        ("health_last_attempt_exit_code",),
    }


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HealthError, match="does not exist"):
        write_metrics(tmp_path / "x" / "a.prom", tmp_path, Attempt(AT, 0), company="Acme")


def test_no_unfinished_file_ends_like_a_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    written = Path.write_bytes

    def spy(self: Path, content: bytes) -> int:
        seen.append(self.name)
        return written(self, content)

    monkeypatch.setattr(Path, "write_bytes", spy)
    write_whole(tmp_path / "health.prom", "x")
    assert [name for name in seen if name.endswith(".prom")] == []
    assert [p.name for p in tmp_path.iterdir()] == ["health.prom"]


@given(st.text(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_name_is_one_line(company: str, table: str, value: float) -> None:
    page = metrics_page([Sample("health_rows", value, {"table": table})], company=company)
    lines = page.split("\n")
    assert len(lines) == 4
    found = _LINE.fullmatch(lines[2])
    assert found is not None
    assert float(found[3]) == value
