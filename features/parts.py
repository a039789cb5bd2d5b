"""The feature table of a large company, built for one part of its accounts after another.

Three passes, each over every part: what the other parts need to know of it before features can
be built (usual lags, comments that readings learn from); the features; and the columns that compare
an account with all others. A part is read from its own files, in a process of its own, so that
memory is that of the parts that are built at one time.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.build import FeaturePart, Shares, Statistics, build_part, pooled
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.rollups.parted import divide, open_part
from features.tables.opened import Tables, Whole
from features.voice.learning import in_order, learned_comments
from features.voice.readings import learned_from
from features.windows.contracts import load_contracts, usual_lag
from features.windows.executors import run_tasks
from features.windows.table_columns import Times, moment

_BUILT = "features.pickle"


@dataclass(frozen=True)
class Known:
    """What the other parts need to know of the accounts of one.

    Attributes
    ----------
    gaps : mapping of int to array of int
        The gaps between contracts by date, in microseconds.
    comments : pd.DataFrame or None
        The comments that readings may learn from.
    """

    gaps: Mapping[int, Times]
    comments: pd.DataFrame | None

    @classmethod
    def of(cls, tables: Tables, dates: Sequence[datetime], settings: FeatureSettings) -> Known:
        """Read it from the tables of some accounts."""
        days, gaps = _days(dates), dict[int, Times]()
        if tables.has("subscriptions"):
            contracts = load_contracts(tables, grace_days=settings.grace_days)
            gaps = {moment(day): contracts.gaps(moment(day)) for day in days}
        return cls(gaps, learned_comments(tables, days, settings))


def whole_of(parts: Sequence[Known], dates: Sequence[datetime]) -> Whole:
    """Return what features need to know of all accounts."""
    gaps = {day: np.concatenate([part.gaps[day] for part in parts]) for day in parts[0].gaps}
    lags = {day: usual_lag(found) for day, found in gaps.items()}
    comments = [part.comments for part in parts if part.comments is not None]
    learned = learned_from(in_order(comments), _days(dates)) if comments else None
    return Whole(lags, learned)


@dataclass(frozen=True)
class Parts:
    """The parts of a company's accounts, each in a folder of its own.

    Attributes
    ----------
    folders : list of Path
        One per part.
    observed_until : datetime
        The end of the data.
    dates : list of datetime
        The dates of the features.
    settings : FeatureSettings
        As for `build_features`.
    processes : int
        How many parts are worked on at the same time.
    session : pyspark.sql.SparkSession, optional
        Its executors work on them, instead of processes of this machine.
    """

    folders: list[Path]
    observed_until: datetime
    dates: list[datetime]
    settings: FeatureSettings
    processes: int
    session: Any = None

    @classmethod
    def divided(
        cls,
        tables: Tables,
        dates: Sequence[datetime],
        settings: FeatureSettings = DEFAULT_SETTINGS,
        *,
        folder: Path,
        parts: int,
        processes: int,
        session: Any = None,
    ) -> Parts:
        """Divide the accounts, and build the features of each part but those of the fleet.

        Parameters
        ----------
        tables : Tables
            The tables of the company, on DuckDB or, with a session, on Spark.
        dates, settings
            As for `build_features`.
        folder : Path
            An empty folder, on a disk with room for the tables; executors must reach it.
        parts : int
            How many.
        processes : int
            How many parts are worked on at the same time.
        session : pyspark.sql.SparkSession, optional
            As of `Parts`.

        Raises
        ------
        HealthError
            The process of a part died twice.
        OSError
            The folder cannot be written to.
        """
        steps = [settings.first_value.events, *(step.event for step in settings.milestones)]
        divide(tables, folder, parts, dates=dates, all_events=any(steps))
        folders = [folder / str(number) for number in range(parts)]
        return cls(folders, tables.observed_until, list(dates), settings, processes, session)

    def built(self) -> Iterator[pd.DataFrame]:
        """Yield the feature table of each part, as `build_features` returns it.

        The rows of a date are in the order of the accounts, from part to part.
        """
        # It takes less time than starting processes.
        known = self._each(_known) if self.session is not None else starmap(_known, self._tasks())
        whole = whole_of(list(known), self.dates)
        statistics = pooled(list(self._each(_built, whole)))
        yield from (_finished(folder, statistics, self.settings) for folder in self.folders)

    def _tasks(self, *more: Any) -> Iterator[tuple[Any, ...]]:
        for folder in self.folders:
            yield (folder, self.observed_until, self.dates, self.settings, *more)

    def _each(self, task: Any, *more: Any) -> Iterator[Any]:
        count = len(self.folders)

        def name(number: int) -> str:
            return f"part {number + 1} of {count} of the accounts"

        tasks = self._tasks(*more)
        return run_tasks(
            task,
            tasks,
            processes=self.processes,
            name=name,
            folder=self.folders[0],
            session=self.session,
        )


def _known(
    folder: Path, until: datetime, dates: Sequence[datetime], settings: FeatureSettings
) -> Known:
    return Known.of(open_part(folder, until, whole=Whole({})), dates, settings)


def _built(
    folder: Path,
    until: datetime,
    dates: Sequence[datetime],
    settings: FeatureSettings,
    whole: Whole,
) -> Shares:
    part = build_part(open_part(folder, until, whole=whole), dates, settings)
    (folder / _BUILT).write_bytes(pickle.dumps(part, protocol=pickle.HIGHEST_PROTOCOL))
    return part.shares()


def _finished(folder: Path, statistics: Statistics, settings: FeatureSettings) -> pd.DataFrame:
    part: FeaturePart = pickle.loads((folder / _BUILT).read_bytes())
    return part.finished(statistics, settings)


def _days(dates: Sequence[datetime]) -> list[pd.Timestamp]:
    return [pd.Timestamp(day).normalize().as_unit("us") for day in dates]
