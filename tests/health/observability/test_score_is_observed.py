"""`health score` with `[observability]`: published, stopped by a gate, and refused."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from features.errors import HealthError
from health.cli.observed import observed
from health.settings.config import load_config
from health.weekly.gates import Gate
from health.weekly.refusal import write_refusal
from tests.health.conftest import Demo, call_health
from tests.health.observability.test_openlineage import RunEvent
from tests.health.observability.test_prometheus import AT, parsed

SETTINGS = """
[observability]
prometheus_file = "metrics/health.prom"
openlineage_file = "events.jsonl"
"""


@pytest.fixture
def company(demo: Demo, own_tables: Path) -> Path:
    shutil.copytree(demo.folder / "models", own_tables / "models")
    config = own_tables / "health.toml"
    config.write_text(config.read_text() + SETTINGS)
    (own_tables / "metrics").mkdir()
    return own_tables


@pytest.mark.slow
def test_a_published_and_a_refused_run_leave_events_and_metrics(demo: Demo, company: Path) -> None:
    config, last = company / "health.toml", demo.runs[-1]
    day = last.name.removeprefix("as_of=")
    command = ("score", config, "--features", last / "features.parquet", "--as-of", day)
    done = call_health(*command, "--log-json")
    assert done.code == 0, done.err
    assert "observability" not in done.err
    found = parsed((company / "metrics" / "health.prom").read_text())
    assert found["health_last_attempt_exit_code",] == 0
    assert found["health_rows", "scored accounts"] == len(pd.read_parquet(last / "scores.parquet"))
    success = found["health_last_success_timestamp_seconds",]

    again = call_health(*command)
    assert again.code == 2
    found = parsed((company / "metrics" / "health.prom").read_text())
    assert found["health_last_attempt_exit_code",] == 2
    assert found["health_last_success_timestamp_seconds",] == success
    events = [
        RunEvent.model_validate_json(line)
        for line in (company / "events.jsonl").read_text().splitlines()
    ]
    assert [event.eventType for event in events] == ["START", "COMPLETE", "START", "FAIL"]
    assert len({event.run.runId for event in events}) == 2


def _observe(company: Path, error: BaseException | None) -> list[str]:
    """Let something happen while it is observed; return what was described."""
    described: list[str] = []
    config = load_config(company / "health.toml")
    expected = nullcontext() if error is None else pytest.raises(type(error))
    with (
        expected,
        observed(config, as_of=None, clock=lambda: AT, describe=described.append),
    ):
        if error is not None:
            raise error
    return described


def test_a_run_that_a_gate_stopped(company: Path) -> None:
    gates = [Gate("rows", "rows of usage", False, "too few"), Gate("range", "values", True, "")]
    write_refusal(company / "runs", AT.date(), gates, {}, pd.DataFrame({"column": ["a"]}))
    error = HealthError("a gate failed", where="gates", exit_code=3)
    assert _observe(company, error) == []
    found = parsed((company / "metrics" / "health.prom").read_text())
    assert found["health_last_attempt_exit_code",] == 3
    assert found["health_gate_passed", "rows", "rows of usage"] == 0
    assert found["health_gate_passed", "range", "values"] == 1
    event = json.loads((company / "events.jsonl").read_text().splitlines()[-1])
    assert RunEvent.model_validate(event).eventType == "FAIL"
    assert event["run"]["facets"]["errorMessage"]["message"].startswith("gates: ")


@pytest.mark.parametrize(
    ("error", "ending", "code"),
    [
        (SystemExit(143), "ABORT", 143),
        (KeyboardInterrupt(), "ABORT", 130),
        (OSError(28, "No space left on device"), "FAIL", 2),
        (ZeroDivisionError("s3cret"), "FAIL", 1),
    ],
    ids=lambda value: str(value) if isinstance(value, int | str) else type(value).__name__,
)
def test_other_endings(company: Path, error: BaseException, ending: str, code: int) -> None:
    assert _observe(company, error) == []
    found = parsed((company / "metrics" / "health.prom").read_text())
    assert found["health_last_attempt_exit_code",] == code
    line = (company / "events.jsonl").read_text().splitlines()[-1]
    assert RunEvent.model_validate_json(line).eventType == ending
    assert "s3cret" not in line


def test_files_that_cannot_be_written_are_described(company: Path) -> None:
    shutil.rmtree(company / "metrics")
    (company / "events.jsonl").mkdir()
    described = _observe(company, None)
    assert len(described) == 3
    assert all("a file of [observability] was not written" in text for text in described)


@pytest.mark.parametrize("line", ['prometheus_file = "x.txt"', 'openlineage_file = "events"'])
def test_names_that_no_collector_finds_are_refused(company: Path, line: str) -> None:
    config = company / "health.toml"
    config.write_text(config.read_text().replace(SETTINGS, f"[observability]\n{line}\n"))
    done = call_health("check", config)
    assert done.code == 2
    assert "the name must end in ." in done.err
