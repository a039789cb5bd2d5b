"""Tasks in the executors of a Spark cluster, as `processes` runs them on one machine."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from features.windows.processes import in_processes

Result = TypeVar("Result")
_TASKS, _RESULTS = "number long, content string", "number long, content binary"


def run_tasks(
    task: Callable[..., Result],
    arguments: Iterable[tuple[Any, ...]],
    *,
    processes: int,
    name: Callable[[int], str],
    folder: Path,
    session: Any = None,
) -> Iterator[Result]:
    """Run tasks in the executors of a session of Spark, or in processes of this machine.

    Parameters
    ----------
    task, arguments, processes, name
        As for `in_processes`.
    folder : Path
        As for `in_executors`, which alone uses it.
    session : pyspark.sql.SparkSession, optional
        As for `in_executors`.
    """
    if session is not None:
        return in_executors(session, task, arguments, at_once=processes, folder=folder)
    return in_processes(task, arguments, processes=processes, name=name)


def in_executors(
    session: Any,
    task: Callable[..., Result],
    arguments: Iterable[tuple[Any, ...]],
    *,
    at_once: int,
    folder: Path,
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
        results are in memory here.
    folder : Path
        A folder that executors reach, on a disk with room for the arguments of these tasks. Sent
        through Spark, they would fill the memory of its driver, which keeps what it has sent.

    Raises
    ------
    Exception
        What a task raised.
    OSError
        The folder cannot be written to, or not be read by an executor.
    """
    remaining, at_once = enumerate(arguments), max(at_once, _cores(session))
    while sent := list(islice(remaining, at_once)):
        files = [folder / f"task-{number}.pickle" for number, _ in sent]
        for file, (_, own) in zip(files, sent, strict=True):
            file.write_bytes(pickle.dumps((task, own)))
        rows = pd.DataFrame({"number": range(len(files)), "content": [str(f) for f in files]})
        tasks = session.createDataFrame(rows, _TASKS).repartitionByRange(len(files), "number")
        done = tasks.mapInArrow(_run_batches, _RESULTS).toPandas().sort_values("number")
        for file in files:
            file.unlink()
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


def _run(file: str) -> bytes:
    try:
        task, given = pickle.loads(Path(file).read_bytes())
        return pickle.dumps((task(*given), None))
    except Exception as error:
        return pickle.dumps((None, error))
