"""Rows divided by Spark into files of parts of the accounts: none passes through the driver."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

#: The column with the number of a row's part, which no table has.
_PART = "number of the part"
_RESULT = "fault string"


def divide_on_spark(rows: Any, files: Sequence[Path], firsts: Sequence[str]) -> None:
    """Write rows to the files of their accounts' parts, each in an executor.

    Parameters
    ----------
    rows : pyspark.sql.DataFrame
        Has account_id.
    files : sequence of Path
        One per part, in a folder that driver and executors share.
    firsts : sequence of str
        The first account of each part but the first.

    Raises
    ------
    OSError
        An executor cannot write a file.
    """
    from pyspark.sql import functions as f  # noqa: PLC0415

    # Parts without rows have a file, too.
    nothing = rows.limit(0).toArrow()
    for file in files:
        pq.write_table(nothing, file)
    part = f.lit(0)
    for first in firsts:
        part = part + (f.col("account_id") >= f.lit(first)).cast("int")
    names = [str(file) for file in files]

    # Spark reads the types to know what it is given.
    def write(own: pa.Table) -> pa.Table:
        return _written(names, own)

    groups = rows.where(f.col("account_id").isNotNull()).withColumn(_PART, part).groupBy(_PART)
    faults = groups.applyInArrow(write, _RESULT).toArrow()["fault"].drop_null()
    if len(faults):
        raise OSError(faults[0].as_py())


def _written(files: Sequence[str], rows: pa.Table) -> pa.Table:
    """Write the rows of one part as a whole file, since Spark may run a task twice."""
    file, fault = Path(files[rows[_PART][0].as_py()]), None
    unfinished = file.with_suffix(f".{os.getpid()}")
    try:
        pq.write_table(rows.drop_columns(_PART), unfinished)
        unfinished.replace(file)
    except OSError as error:
        fault = error.strerror or str(error)
    return pa.table({"fault": pa.array([fault], pa.string())})
