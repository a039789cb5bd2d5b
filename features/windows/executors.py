"""Tasks in the executors of a Spark cluster, as `processes` runs them on one machine."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from features.windows.processes import in_processes

Result = TypeVar("Result")
_ROWS = "number long, content binary"


def run_tasks(
    task: Callable[..., Result],
    arguments: Iterable[tuple[Any, ...]],
    *,
    processes: int,
    name: Callable[[int], str],
    session: Any = None,
) -> Iterator[Result]:
    """Run tasks in the executors of a session of Spark, or in processes of this machine.

    Parameters
    ----------
    task, arguments, processes, name
        As for `in_processes`.
    session : pyspark.sql.SparkSession, optional
        As for `in_executors`.
    """
    if session is not None:
        return in_executors(session, task, arguments, at_once=processes)
    return in_processes(task, arguments, processes=processes, name=name)


def in_executors(
    session: Any,
    task: Callable[..., Result],
    arguments: Iterable[tuple[Any, ...]],
    *,
    at_once: int,
) -> Iterator[Result]:
    """Run a task for each tuple of arguments; yield the results in their order.

    Spark runs a task whose executor is lost again. Executors must have this package installed.

    Parameters
    ----------
    session : pyspark.sql.SparkSession
        Of Spark or Spark Connect.
    task : callable
        A function of a module.
    arguments : iterable of tuple
        Taken as they are needed.
    at_once : int
        How many tasks are sent to the cluster together, if it does not have more cores: as many
        are in memory here.

    Raises
    ------
    Exception
        What a task raised.
    """
    remaining, at_once = iter(arguments), max(at_once, _cores(session))
    while sent := list(islice(remaining, at_once)):
        rows = pd.DataFrame(
            {"number": range(len(sent)), "content": [pickle.dumps((task, own)) for own in sent]}
        )
        tasks = session.createDataFrame(rows, _ROWS).repartitionByRange(len(sent), "number")
        done = tasks.mapInArrow(_run_batches, _ROWS).toPandas().sort_values("number")
        for content in done["content"]:
            result, error = pickle.loads(content)
            if error is not None:
                raise error
            yield result


def _cores(session: Any) -> int:
    """Return the cores of the cluster's executors; 1 where a server of Spark Connect hides them."""
    try:
        return int(session.sparkContext.defaultParallelism)
    except Exception:
        return 1


def _run_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number, content in zip(batch["number"], batch["content"], strict=True):
            # One result at a time: they may be large.
            made = [_run(content.as_py())]
            yield pa.RecordBatch.from_pydict({"number": [number.as_py()], "content": made})


def _run(content: bytes) -> bytes:
    task, given = pickle.loads(content)
    try:
        return pickle.dumps((task(*given), None))
    except Exception as error:
        return pickle.dumps((None, error))
