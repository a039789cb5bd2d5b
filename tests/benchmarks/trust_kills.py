"""Kill commands at random moments: nothing is lost, nothing is partial, the next start is clean.

    uv run health demo demo --accounts 150
    uv run python -m tests.benchmarks.trust_kills demo --kills 20

Each start is a process of its own in a copy of the company. It is killed with SIGKILL, with all of
its children, at a random share of the time that the whole command takes. Then everything that is
stored must open, the same command is started again, and its result must be that of a command that
was never killed. After that, two of the command start at the same time: there is one result. Exit 1
and a line per fault.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import requests
import sqlalchemy as sa

from health.app.database.engine import open_database
from health.app.database.models import Note
from health.app.records.audit import check_chain
from health.runs.directory import list_runs
from health.training import registry
from tests.health.conftest import run_health
from tests.health.run_files import FILES
from tests.health.workbook.test_outcomes import fill

PUBLISH = '\n[publish]\nurl = "sqlite:///warehouse.sqlite"\n'
NOW = datetime(2026, 12, 1)
#: Rows of the workbook that are filled in.
_FILLED = 5
#: Names of what a command is still writing.
_UNFINISHED = re.compile(r"^\.(unfinished-|replacing-|tmp-|old-)|\.tmp(\.\w+)?$")


@dataclass(frozen=True)
class Work:
    """A command and what is true when it is done.

    Attributes
    ----------
    command : callable
        Returns the arguments of `health` for a company's folder.
    undone : callable
        Returns what the finished command lacks, in words.
    again : tuple of int
        Exit codes of the second start.
    """

    command: Callable[[Path], tuple[str | Path, ...]]
    undone: Callable[[Path], list[str]]
    again: tuple[int, ...] = (0,)


def prepare(demo: Path, folder: Path) -> Path:
    """Copy a demo company, with a second model version, a filled-in workbook and a warehouse."""
    shutil.copytree(demo, folder, symlinks=True)
    config = folder / "health.toml"
    config.write_text(config.read_text() + PUBLISH)
    shutil.copy(list_runs(folder / "runs")[-1].folder / "flags.xlsx", folder / "filled.xlsx")
    for row in range(2, 2 + _FILLED):
        fill(folder / "filled.xlsx", "Renewals", row, Outcome="called", Notes="was called")
    return folder


def second_version(folder: Path) -> None:
    """Train another version, which is not promoted."""
    until = str(list_runs(folder / "runs")[0].as_of)
    done = run_health("train", folder / "health.toml", "--until", until, "--no-promote")
    assert done.code in (0, 3), done.err


def kill_once(folder: Path, name: str, chance: random.Random, *, whole: float) -> list[str]:
    """Kill a command in a copy of a prepared company; return what is wrong after that."""
    work = WORKS[name]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        company = Path(made) / "company"
        shutil.copytree(folder, company, symlinks=True)
        before = {run.as_of for run in list_runs(company / "runs")}
        moment = chance.uniform(0.15, 1.0) * whole
        _killed(company, work.command(company), moment)
        faults = [f"after the kill: {fault}" for fault in broken(company)]
        lost = before - {run.as_of for run in list_runs(company / "runs")}
        faults += [f"lost the run of {day}" for day in sorted(lost)]
        done = run_health(*work.command(company))
        if done.code not in work.again or "Traceback" in done.err:
            faults.append(f"the next start ends with {done.code}: {done.err.strip()[-300:]}")
        faults += [f"after the next start: {fault}" for fault in broken(company)]
        faults += work.undone(company)
        faults += [f"left {path.relative_to(company)}" for path in leftovers(company)]
    return [f"killed after {moment:.2f} s: {fault}" for fault in faults]


def two_at_once(folder: Path, name: str) -> list[str]:
    """Start a command twice at the same time; there is one result, and both end in order."""
    work = WORKS[name]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        company = Path(made) / "company"
        shutil.copytree(folder, company, symlinks=True)
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda _: run_health(*work.command(company)), range(2)))
        codes = sorted(one.code for one in done)
        faults = broken(company) + work.undone(company)
        faults += [f"left {path.relative_to(company)}" for path in leftovers(company)]
        # One waits for the other, or ends with a message that it is at work.
        if codes[0] not in work.again or codes[1] not in (*work.again, 2):
            faults.append(f"exit codes {codes}: {done[0].err[-200:]} {done[1].err[-200:]}")
        faults += ["a traceback" for one in done if "Traceback" in one.err]
    return [f"two at the same time: {fault}" for fault in faults]


def serve_once(folder: Path, chance: random.Random, *, notes: int = 30) -> list[str]:
    """Kill the app while notes are written; those that it acknowledged are stored, once."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        company = Path(made) / "company"
        shutil.copytree(folder, company, symlinks=True)
        most = chance.randrange(1, notes)
        with _served(company) as (process, url):
            known = _write_notes(url, company, [f"note {n}" for n in range(most)])
            _end(process)
        faults = _missing(company, known)
        with _served(company) as (process, url):
            known |= _write_notes(url, company, ["after the kill"])
            process.terminate()
            if process.wait(timeout=60) != 128 + signal.SIGTERM:
                faults.append(f"SIGTERM ends it with {process.returncode}")
        faults += _missing(company, known)
    return [f"killed after {most} notes: {fault}" for fault in faults]


