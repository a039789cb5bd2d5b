"""A Postgres server of the tests' own, where Debian's postgresql is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
#: A server refuses to run as root; root starts it as Debian's user.
_AS_ROOT = os.geteuid() == 0


def why_not() -> str:
    """Return why no server can be started; empty where one can."""
    if not BINARIES:
        return "no Postgres here: install Debian's postgresql"
    if _AS_ROOT and shutil.which("runuser") is None:
        return "no runuser here: Postgres does not run as root"
    return ""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a server on a free port; yields the URL of its database `postgres`."""
    binaries = BINARIES[-1].parent
    with tempfile.TemporaryDirectory() as folder:
        place, port = Path(folder), _free_port()
        if _AS_ROOT:
            shutil.chown(place, "postgres")
        place.chmod(0o700)
        data, sockets = str(place / "data"), str(place)
        _run(str(binaries / "initdb"), "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8")
        options = f"-h 127.0.0.1 -p {port} -k {sockets} -c fsync=off"
        control = str(binaries / "pg_ctl")
        _run(control, "-D", data, "-o", options, "-l", str(place / "log"), "-w", "start")
        try:
            yield f"postgresql://tests@127.0.0.1:{port}/postgres"
        finally:
            _run(control, "-D", data, "-m", "immediate", "-w", "stop")


def _run(*command: str) -> None:
    as_user = ("runuser", "-u", "postgres", "--") if _AS_ROOT else ()
    subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
