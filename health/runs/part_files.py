"""Tables written part by part, because those of a large company do not fit in memory."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

#: Rows per row group: reading one account reads only the groups that may contain it.
ROWS_OF_A_GROUP = 100_000
#: Rows per row group of tables with many columns, and of one that is read for a single account.
_SMALL_GROUPS = {"features": 10_000, "events": 10_000}
#: Column by which the rows of an account are found.
_ACCOUNT = "account_id"


def encoded(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as Arrow columns; texts and categorical columns are dictionary-encoded.

    The index is dropped. In the file, and for readers, texts are plain strings.
    """
    return pa.table({str(name): _encoded(frame[name]) for name in frame.columns})


def _encoded(values: pd.Series[Any]) -> pa.Array:
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, distinct = values.cat.codes.to_numpy(), values.cat.categories
    elif values.dtype == object:
        codes, distinct = pd.factorize(values)
    else:
        return pa.array(values.to_numpy(), from_pandas=True)
    texts = pa.array(distinct, type=pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), texts)


def _is_number(kind: pa.DataType) -> bool:
    found = (pa.types.is_floating, pa.types.is_integer, pa.types.is_temporal)
    return any(is_one(kind) for is_one in found)


def decoded(table: pa.Table) -> pd.DataFrame:
    """Reverse `encoded`; the index is a range."""
    columns = {name: _decoded(table.column(name)) for name in table.column_names}
    return pd.DataFrame(columns, copy=False)


def _decoded(column: pa.ChunkedArray) -> Any:
    if not pa.types.is_dictionary(column.type):
        return column.to_pandas()
    whole = column.combine_chunks()
    texts = np.array([*whole.dictionary.to_pylist(), None], dtype=object)
    return texts[whole.indices.fill_null(len(texts) - 1).to_numpy()]


class PartFiles:
    """Parquet files to which parts of the accounts are appended one after the other.

    One part is written while the next is computed. Errors are raised by the next call.

    Parameters
    ----------
    folder : Path
        Folder of the files; a file exists once a part was added.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}
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
            for writer in self._writers.values():
                writer.close()

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Write rows of each table; OSError if the disk is full."""
        self._wait()
        self._last = self._pool.submit(self._write, tables)

    def _write(self, tables: Mapping[str, pa.Table]) -> None:
        for name, rows in tables.items():
            if name not in self._writers:
                path = self._folder / f"{name}.parquet"
                texts = [f.name for f in rows.schema if not _is_number(f.type)]
                # Numbers are hardly ever alike: they are written as they are. Accounts are looked
                # up by their statistics.
                self._writers[name] = pq.ParquetWriter(
                    path,
                    rows.schema,
                    store_schema=False,
                    use_dictionary=texts or False,
                    write_statistics=[c for c in rows.column_names if c == _ACCOUNT] or False,
                )
            size = _SMALL_GROUPS.get(name, ROWS_OF_A_GROUP)
            self._writers[name].write_table(rows, row_group_size=size)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None