def broken(company: Path) -> list[str]:
    """Return what does not open: runs, the champion, actions, the published tables."""
    faults = []
    for run in list_runs(company / "runs"):
        faults += [f"{run.folder.name} lacks {f}" for f in FILES if not (run.folder / f).exists()]
        assert len(run.table("scores"))
        assert run.info()["as_of"] == str(run.as_of)
    models = company / "models"
    champion = registry.champion(models)
    if champion is None:
        faults.append("no champion")
    else:
        registry.load_version(models, champion)
    if registry.damaged_promotions(models):
        faults.append("an incomplete line of promotions.jsonl")
    actions = company / "actions.csv"
    if actions.exists() and len(pd.read_csv(actions)) not in (0, _FILLED):
        faults.append(f"{len(pd.read_csv(actions))} actions")
    return faults + _published_in_part(company)


def leftovers(company: Path) -> list[Path]:
    """Return files and folders that a command was still writing."""
    return [path for path in company.rglob("*") if _UNFINISHED.search(path.name)]


def _killed(company: Path, command: tuple[str | Path, ...], moment: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "health.cli", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=moment)
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _published_in_part(company: Path) -> list[str]:
    file = company / "warehouse.sqlite"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as database:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'health_%'"
        names = {name for (name,) in database.execute(query)}
        if not names:
            return []
        dates = [day for (day,) in database.execute("SELECT as_of FROM health_runs")]
    expected = {
        f"health_{table}_{day.replace('-', '')}"
        for day in dates
        for table in ("scores", "flags", "reasons")
    }
    return [] if names == expected | {"health_runs"} else [f"published tables: {sorted(names)}"]


def _account(company: Path) -> str:
    flags = pd.read_parquet(list_runs(company / "runs")[0].folder / "flags.parquet")
    return str(flags["account_id"].iloc[0])


def _erased(company: Path) -> list[str]:
    record = company / "runs" / "erasures.jsonl"
    name = "ACC-00001"
    left = [
        str(run.folder.name)
        for run in list_runs(company / "runs")
        if name in run.table("scores")["account_id"].tolist()
        or name in (run.folder / "report.html").read_text()
    ]
    return [f"still in {folder}" for folder in left] + ([] if record.exists() else ["no record"])


def _other_version(company: Path) -> str:
    """Return the version that the demo did not promote, whichever is the champion now."""
    first = registry.promotions(company / "models")[0]["version"]
    others = [v.name for v in registry.list_versions(company / "models") if v.name != first]
    return others[0]


def _promoted(company: Path) -> list[str]:
    models = company / "models"
    wanted, lines = _other_version(company), registry.promotions(models)
    faults = [] if registry.champion(models) == wanted else ["is not the champion"]
    return faults if [r["version"] for r in lines].count(wanted) == 1 else [*faults, "not recorded"]


