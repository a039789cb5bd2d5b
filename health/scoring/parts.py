"""Scoring of all accounts in parts, in several processes if there are many."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.windows.processes import in_processes
from health.expansion.gaps import unpriced
from health.runs.part_files import encoded
from health.scoring.method import ScoringMethod
from health.scoring.part import PartInputs, ScoredPart
from health.settings.config import Config
from health.training.custom_estimators import load_custom_modules

#: Accounts per part: many for speed, few enough for memory.
AT_ONCE = 25_000
#: Minimum number of parts for which more processes are started.
_FEWEST_PARTS = 4


@dataclass(frozen=True)
class KeptPart:
    """What is kept in memory of a scored part.

    Attributes
    ----------
    scores, sums, offered : pd.DataFrame
        As of `ScoredPart`.
    unpriced : pd.Series of int
        Open offers without a price, by product.
    reasons, whitespace : pa.Table
        As of `ScoredPart`, to be written.
    """

    scores: pd.DataFrame
    sums: pd.DataFrame
    offered: pd.DataFrame
    unpriced: pd.Series[int]
    reasons: pa.Table
    whitespace: pa.Table

    @classmethod
    def of(cls, part: ScoredPart) -> KeptPart:
        """Return what a run needs from a part."""
        return cls(
            part.scores,
            part.sums,
            part.offered,
            unpriced(part.whitespace),
            encoded(part.reasons),
            encoded(part.whitespace),
        )

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Return the tables to write, by file name."""
        return {"reasons": self.reasons, "whitespace": self.whitespace}

    def without_tables(self) -> KeptPart:
        """Return it without the tables that have been written."""
        # A slice of no rows would keep all rows in memory.
        nothing = self.reasons.schema.empty_table(), self.whitespace.schema.empty_table()
        return KeptPart(self.scores, self.sums, self.offered, self.unpriced, *nothing)


def score_parts(
    method: ScoringMethod,
    inputs: PartInputs,
    models: Mapping[str, Any],
    config: Config,
    *,
    at_once: int = AT_ONCE,
    processes: int = 1,
) -> Iterator[KeptPart]:
    """Score accounts part by part, in their order; the result depends on `at_once` alone.

    Parameters
    ----------
    method : ScoringMethod
        Of the company's business.
    inputs : PartInputs
        Of all accounts.
    models : mapping of str to object
        The artefacts of a version.
    config : Config
        The configuration.
    at_once : int
        Accounts of a part.
    processes : int
        Number of parts scored at the same time; a few parts are scored in this process.
    """
    count = len(inputs.features)
    parts = [np.arange(b, min(b + at_once, count)) for b in range(0, count, at_once)]
    if processes == 1 or len(parts) < _FEWEST_PARTS:
        yield from (KeptPart.of(method.score_part(inputs.part(p), models, config)) for p in parts)
        return
    # Custom estimators can be unpickled only where their modules were loaded.
    packed = pickle.dumps(models)
    yield from in_processes(
        _score_in_process,
        ((method, inputs.part(part), packed, config) for part in parts),
        processes=processes,
        name=lambda number: f"part {number + 1} of {len(parts)} of the accounts",
    )


def _score_in_process(
    method: ScoringMethod, inputs: PartInputs, packed: bytes, config: Config
) -> KeptPart:
    load_custom_modules(config)
    return KeptPart.of(method.score_part(inputs, pickle.loads(packed), config))
