"""The input tables on Spark, for where one machine is too small."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow.parquet as pq

from features.errors import HealthError
from features.redaction import redact
from features.tables.opened import Tables
from features.tables.relations import PlainFiles
from features.tables.schema import TABLES, Kind

#: How a URL names Spark.
FORMS = "spark+local, spark://host:port, sc://host:port (Spark Connect)"
_LOCAL = "spark+local"
_NAME = "customer health"
_CONNECT = re.compile(r"sc://[\w.-]+(:\d+)?(/(;[\w-]+=[^;]*)*)?")
_CONNECT_PORT = 15002
#: Seconds after which a server that does not answer is given up, and before further attempts.
_PATIENCE, _PAUSES = 10, (0.5, 2.0)
#: Rows that are written at once.
_BATCH = 100_000
#: What an error of the network says, and the last line of what Python did in an executor.
_DETAILS = re.compile(r'details = "(.+?)"\n|^\w+(?:Error|Exception): .+$', re.M)
_CLUSTER = re.compile(r"spark://[\w.-]+:\d+(,[\w.-]+:\d+)*")
_SPARK_TYPES: dict[Kind, str] = {
    "text": "string",
    "time": "timestamp_ntz",
    "number": "double",
    "flag": "boolean",
}


def is_spark(url: str) -> bool:
    """Return whether a URL names Spark, in one of the forms that `session` takes."""
    return url.startswith(("spark://", "spark+", "sc://"))


def session(url: str, *, where: str = "data.url") -> Any:
    """Start (or join) a Spark session, whose times are in UTC.

    Parameters
    ----------
    url : str
        ``spark+local`` (this machine's cores), ``spark://host:port``, or ``sc://host:port`` for
        Spark Connect, which needs no Java here. The last may have options, such as
        ``/;token=…;use_ssl=true``.
    where : str
        The setting, as messages name it.

    Raises
    ------
    HealthError
        The URL is none of these, pyspark or Java is missing, the cluster cannot be reached, or
        this process runs Spark on another one.
    """
    shown = redact(url.partition("/;")[0])
    connect = url.startswith("sc://")
    if not (url == _LOCAL or (_CONNECT if connect else _CLUSTER).fullmatch(url)):
        fix = f"use {FORMS}, or duckdb:///file.duckdb"
        raise HealthError(f"cannot connect to {shown!r}", where=where, fix=fix)
    where = f"{where} {shown}"
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ImportError:
        fix = "pip install 'customer-health[spark]' (or uv sync --extra spark)"
        raise HealthError("pyspark is not installed", where=where, fix=fix) from None
    if connect:
        _reach(url, where)
    elif not has_java():
        fix = "install Java 17 or newer, set JAVA_HOME, or use Spark Connect (sc://host:port)"
        raise HealthError("Spark needs Java", where=where, fix=fix)
    # It prints refused queries with the stack of Java, next to the error that we report.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    try:
        if connect:
            if _connected(url).is_stopped:
                _connected.cache_clear()
            return _connected(url)
        _refuse_second_cluster(url, where)
        builder: Any = SparkSession.builder
        builder = builder.appName(_NAME).master("local[*]" if url == _LOCAL else url)
        for key, value in {**_SETTINGS, **(_LOCAL_SETTINGS if url == _LOCAL else {})}.items():
            builder = builder.config(key, value)
        is_first = SparkSession.getActiveSession() is None
        running = builder.getOrCreate()
        if url == _LOCAL and is_first:
            # Its workers run in the environment of this process, whichever Python is first on the
            # path; the setting spark.pyspark.python only counts for spark-submit.
            running.sparkContext.pythonExec = sys.executable
        return running
    except HealthError:
        raise
    except Exception as error:
        raise HealthError(
            f"Spark does not start: {redact((str(error).splitlines() or [''])[0][:200])}",
            where=where,
            fix="check the address, and that the cluster runs and supports this pyspark",
        ) from None


def _refuse_second_cluster(url: str, where: str) -> None:
    """Refuse a cluster where Spark runs on another: a process has one, which it would return."""
    from pyspark import SparkContext  # noqa: PLC0415

    running = SparkContext._active_spark_context
    own = None if running is None else str(running.master)
    is_other = own != url if url != _LOCAL else (own or "").startswith("spark://")
    if own is not None and is_other:
        raise HealthError(
            f"this process already runs Spark on {redact(own)}, and can use only one cluster",
            where=where,
            fix="use the same cluster everywhere, or Spark Connect (sc://host:port) for the other",
        )


def spark_fault(error: BaseException, *, where: str) -> HealthError | None:
    """Return what Spark could not do, and where; None where the error is not Spark's.

    Parameters
    ----------
    error : BaseException
        What it raised, here or in an executor.
    where : str
        The setting or source that names it.
    """
    if not type(error).__module__.startswith(("pyspark.", "py4j.", "grpc.")):
        return None
    found = _DETAILS.search(str(error))
    lines = str(error).strip().splitlines() or [type(error).__name__]
    words = lines[0] if found is None else found[1] or found[0]
    return HealthError(
        f"Spark failed: {redact(words)[:300]}",
        where=where,
        fix="check that the cluster runs, has enough memory and disk space, and has this package "
        "in the Python of its executors (PYSPARK_PYTHON), then run the command again; nothing that "
        "was complete has changed",
    )


@cache
def _connected(url: str) -> Any:
    """Connect to a server once: `getOrCreate` alone would return the session of another server."""
    from pyspark.sql import SparkSession  # noqa: PLC0415
    from pyspark.sql.connect.client.retries import DefaultPolicy  # noqa: PLC0415
    from pyspark.sql.connect.session import SparkSession as Connected  # noqa: PLC0415

    builder: Any = SparkSession.builder
    builder = builder.appName(_NAME).remote(url)
    # The first one is refused in a process in which Spark runs in a JVM. Each thread has an active
    # session of its own.
    is_first = not _connected.cache_info().currsize and Connected.getActiveSession() is None
    running = builder.getOrCreate() if is_first else builder.create()
    # By default, the client waits for ten minutes for a server that has gone; what it warns of then
    # is in the error.
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    running.client.set_retry_policies([DefaultPolicy(max_retries=4)])
    running.conf.set(_TIME_ZONE, "UTC")
    return running


def _reach(url: str, where: str) -> None:
    """Raise HealthError if no server answers: the client itself would try for minutes."""
    host, _, port = url.removeprefix("sc://").partition("/")[0].partition(":")
    last = ""
    for pause in (*_PAUSES, None):
        try:
            with socket.create_connection((host, int(port or _CONNECT_PORT)), _PATIENCE):
                return
        # Names that no host can have, and ports that are too large, have errors of their own.
        except (OSError, UnicodeError, OverflowError) as error:
            last = getattr(error, "strerror", None) or str(error)
            if pause is not None:
                time.sleep(pause)
    fix = "check the address, and that the Spark Connect server runs"
    raise HealthError(f"cannot connect: {last}", where=where, fix=fix)


_TIME_ZONE = "spark.sql.session.timeZone"
_SETTINGS = {_TIME_ZONE: "UTC", "spark.sql.execution.arrow.pyspark.enabled": "true"}
#: A session on one machine serves nobody else: no page, no name to look up, few partitions.
_LOCAL_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
}


def has_java() -> bool:
    """Return whether there is a Java that Spark would find."""
    home = os.environ.get("JAVA_HOME")
    return bool(home and (Path(home) / "bin" / "java").exists()) or shutil.which("java") is not None


def on_spark(tables: Tables, spark: Any, plain: Mapping[str, PlainFiles] | None = None) -> Tables:
    """Return the same tables on Spark.

    Parameters
    ----------
    tables : Tables
        The tables, opened and checked on another engine.
    spark : pyspark.sql.SparkSession
        Where they go.
    plain : mapping of str to PlainFiles, optional
        Tables that Spark reads from their own files. The others are written once, as they were
        cast, to a temporary folder, which a cluster must share (TMPDIR).
    """
    folder = tempfile.TemporaryDirectory(prefix="customer-health-")
    frames = {}
    for name, frame in tables.frames.items():
        if plain and name in plain:
            frames[name] = nw.from_native(_read_plain(spark, name, plain[name]))
            continue
        file = Path(folder.name) / f"{name}.parquet"
        _write(frame, file)
        frames[name] = nw.from_native(spark.read.parquet(str(file)))
    return Tables(frames, tables.observed_until, (tables.keep_alive, spark, folder))


def _write(frame: nw.LazyFrame[Any], file: Path) -> None:
    """Write a table batch by batch; DuckDB itself may not write any file."""
    reader = frame.to_native().to_arrow_reader(_BATCH)
    with pq.ParquetWriter(file, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _read_plain(spark: Any, table: str, source: PlainFiles) -> Any:
    """Read Parquet files under canonical names and types."""
    from pyspark.sql import functions as f  # noqa: PLC0415

    read = spark.read.option("mergeSchema", "true").parquet(*map(str, source.files))
    columns = []
    for name, original in source.columns.items():
        kind = TABLES[table].column(name).kind
        value = f.col(f"`{original}`").cast(_SPARK_TYPES[kind])
        if kind == "number":
            finite = ~f.isnan(value) & (f.abs(value) != float("inf"))
            value = f.when(finite, value)
        columns.append(value.alias(name))
    return read.select(*columns)
