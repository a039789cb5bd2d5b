"""One small demo company, made once by a real `health demo` process."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from health.cli.commands import main
from tests.health import postgres

#: The demo company of the quick tests, with a seed with which some of so few accounts have given
#: notice, and that of runs that include the slow ones: options of `health demo`.
SMALL = ("--accounts", "100", "--seed", "71")
USUAL = ("--accounts", "200", "--seed", "1")


@dataclass(frozen=True)
class Finished:
    """What a command left: exit code and what it printed."""

    code: int
    out: str
    err: str


def run_health(*arguments: str | Path, cwd: Path | None = None) -> Finished:
    """Run the command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "health.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=900,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def call_health(*arguments: str | Path) -> Finished:
    """Run the command line in this process: what a test of messages needs, in less time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        patch.setattr(sys, "argv", ["health", *map(str, arguments)])
        main()
    return Finished(int(left.value.code or 0), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Demo:
    """A demo folder and what the command that made it printed."""

    folder: Path
    printed: str

    @property
    def config(self) -> Path:
        return self.folder / "health.toml"

    @property
    def runs(self) -> list[Path]:
        return sorted((self.folder / "runs").glob("as_of=*"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Demo:
    """Made once for every process of the test run; a test that would spoil it takes a copy."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, printed = shared / "demo" / "company", shared / "demo.out"
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            quick = request.config.getoption("markexpr") == "not slow"
            done = run_health("demo", folder, *(SMALL if quick else USUAL))
            assert done.code == 0, done.err
            printed.write_text(done.out, encoding="utf-8")
    return Demo(folder, printed.read_text(encoding="utf-8"))


def stop_using_before_leaving(tables: Path) -> None:
    """Remove what accounts used in the four months before they left: usage then predicts churn.

    In a small demo company, whether anything predicts it is a matter of chance.
    """
    ended = f"read_csv('{tables / 'subscriptions.csv'}')"
    for file in tables.glob("usage/*.parquet"):
        kept = file.with_suffix(".kept")
        duckdb.sql(
            f"COPY (SELECT * FROM read_parquet('{file}') AS used WHERE NOT EXISTS (FROM {ended} AS "
            "own WHERE own.account_id = used.account_id AND occurred_at BETWEEN "
            f"ended_at - INTERVAL 120 DAY AND ended_at)) TO '{kept}' (FORMAT parquet)"
        )
        kept.replace(file)


@pytest.fixture
def own_tables(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's configuration and tables that a test may spoil."""
    shutil.copytree(demo.folder / "tables", tmp_path / "tables")
    shutil.copy(demo.config, tmp_path / "health.toml")
    return tmp_path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start one Postgres for this process; skipped where Postgres is not installed."""
    with postgres.server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Return the URL of an empty database that only this test sees."""
    with postgres.database(postgres_server) as url:
        yield url
