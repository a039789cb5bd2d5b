"""A Spark Connect server without Java, where `pysail` is installed."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from tempfile import TemporaryDirectory

import pytest

_SERVE = (
    "import sys; from pysail.spark import SparkConnectServer; "
    "SparkConnectServer('127.0.0.1', int(sys.argv[1])).start(background=False)"
)
#: Seconds until it must answer: a busy machine takes its time.
_PATIENCE = 60


@contextmanager
def server() -> Iterator[str]:
    """Start a server and return its URL; skip where it is not installed."""
    with process() as (url, _):
        yield url


@contextmanager
def process() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a server and return its URL and its process, which may be killed."""
    for module in ("pysail", "pyspark"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (uv sync --extra spark --group sail)")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", _SERVE, str(port)]
    # Tables of its catalogue are files of the folder in which it runs.
    with TemporaryDirectory() as folder, subprocess.Popen(command, cwd=folder) as started:
        try:
            _wait_for(port)
            yield f"sc://127.0.0.1:{port}", started
        finally:
            _leave()
            started.kill()


def _leave() -> None:
    """End this process's session: it would try for a while to tell a server that has gone."""
    from pyspark.sql import SparkSession  # noqa: PLC0415

    active = SparkSession.getActiveSession()
    if active is not None:
        active.stop()


def _wait_for(port: int) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
