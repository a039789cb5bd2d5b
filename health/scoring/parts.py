"""The account pass over all accounts in parts, in several processes if there are many."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.windows.executors import run_tasks
from health.business.feature_table import FeatureTable
from health.expansion.gaps import unpriced
from health.expansion.inputs import OfferInputs
from health.runs.part_files import encoded
from health.runs.spill import spill_faults
from health.scorecard.change import sum_causes
from health.scoring.account_pass import AccountPart, Fleet, score_part
from health.scoring.health_part import Percentiles
from health.scoring.method import ScoringMethod
from health.scoring.part import ScoredPart
from health.settings.config import Config
from health.training.custom_estimators import load_custom_modules

#: Accounts per part: many for speed, few enough for memory.
AT_ONCE = 25_000
#: Minimum number of parts for which more processes are started: each takes seconds to start.
_FEWEST_PARTS = 8
#: The tables that are written part by part.
TABLES = ("reasons", "whitespace", "changes")
#: What stands where no part has a value, by the kind of column; whole numbers are never missing.
_MISSING = {"f": np.nan, "M": np.datetime64("NaT"), "O": None}


@dataclass(frozen=True)
class KeptPart:
    """What is kept in memory of a scored part.

    Attributes
    ----------
    scores, sums, offered : pd.DataFrame
        As of `ScoredPart`.
    unpriced : pd.Series of int
        Open offers without a price, by product.
    causes : pd.DataFrame
        What changed the scores, as from `sum_causes`.
    tables : dict of str to pa.Table
        `TABLES` of `ScoredPart`, to be written.
    """

    scores: pd.DataFrame
    sums: pd.DataFrame
    offered: pd.DataFrame
    unpriced: pd.Series[int]
    causes: pd.DataFrame
    tables: dict[str, pa.Table]

    @classmethod
    def of(cls, part: ScoredPart) -> KeptPart:
        """Return what a run needs from a part."""
        return cls(
            part.scores,
            part.sums,
            part.offered,
            unpriced(part.whitespace),
            sum_causes(part.changes, part.scores.set_index("account_id")["csm"]),
            {name: encoded(getattr(part, name)) for name in TABLES},
        )

    def without_rows(self) -> KeptPart:
        """Return it without the scores, and without the tables that are too large for memory."""
        nothing = {name: getattr(self, name).head(0).copy() for name in ("scores", "sums")}
        return replace(self, tables={}, **nothing)

    def stored(self, folder: Path) -> KeptPart:
        """Write the tables to a folder, and return it without them; HealthError if it is full."""
        with spill_faults(folder.parent):
            # A process that died may have left some.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            for name, table in self.tables.items():
                with (
                    pa.OSFile(str(folder / name), "wb") as sink,
                    pa.ipc.new_file(sink, table.schema) as writer,
                ):
                    writer.write_table(table)
        return replace(self, tables={})

    def loaded(self, folder: Path) -> KeptPart:
        """Return it with the tables that `stored` wrote, mapped into memory; the files go."""
        maps = {name: pa.memory_map(str(folder / name)) for name in TABLES}
        tables = {name: pa.ipc.open_file(source).read_all() for name, source in maps.items()}
        shutil.rmtree(folder)
        return replace(self, tables=tables)


class Rows:
    """A table of all accounts that is filled part by part, so that it is in memory only once.

    Parameters
    ----------
    known : pd.DataFrame
        One row per account, whose columns are not taken from the parts.
    """

    def __init__(self, known: pd.DataFrame) -> None:
        self._known = known
        self._columns: dict[str, npt.NDArray[Any]] = {}

    def put(self, places: npt.NDArray[np.intp], rows: pd.DataFrame) -> None:
        """Add the rows of the accounts at some places; a column that others lack is missing."""
        for name in rows.columns:
            if name in self._known:
                self._columns[name] = self._known[name].to_numpy()
                continue
            values = rows[name].to_numpy()
            every = self._columns.get(name)
            if every is None:
                kind = values.dtype.kind
                every = np.full(len(self._known), _MISSING.get(kind, 0), dtype=values.dtype)
            elif every.dtype != values.dtype:
                every = every.astype(np.result_type(every, values))
            every[places] = values
            self._columns[name] = every

    @property
    def frame(self) -> pd.DataFrame:
        """The table, in the order of the accounts."""
        return pd.DataFrame(self._columns, index=self._known.index, copy=False)


@dataclass(frozen=True)
class Accounts:
    """All accounts of a date, in the order of the features, and what the pass takes of them.

    Attributes
    ----------
    features : FeatureTable
        One row per account.
    terms, past, offers, history, percentiles
        As of `AccountPart`.
    """

    features: FeatureTable
    terms: pd.DataFrame
    past: pd.Series[float]
    offers: OfferInputs
    history: pd.DataFrame
    percentiles: Percentiles

    def part(self, places: npt.NDArray[np.intp]) -> AccountPart:
        """Return the accounts at some places, numbered from 0."""
        features = self.features.rows(places)
        index, accounts = features.index, features["account_id"]
        known = self.history.index.get_indexer(pd.Index(accounts))
        among = self.percentiles
        return AccountPart(
            features,
            self.terms.iloc[places].set_axis(index, axis=0),
            self.past.iloc[places],
            self.offers.part(places, accounts),
            self.history.iloc[known[known >= 0]],
            Percentiles(
                {key: own.iloc[places] for key, own in among.now.items()},
                None if among.before is None else among.before.reindex(accounts),
            ),
        )


def even_parts(count: int, at_once: int) -> list[npt.NDArray[np.intp]]:
    """Return the places of so many accounts in parts of `at_once`, in their order."""
    return [np.arange(begin, min(begin + at_once, count)) for begin in range(0, count, at_once)]


def score_parts(
    method: ScoringMethod,
    parts: Iterable[AccountPart],
    fleet: Fleet,
    models: Mapping[str, Any],
    config: Config,
    *,
    count: int,
    processes: int = 1,
    spill: Path | None = None,
    session: Any = None,
) -> Iterator[KeptPart]:
    """Score parts of the accounts, as `score_part` does, in their order.

    Parameters
    ----------
    method, fleet, models, config
        As for `score_part`.
    parts : iterable of AccountPart
        Taken as they are needed.
    count : int
        How many they are.
    processes : int
        Number of parts scored at the same time; a few parts are scored in this process.
    spill : Path, optional
        An empty folder in which processes leave their tables; without it, everything is scored in
        this process.
    session : pyspark.sql.SparkSession, optional
        Its executors score the parts, instead of processes of this machine. They must reach
        `spill` and the folder of the previous run.

    Raises
    ------
    HealthError
        The process of a part died twice, or the disk of `spill` is full.
    """
    # Executors run already.
    here = session is None and (processes == 1 or count < _FEWEST_PARTS)
    if spill is None or here or count == 1:
        yield from (KeptPart.of(score_part(method, p, fleet, models, config)) for p in parts)
        return
    # Custom estimators can be unpickled only where their modules were loaded.
    packed = pickle.dumps(models)
    folders = [spill / f"part-{number}" for number in range(count)]
    tasks = (
        (method, part, fleet, packed, config, folder)
        for part, folder in zip(parts, folders, strict=True)
    )
    scored = run_tasks(
        _score_in_process,
        tasks,
        processes=processes,
        name=lambda number: f"part {number + 1} of {count} of the accounts",
        folder=spill,
        session=session,
    )
    yield from (part.loaded(folder) for part, folder in zip(scored, folders, strict=True))


def _score_in_process(
    method: ScoringMethod,
    part: AccountPart,
    fleet: Fleet,
    packed: bytes,
    config: Config,
    folder: Path,
) -> KeptPart:
    load_custom_modules(config)
    scored = score_part(method, part, fleet, pickle.loads(packed), config)
    return KeptPart.of(scored).stored(folder)
