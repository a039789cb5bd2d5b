"""The feature table of one date: in memory, or in files of which only a part is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import HealthError

#: Accounts of a row group: reading a few accounts reads only the groups that contain them.
ROWS_OF_A_GROUP = 10_000


@dataclass(frozen=True)
class FeatureTable:
    """The features of every account of one date.

    Attributes
    ----------
    frame : pd.DataFrame, optional
        The table, if it is in memory.
    files : tuple of Path
        Otherwise the Parquet files whose rows, one after the other, are the table.
    added : pd.DataFrame
        Further columns, in memory, that take precedence; the index is a range.
    """

    frame: pd.DataFrame | None = None
    files: tuple[Path, ...] = ()
    added: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __len__(self) -> int:
        if self.frame is not None:
            return len(self.frame)
        return sum(meta.num_rows for meta in self._metadata)

    @cached_property
    def _metadata(self) -> list[pq.FileMetaData]:
        found = []
        for file in self.files:
            with _faults_reported(file):
                found.append(pq.read_metadata(file))
        return found

    @cached_property
    def names(self) -> list[str]:
        """The columns."""
        return [*self._stored, *(str(n) for n in self.added if n not in self._stored)]

    @cached_property
    def _stored(self) -> list[str]:
        if self.frame is not None:
            return list(self.frame.columns)
        return list(self._metadata[0].schema.to_arrow_schema().names)

    @property
    def schema(self) -> pa.Schema:
        """The types of the columns in a file."""
        if self.frame is not None:
            stored = pa.Schema.from_pandas(self.frame, preserve_index=False)
        else:
            stored = self._metadata[0].schema.to_arrow_schema()
        added = {name: pa.field(name, pa.float64()) for name in self.added}
        own = [added.pop(name, stored.field(name)) for name in stored.names]
        return pa.schema([*own, *added.values()])

    def with_columns(self, added: pd.DataFrame) -> FeatureTable:
        """Return the table with further columns of numbers, in its order."""
        return replace(self, added=added.set_axis(pd.RangeIndex(len(added)), axis=0))

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """Return those of some columns that it has, of every account; the index is a range."""
        wanted = list(dict.fromkeys(name for name in names if name in self.names))
        stored = [name for name in wanted if name not in self.added]
        if self.frame is not None:
            found = self.frame[stored].reset_index(drop=True)
        else:
            pieces = []
            for file, meta in zip(self.files, self._metadata, strict=True):
                with _faults_reported(file), pq.ParquetFile(file, metadata=meta) as opened:
                    pieces.append(opened.read(columns=stored))
            found = pa.concat_tables(pieces).replace_schema_metadata().to_pandas()
        if not stored:
            found = pd.DataFrame(index=pd.RangeIndex(len(self)))
        own = {name: found[name] if name in found else self.added[name] for name in wanted}
        return pd.DataFrame(own, index=found.index, copy=False)

    def rows(
        self, places: npt.NDArray[np.intp], names: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the accounts at some places, in their order; a range as index.

        Parameters
        ----------
        places : array of int
            Rows of the table, numbered from 0.
        names : sequence of str, optional
            Columns of the table; by default all.
        """
        wanted = self.names if names is None else list(names)
        stored = [name for name in wanted if name not in self.added]
        if self.frame is not None:
            found = (self.frame if names is None else self.frame[stored]).iloc[places]
        else:
            in_order = bool((np.diff(places) >= 0).all())
            order = np.argsort(places, kind="stable")
            found = self._read(places if in_order else places[order], stored)
            if not in_order:
                found = found.iloc[np.argsort(order)]
        # The frame is not shared: its index can be changed without copying its columns.
        found.index = pd.RangeIndex(len(places))
        own = {
            name: self.added[name].to_numpy()[places] if name in self.added else found[name]
            for name in wanted
        }
        return pd.DataFrame(own, index=found.index, copy=False)

    def _read(self, places: npt.NDArray[np.intp], names: Sequence[str]) -> pd.DataFrame:
        """Read the rows at sorted places, from the groups that contain any."""
        pieces, start = [], 0
        for file, meta in zip(self.files, self._metadata, strict=True):
            counts = [meta.row_group(group).num_rows for group in range(meta.num_row_groups)]
            ends = list(accumulate(counts, initial=start))
            bounds = np.searchsorted(places, ends).tolist()
            with _faults_reported(file), pq.ParquetFile(file, metadata=meta) as opened:
                for group, (first, past) in enumerate(pairwise(bounds)):
                    if past > first:
                        own = opened.read_row_group(group, columns=names)
                        at = places[first:past] - ends[group]
                        every = np.array_equal(at, np.arange(counts[group]))
                        pieces.append(own if every else own.take(pa.array(at)))
            start = ends[-1]
        schema = self._metadata[0].schema.to_arrow_schema()
        nothing = pa.schema([schema.field(name) for name in names]).empty_table()
        rows = pa.concat_tables(pieces or [nothing]).replace_schema_metadata()
        found: pd.DataFrame = rows.to_pandas(split_blocks=True)
        return found


def write_rows(features: pd.DataFrame, file: Path) -> bool:
    """Write some accounts to a file of a `FeatureTable`; False if there are none."""
    if features.empty:
        return False
    schema = pa.Schema.from_pandas(features, preserve_index=False)
    # A part whose accounts have no text has the type of the others.
    texts = [f.with_type(pa.string()) if f.type == pa.null() else f for f in schema]
    rows = pa.Table.from_pandas(features, schema=pa.schema(texts), preserve_index=False)
    pq.write_table(rows, file, row_group_size=ROWS_OF_A_GROUP)
    return True


def in_small_groups(file: Path, folder: Path) -> Path:
    """Return a Parquet file in which a few accounts can be read without most of the others.

    Parameters
    ----------
    file : Path
        The file; returned as it is if its row groups are small.
    folder : Path
        Where a copy is written otherwise.
    """
    with _faults_reported(file):
        source = pq.ParquetFile(file)
    meta = source.metadata
    groups = range(meta.num_row_groups)
    if all(meta.row_group(group).num_rows <= 4 * ROWS_OF_A_GROUP for group in groups):
        return file
    copy = folder / "features-in-small-groups.parquet"
    with pq.ParquetWriter(copy, source.schema_arrow) as writer:
        for batch in _batches(source, file):
            writer.write_batch(batch)
    return copy


def _batches(source: pq.ParquetFile, file: Path) -> Iterator[pa.RecordBatch]:
    with _faults_reported(file):
        yield from source.iter_batches(ROWS_OF_A_GROUP)


@contextmanager
def _faults_reported(file: Path) -> Iterator[None]:
    """Turn what makes a file unreadable into a HealthError that names it."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise HealthError(
            f"not a readable feature table: {(str(error).splitlines() or ['it is damaged'])[0]}",
            where=str(file),
            fix="give a .parquet file that `health features` wrote",
        ) from None
