"""Sessions of Spark: in a JVM, and of a Spark Connect server without one (`pysail`)."""

from __future__ import annotations

import gc
import importlib.util
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from features.errors import HealthError
from features.tables.spark import has_java, session

_SERVE = (
    "import sys; from pysail.spark import SparkConnectServer; "
    "SparkConnectServer('127.0.0.1', int(sys.argv[1])).start(background=False)"
)
#: Seconds until it must answer: a busy machine takes its time.
_PATIENCE = 60


@contextmanager
def jvm() -> Iterator[Any]:
    """Start a session in a JVM of this machine; skip where there is none."""
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed (uv sync --extra spark)")
    if not has_java():
        pytest.skip("Spark needs Java")
    # A session of Spark Connect leaves it, and forbids any other kind.
    os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)
    running = session("spark+local")
    try:
        yield running
    finally:
        _stop(running)


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
            # A client would try for a while to tell a server that has gone.
            with suppress(HealthError):
                _stop(session(f"sc://127.0.0.1:{port}"))
            started.kill()


def _stop(running: Any) -> None:
    """End a session, as a process has one of a kind, and close what it left open."""
    running.stop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


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
