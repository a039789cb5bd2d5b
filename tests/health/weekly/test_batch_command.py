"""The weekly command as cron starts it: real processes, real faults of the machine."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from health.runs.directory import REPLACED, list_runs
from tests.health.conftest import Demo, Finished, call_health
from tests.health.run_files import FILES

KILLS = 2
_DATED = {"run.json"}


@pytest.fixture
def company(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo company with its model and its first run only."""
    folder = tmp_path / "company"
    shutil.copytree(demo.folder, folder, symlinks=True)
    shutil.rmtree(demo_last(folder))
    return folder / "health.toml"


def demo_last(folder: Path) -> Path:
    return sorted((folder / "runs").glob("as_of=*"))[-1]


def _bytes(folder: Path) -> dict[str, bytes]:
    """Return every file of a run but run.json, which says when it was made."""
    files = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
    return {name: file.read_bytes() for name, file in files.items() if name not in _DATED}


@pytest.mark.slow
def test_the_same_again_gives_the_same_bytes_and_the_old_run_is_kept(
    demo: Demo, company: Path
) -> None:
    runs = company.parent / "runs"
    now = "2030-01-02T03:04:05"
    for arguments in ([], ["--replace"]):
        done = call_health("score", company, "--now", now, *arguments)
        assert done.code == 0, done.err
    target = demo_last(company.parent)
    kept = runs / REPLACED / f"{target.name}.1"
    first = _bytes(demo_last(demo.folder))
    assert set(first) == set(FILES) - _DATED
    for folder in (target, kept):
        again = _bytes(folder)
        assert [name for name in first if first[name] != again[name]] == []
    # With the clock as an argument, that holds for run.json, too.
    infos = [(folder / "run.json").read_bytes() for folder in (target, kept)]
    assert infos[0] == infos[1]
    assert json.loads(infos[0])["now"] == now
    refused = call_health("score", company)
    assert refused.code == 2
    assert "--replace" in refused.err


@pytest.mark.slow
def test_actions_beside_the_configuration_put_a_flag_to_rest(demo: Demo, company: Path) -> None:
    flags = pd.read_parquet(demo_last(demo.folder) / "flags.parquet")
    first = flags[flags["flag"] == "at_risk"].iloc[0]
    day = pd.Timestamp(demo_last(demo.folder).name.removeprefix("as_of="))
    row = {"account_id": first["account_id"], "flag": "at risk", "action": "snooze"}
    row |= {"at": day - pd.Timedelta(days=2), "until": day + pd.Timedelta(days=9)}
    pd.DataFrame([{**row, "reason": "on leave"}]).to_csv(company.parent / "actions.csv")
    done = call_health("score", company)
    assert done.code == 0, done.err
    now = pd.read_parquet(demo_last(company.parent) / "flags.parquet")
    keys = ["account_id", "flag"]
    assert (first["account_id"], "at_risk") not in set(now[keys].itertuples(index=False, name=None))
    episodes = pd.read_parquet(demo_last(company.parent) / "episodes.parquet")
    resting = episodes[episodes["state"] == "snoozed"]
    assert resting["account_id"].tolist() == [first["account_id"]]
    assert resting["note"].tolist() == ["on leave"]


@pytest.mark.slow
def test_a_ready_feature_table_gives_the_same_run_and_a_log_of_json(
    demo: Demo, company: Path
) -> None:
    last = demo_last(demo.folder)
    table = last / "features.parquet"
    day = last.name.removeprefix("as_of=")
    done = call_health("score", company, "--features", table, "--as-of", day, "--log-json")
    assert done.code == 0, done.err
    assert done.out == ""
    events = [json.loads(line) for line in done.err.splitlines()]
    assert [event["event"] for event in events].count("step_ended") >= 5
    assert events[-1]["event"] == "published"
    assert events[-1]["accounts"] == len(pd.read_parquet(table))
    first, again = _bytes(last), _bytes(demo_last(company.parent))
    assert [name for name in first if first[name] != again[name]] == []

    other = call_health("score", company, "--features", table, "--as-of", "2026-09-06")
    assert other.code == 2
    assert f"is for {day}, not for 2026-09-06" in other.err
    twice = company.parent / "twice.parquet"
    rows = pd.read_parquet(table)
    pd.concat([rows, rows.head(2)]).to_parquet(twice, index=False)
    refused = call_health("score", company, "--features", twice, "--as-of", day, "--replace")
    assert refused.code == 2
    assert "2 rows repeat an account_id" in refused.err
    rows.astype({"mrr": str}).to_parquet(twice, index=False)
    refused = call_health("score", company, "--features", twice, "--as-of", day, "--replace")
    assert refused.code == 2
    assert "mrr has the type string" in refused.err
    rows["account_id"] = "X" + rows["account_id"]
    rows.to_parquet(twice, index=False)
    refused = call_health("score", company, "--features", twice, "--as-of", day, "--replace")
    assert refused.code == 2
    assert (
        f"{len(rows)} of {len(rows)} accounts are not in the table accounts, e.g. 'X"
        in " ".join(refused.err.split())
    )
    failed = call_health("score", company, "--features", company, "--log-json", "--replace")
    assert failed.code == 2
    result = json.loads(failed.err.splitlines()[-1])
    assert (result["event"], result["exit_code"]) == ("failed", 2)
    assert "feature table" in result["text"]


