"""The input tables on Spark, for where one machine is too small."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow.parquet as pq

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.relations import PlainFiles
from features.tables.schema import TABLES, Kind

_LOCAL = "spark+local"
#: Rows that are written at once.
_BATCH = 100_000
_CLUSTER = re.compile(r"spark://[\w.-]+:\d+(,[\w.-]+:\d+)*")
_SPARK_TYPES: dict[Kind, str] = {
    "text": "string",
    "time": "timestamp_ntz",
    "number": "double",
    "flag": "boolean",
}


def is_spark(url: str) -> bool:
    """Return whether `data.url` names Spark: ``spark+local`` or ``spark://host:port``."""
    return url.startswith(("spark://", "spark+"))


def session(url: str) -> Any:
    """Start (or join) a Spark session.

    Parameters
    ----------
    url : str
        ``spark+local`` (this machine's cores) or ``spark://host:port``.

    Raises
    ------
    HealthError
        The URL is neither, pyspark or Java is missing, or the cluster cannot be reached.
    """
    if not (url == _LOCAL or _CLUSTER.fullmatch(url)):
        fix = f"use spark://host:port, {_LOCAL}, or duckdb:///file.duckdb"
        raise HealthError(f"cannot connect to {url!r}", where="data.url", fix=fix)
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ImportError:
        fix = "pip install 'customer-health[spark]' (or uv sync --extra spark)"
        raise HealthError("pyspark is not installed", where=f"data.url {url}", fix=fix) from None
    if not has_java():
        fix = "install Java 17 or newer, or set JAVA_HOME"
        raise HealthError("Spark needs Java", where=f"data.url {url}", fix=fix)
    local = url == _LOCAL
    builder = SparkSession.builder.master("local[*]" if local else url).appName("customer health")
    builder = builder.config("spark.sql.session.timeZone", "UTC")
    builder = builder.config("spark.sql.execution.arrow.pyspark.enabled", "true")
    if local:
        for key, value in _LOCAL_SETTINGS.items():
            builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except Exception as error:
        raise HealthError(
            f"Spark does not start: {str(error).splitlines()[0][:200]}",
            where=f"data.url {url}",
            fix="check the address and that the cluster runs",
        ) from None


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