WORKS: dict[str, Work] = {
    "score": Work(
        lambda company: ("score", company / "health.toml", "--replace"),
        lambda company: [],
    ),
    "train": Work(
        lambda company: ("train", company / "health.toml"),
        lambda company: [],
        again=(0, 3),
    ),
    "promote": Work(
        lambda company: (
            *("models", company / "health.toml", "promote", _other_version(company)),
            *("--force", "--reason", "to kill it"),
        ),
        _promoted,
    ),
    "import": Work(
        lambda company: (
            *("actions", "import", company / "filled.xlsx", "--config", company / "health.toml"),
            *("--at", "2026-11-03"),
        ),
        lambda company: (
            [] if len(pd.read_csv(company / "actions.csv")) == _FILLED else ["outcomes are lost"]
        ),
    ),
    "publish": Work(
        lambda company: ("publish", company / "health.toml"),
        lambda company: (
            []
            if (company / "delta").is_dir() and list((company / "delta").iterdir())
            else ["delta"]
        ),
    ),
    "erase": Work(
        lambda company: ("erase", company / "health.toml", "ACC-00001"),
        _erased,
    ),
}


@contextmanager
def _served(company: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "health.cli", "serve", str(company / "health.toml"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        url = ""
        while not url:
            line = process.stdout.readline().decode()
            assert line, "the app did not start"
            found = re.search(r"serving (http://\S+?)/?;", line)
            url = found[1] if found else ""
        yield process, url
    finally:
        _end(process)
        process.stdout.close()


def _write_notes(url: str, company: Path, texts: list[str]) -> set[str]:
    """Write notes as the browser does; return those that the app acknowledged."""
    known = set()
    path = f"{url}/accounts/{_account(company)}"
    with requests.Session() as browser:
        token = re.search(r'name="csrf" value="([^"]+)"', browser.get(path, timeout=30).text)
        assert token is not None
        for text in texts:
            fields = {"csrf": token[1], "request_id": uuid.uuid4().hex, "text": text}
            done = browser.post(f"{path}/notes", data=fields, timeout=30)
            if done.ok:
                known.add(text)
    return known


def _missing(company: Path, known: set[str]) -> list[str]:
    database = open_database(f"sqlite:///{company / 'runs' / 'app.sqlite'}", now=NOW)
    try:
        with database.read() as session:
            texts = list(session.scalars(sa.select(Note.text)))
            faults = list(check_chain(session).faults)
    finally:
        database.close()
    faults += [f"lost {text!r}" for text in sorted(known - set(texts))]
    return faults + (["a note is stored twice"] if len(texts) > len(set(texts)) else [])


def main() -> None:
    """Kill each command as often as asked and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="a folder that `health demo` made")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=24)
    parser.add_argument("--only", nargs="*", default=[*WORKS, "serve"])
    given = parser.parse_args()
    faulty = 0
    with tempfile.TemporaryDirectory() as made:
        folder = prepare(given.demo, Path(made) / "prepared")
        if "promote" in given.only:
            second_version(folder)
        for name in given.only:
            chance, started, faults = random.Random(f"{given.seed}-{name}"), time.perf_counter(), []
            if name != "serve":
                whole_company = Path(made) / name
                shutil.copytree(folder, whole_company, symlinks=True)
                done = run_health(*WORKS[name].command(whole_company))
                assert done.code in WORKS[name].again, done.err
                shutil.rmtree(whole_company)
            whole = time.perf_counter() - started
            for _ in range(given.kills):
                if name == "serve":
                    faults += serve_once(folder, chance)
                else:
                    faults += kill_once(folder, name, chance, whole=whole)
            if name != "serve":
                faults += two_at_once(folder, name)
            for fault in faults:
                print(f"{name}: {fault}")
            print(f"{name}: {given.kills} kills, two at once, {len(faults)} faults", flush=True)
            faulty += len(faults)
    sys.exit(bool(faulty))


if __name__ == "__main__":
    main()