@pytest.mark.slow
def test_killed_as_cron_would_see_it(company: Path) -> None:
    chance = random.Random(3)
    before = list_runs(company.parent / "runs")[0]
    whole = _bytes(before.folder)
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "health.cli", "score", company],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.5, 3.0))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        assert _bytes(before.folder) == whole
    done = call_health("score", company, "--replace")
    assert done.code == 0, done.err
    left = [p.name for p in (company.parent / "runs").iterdir() if p.name.startswith(".")]
    assert left == [".lock"]
    assert (company.parent / "runs" / "latest").resolve() == demo_last(company.parent)


def _score_within(company: Path, most_bytes: int) -> Finished:
    """Score in a process that may write no file larger than some size."""
    done = subprocess.run(
        [sys.executable, "-m", "health.cli", "score", company],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        # Python would keep what it compiled, cut off at the limit.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes)),
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_a_limit_on_file_sizes(company: Path) -> None:
    _assert_no_room(_score_within(company, 30_000), company.parent / "runs")


@pytest.fixture
def small_disk(company: Path) -> Iterator[Path]:
    """Put the runs of the company on a disk of their own, with little room beside them."""
    runs = company.parent / "runs"
    kept = runs.rename(company.parent / "kept")
    runs.mkdir()
    room = sum(file.stat().st_size for file in kept.rglob("*") if file.is_file()) + 300_000
    with _disk(runs, room):
        shutil.copytree(kept, runs, symlinks=True, dirs_exist_ok=True)
        yield runs


@contextmanager
def _disk(folder: Path, room: int) -> Iterator[None]:
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a disk can be mounted by root alone")
    try:
        yield
    finally:
        # A file that could not be written whole may still be held by the error that told it.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_takes_no_more(company: Path, small_disk: Path) -> None:
    before = list_runs(small_disk)[0].folder
    whole = _bytes(before)
    done = call_health("score", company)
    _assert_no_room(done, small_disk)
    assert "MB are free" in done.err
    assert _bytes(before) == whole


@pytest.mark.slow
def test_a_full_spill_disk(company: Path, tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    text = company.read_text(encoding="utf-8")
    company.write_text(f'{text}\n[data]\naccounts_at_once = 60\nspill = "{spill}"\n')
    with _disk(spill, 100_000):
        done = call_health("score", company)
        assert not list(spill.iterdir())
    assert done.code == 2, done.err
    assert f"{spill}: parts of the accounts cannot be kept" in done.err
    assert "Traceback" not in done.err
    assert len(list_runs(company.parent / "runs")) == 1


def _assert_no_room(done: Finished, runs: Path) -> None:
    assert done.code == 2, done.err
    assert "the disk is full" in done.err
    assert "remedy" in done.err
    assert "Traceback" not in done.err
    names = sorted(p.name for p in runs.iterdir())
    assert names == [".lock", list_runs(runs)[0].folder.name, "latest"]


@pytest.mark.slow
def test_an_earlier_run_that_is_broken_is_named(company: Path) -> None:
    before = list_runs(company.parent / "runs")[0]
    (before.folder / "episodes.parquet").write_bytes(b"PAR1")
    done = call_health("score", company)
    assert done.code == 2, done.err
    assert "episodes.parquet" in done.err


@pytest.mark.slow
def test_a_table_that_is_broken_is_named(company: Path) -> None:
    usage = next((company.parent / "tables").glob("usage*"))
    if usage.is_dir():
        usage = next(usage.rglob("*.parquet"))
    usage.write_bytes(usage.read_bytes()[: usage.stat().st_size // 2])
    done = call_health("score", company)
    assert done.code == 2, done.err
    assert "usage" in done.err
    assert "Traceback" not in done.err
    assert len(list_runs(company.parent / "runs")) == 1


def test_latest_can_be_read_as_a_run(demo: Demo) -> None:
    latest = demo.folder / "runs" / "latest"
    assert len(pd.read_parquet(latest / "scores.parquet")) > 0
    assert latest.resolve() == demo_last(demo.folder)
