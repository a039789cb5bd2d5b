"""A Postgres server of the tests' own, where Debian's binaries are installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

#: The name of whoever owns the server, and a password that no message may repeat.
USER, PASSWORD = "corvid", "hunter2-in-tests"


def binaries() -> Path | None:
    """Return the folder of Postgres' binaries; Debian leaves them out of the path."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return newest[-1].parent if newest else None


@contextmanager
def server() -> Iterator[str]:
    """Start a server in a folder of its own and return its URL; skip where there is none."""
    folder = binaries()
    if folder is None:
        absent = "no Postgres: apt-get install postgresql"
        if os.environ.get("HEALTH_TESTS_NEED_POSTGRES"):
            pytest.fail(absent)
        pytest.skip(absent)
    with tempfile.TemporaryDirectory(prefix="health-postgres-") as name:
        home = Path(name)
        # The server refuses to run as root, and must own its folder.
        as_owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if as_owner:
            shutil.chown(home, "postgres")
        home.chmod(0o700)
        secret = home / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        _run([*as_owner, str(folder / "initdb"), "-D", f"{home}/data", "-U", USER,
              "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"], home)  # fmt: skip
        port = _free_port()
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = [*as_owner, str(folder / "pg_ctl"), "-D", f"{home}/data", "-w"]
        _run([*control, "-o", options, "-l", f"{home}/log", "start"], home)
        try:
            yield f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], home)


@contextmanager
def database(server_url: str, *, template: str = "template1") -> Iterator[str]:
    """Create a database of the server's, return its URL, and drop it afterwards."""
    name = f"t{uuid.uuid4().hex}"
    driver_url = server_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = sa.create_engine(driver_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield server_url.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def _run(command: list[str], folder: Path) -> None:
    with (folder / "output").open("ab") as output:
        done = subprocess.run(command, cwd="/", stdout=output, stderr=output, check=False)
    if done.returncode:
        pytest.fail(f"{command[-1]}: {(folder / 'output').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
