"""reasons.parquet, written part by part: all reasons of a large company at once are too many."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_NUMBERS = ("value", "contribution", "missing", "points", "weight")
_TEXTS = ("account_id", "output", "term", "text", "policy")
SCHEMA = pa.schema(
    [
        (name, pa.float64() if name in _NUMBERS else pa.string())
        for name in (
            "account_id", "output", "term", "value", "contribution",
            "missing", "text", "points", "weight", "policy",
        )
    ]
)  # fmt: skip


class ReasonFile:
    """A file that takes the reasons of one part of the accounts after the other.

    One part is written while the next is made. What goes wrong is raised by the next call.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA)
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            self._pool.shutdown()
            self._writer.close()

    def add(self, reasons: pd.DataFrame) -> None:
        """Write the reasons of some accounts; OSError where the disk takes no more."""
        self._wait()
        self._last = self._pool.submit(self._write, reasons)

    def _write(self, reasons: pd.DataFrame) -> None:
        self._writer.write_table(pa.Table.from_pandas(reasons, SCHEMA, preserve_index=False))

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None
