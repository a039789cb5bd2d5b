"""Full and read-only disks under every command: exit 2, one message, and nothing is changed.

    uv run health demo demo --accounts 150
    uv run python -m tests.benchmarks.trust_disk demo --times 3

The company is copied to a small disk (a tmpfs, so root is needed). The disk is then filled up to a
random amount of room, or mounted read-only, or only the folder of temporary files (TMPDIR) is full.
Each command runs there in a process of its own. It must end with 2 and one message that names the
fault and a path, or with its usual code where it needs less room. After an exit 2, what was stored
before is byte for byte the same, and there is no new file. An erasure, which frees one file after
the other, is complete when it is repeated with room. Exit 1 and a line per fault.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from health.runs.directory import list_runs
from health.training import registry
from tests.benchmarks.trust_kills import second_version
from tests.health.conftest import Finished
from tests.health.workbook.test_outcomes import fill

#: What is left on a full disk, in bytes.
ROOMS = (0, 4_096, 20_000, 60_000, 200_000, 600_000)
SITUATIONS = ("full", "read-only", "no temporary files")
_MOST_SECONDS = 300
#: Files whose bytes mean nothing, or that SQLite makes while a database is open.
_IGNORED = re.compile(r"(^|\.)lock$|\.sqlite-(wal|shm|journal)$")
#: Sections that some commands need.
SETTINGS = """
[publish]
url = "sqlite:///warehouse.sqlite"
[notify]
webhook = { url = "http://127.0.0.1:9/x" }
"""


def prepare(demo: Path, folder: Path) -> Path:
    """Copy a demo company with what the commands need: a workbook, a warehouse, users, versions."""
    shutil.copytree(demo, folder, symlinks=True)
    config = folder / "health.toml"
    config.write_text(config.read_text() + SETTINGS)
    shutil.copy(list_runs(folder / "runs")[-1].folder / "flags.xlsx", folder / "filled.xlsx")
    fill(folder / "filled.xlsx", "Renewals", 2, Outcome="called", Notes="was called")
    second_version(folder)
    return folder


def _second(company: Path) -> str:
    champion = registry.champion(company / "models")
    return next(v.name for v in registry.list_versions(company / "models") if v.name != champion)


#: Commands that change one file after the other; repeated, they go on.
_GOES_ON = ("erase",)
#: The arguments of every command for a company's folder.
COMMANDS: dict[str, Callable[[Path], tuple[str | Path, ...]]] = {
    "demo": lambda c: ("demo", c.parent / "other", "--accounts", "100"),
    "init": lambda c: ("init", c / "tables", "-o", c / "proposed.toml"),
    "publish": lambda c: ("publish", c / "health.toml"),
    "check": lambda c: ("check", c / "health.toml"),
    "features": lambda c: (
        *("features", c / "health.toml", "--as-of", "2026-11-01"),
        *("-o", c / "features.parquet"),
    ),
    "features to csv": lambda c: (
        *("features", c / "health.toml", "--as-of", "2026-11-01"),
        *("-o", c / "features.csv"),
    ),
    "train": lambda c: ("train", c / "health.toml"),
    "score": lambda c: ("score", c / "health.toml", "--replace"),
    "list": lambda c: ("list", c / "health.toml"),
    "explain": lambda c: ("explain", c / "health.toml", "ACC-00001"),
    "backtest": lambda c: ("backtest", c / "health.toml", "--from", "2026-06-01"),
    "tune": lambda c: ("tune", c / "health.toml"),
    "experiment": lambda c: ("experiment", c / "health.toml"),
    "voice": lambda c: ("voice", c / "health.toml"),
    "models": lambda c: ("models", c / "health.toml"),
    "models promote": lambda c: (
        *("models", c / "health.toml", "promote", _second(c)),
        *("--force", "--reason", "to fill the disk"),
    ),
    "erase": lambda c: ("erase", c / "health.toml", "ACC-00001"),
    "portfolio": lambda c: ("portfolio", c / "health.toml"),
    "overrides": lambda c: ("overrides", c / "health.toml"),
    "restate": lambda c: ("restate", c / "health.toml", "--config", c / "health.toml"),
    "serve": lambda c: ("serve", c / "health.toml", "--port", "0"),
    "notify": lambda c: ("notify", c / "health.toml", "--dry-run"),
    "actions import": lambda c: (
        *("actions", "import", c / "filled.xlsx", "--config", c / "health.toml"),
        *("--at", "2026-11-03"),
    ),
    "users add": lambda c: ("users", "add", c / "health.toml", "ann", "--role", "lead"),
    "users list": lambda c: ("users", "list", c / "health.toml"),
    "users disable": lambda c: ("users", "disable", c / "health.toml", "ann"),
}


@dataclass(frozen=True)
class Tried:
    """A command on a disk that refuses, its exit code, and what is wrong."""

    name: str
    situation: str
    code: int
    faults: tuple[str, ...]


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of some bytes on a folder.

    Raises
    ------
    PermissionError
        The user may not mount.
    """
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        raise PermissionError(errno.EPERM, "a disk can only be mounted by root", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(folder: Path, room: int) -> None:
    """Fill the disk of a folder until some bytes are left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(b"x" * 65_536):
            pass
    # The last pages of the disk, one by one.
    with filler.open("ab", buffering=0) as stream, suppress(OSError):
        while stream.write(b"x" * 512):
            pass
    os.truncate(filler, max(filler.stat().st_size - room, 0))


def try_command(prepared: Path, name: str, situation: str, *, room: int) -> Tried:
    """Run a command where the disk is full or read-only; return how it ended and what is wrong."""
    size = sum(file.stat().st_size for file in prepared.rglob("*") if file.is_file())
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made,
        small_disk(Path(made) / "disk", 2 * size + 8_000_000) as disk,
    ):
        elsewhere = situation == "no temporary files"
        company = (Path(made) if elsewhere else disk) / "company"
        shutil.copytree(prepared, company, symlinks=True)
        if name in ("users disable", "users list"):
            _run(COMMANDS["users add"](company), {})
        command, environment = COMMANDS[name](company), {}
        if situation == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        else:
            fill_up(disk, room)
        if elsewhere:
            (disk / "tmp").mkdir()
            environment = {"TMPDIR": str(disk / "tmp")}
        before = stored(company.parent)
        done = _run(command, environment)
        faults = list(_faults_of_message(done))
        if done.code == 2 and (name not in _GOES_ON or situation == "read-only"):
            faults += changes(before, stored(company.parent))
        elif done.code == 2:
            (disk / "filler").unlink()
            again = _run(command, environment)
            faults += [] if again.code == 0 else [f"the repetition: {again.err.strip()[-300:]}"]
        if situation == "read-only":
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        return Tried(name, f"{situation}, {room:,} bytes", done.code, tuple(faults))


def _run(command: tuple[str | Path, ...], environment: dict[str, str]) -> Finished:
    """Run a command; the app, which serves until it is stopped, is stopped after some seconds."""
    arguments = [sys.executable, "-m", "health.cli", *map(str, command)]
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            out, err = process.communicate(timeout=20 if command[0] == "serve" else _MOST_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate()
    return Finished(process.returncode, out, err)


def _faults_of_message(done: Finished) -> Iterator[str]:
    shown = done.out + done.err
    if "Traceback" in shown or "internal error" in shown:
        yield f"a traceback: {shown.strip()[-600:]}"
    if done.code not in (0, 2, 3, 143):
        yield f"exit {done.code}: {done.err.strip()[-300:]}"
    if done.code == 2:
        messages = sum(line.startswith("error:") for line in done.err.splitlines())
        if messages != 1:
            yield f"{messages} messages: {done.err.strip()[-300:]}"
        if "/" not in done.err:
            yield f"names no path: {done.err.strip()[-300:]}"


def stored(folder: Path) -> dict[str, str]:
    """Return every file below a folder with what it contains; databases by their content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if _IGNORED.search(path.name) or path.name == "filler" or not path.is_file():
            continue
        name = str(path.relative_to(folder))
        found[name] = (
            _content(path)
            if path.suffix == ".sqlite"
            else hashlib.sha256(path.read_bytes()).hexdigest()
        )
    return found


def _content(file: Path) -> str:
    """Return a checksum of what a database contains, whatever its journal is."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        try:
            lines = "\n".join(database.iterdump())
        except sqlite3.Error as error:
            return f"does not open: {error}"
    return hashlib.sha256(lines.encode()).hexdigest()


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what a refused command lost, changed or left."""
    return [
        *(f"lost {name}" for name in sorted(before.keys() - after.keys())),
        *(f"left {name}" for name in sorted(after.keys() - before.keys())),
        *(
            f"changed {name}"
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ),
    ]


def main() -> None:
    """Try every command in every situation and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="a folder that `health demo` made")
    parser.add_argument("--times", type=int, default=3, help="amounts of room for each command")
    parser.add_argument("--seed", type=int, default=24)
    parser.add_argument("--only", nargs="*", default=list(COMMANDS))
    parser.add_argument("--situations", nargs="*", default=list(SITUATIONS))
    given = parser.parse_args()
    faulty = 0
    with tempfile.TemporaryDirectory() as made:
        prepared = prepare(given.demo, Path(made) / "prepared")
        for name in given.only:
            chance = random.Random(f"{given.seed}-{name}")
            tries = []
            for situation in given.situations:
                times = 1 if situation == "read-only" else given.times
                for room in [0, *chance.sample(ROOMS[1:], times - 1)]:
                    tries.append(try_command(prepared, name, situation, room=room))
            for tried in tries:
                for fault in tried.faults:
                    print(f"{name} ({tried.situation}): {fault}")
            codes = ", ".join(f"{t.situation}: {t.code}" for t in tries)
            n_faults = sum(len(tried.faults) for tried in tries)
            print(f"{name}: {n_faults} faults; exit codes: {codes}", flush=True)
            faulty += n_faults
    sys.exit(bool(faulty))


if __name__ == "__main__":
    main()
