"""What the files of usage add up to, carried on from run to run file after file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import pyarrow as pa

from features.rollups.cache import RollupCache

#: Roll-ups that are added at a time, so that memory stays small.
_AT_ONCE = 8
#: Takes the sum of the files before (None: of none) and the roll-ups of further files.
Extend = Callable[[pa.Table | None, list[pa.Table]], pa.Table]


def following(before: pa.Table | None, parts: list[pa.Table]) -> list[pa.Table]:
    """Return a sum and what is added to it, in this order."""
    return parts if before is None else [before, *parts]


@dataclass(frozen=True)
class FileDays:
    """A file by the key of its content, and the first and the last day of its rows."""

    key: str
    first: int
    last: int


def follow_one_another(files: Sequence[FileDays]) -> bool:
    """Tell whether each file, in order of their last day, begins when the one before has ended.

    The last day of one may be the first day of the next.
    """
    return all(before.last <= after.first for before, after in pairwise(files))


def share_a_day(files: Sequence[FileDays]) -> bool:
    """Tell whether a day lies in two files, which come in order of their last day."""
    return any(before.last >= after.first for before, after in pairwise(files))


@dataclass(frozen=True)
class SoFar:
    """Sums over the files of a table, each kept under what stands for all files before it.

    A file that was added to, or one among the earlier ones, leaves the sums of those before it
    as they are, and those after it are made again from the roll-ups of the files.

    Attributes
    ----------
    cache : RollupCache
        Where sums are kept.
    source : str
        What the table's source is called.
    files : sequence of FileDays
        All files, in order of their last day.
    """

    cache: RollupCache
    source: str
    files: Sequence[FileDays]

    @property
    def chain(self) -> list[str]:
        """A key for each file that stands for it and for all files before it."""
        return list(accumulate((file.key for file in self.files), _linked))

    def total(
        self, name: str, rolled: Callable[[list[str]], list[pa.Table]], extend: Extend, past: int
    ) -> pa.Table | None:
        """Return the sum over the first `past` files; None for none.

        The very last file is left out of what is kept: it may be the one that grows.

        Parameters
        ----------
        name : str
            What the sum is called where it is kept.
        rolled : callable
            Returns the roll-ups of the files with these keys.
        extend : callable
            Adds them to a sum.
        past : int
            How many files.
        """
        links, kept = self.chain, min(past, len(self.files) - 1)
        done, total = self.longest(name, past)
        while done < past:
            until = min(done + _AT_ONCE, kept if done < kept else past)
            total = extend(total, rolled([file.key for file in self.files[done:until]]))
            if until == kept:
                self._keep(name, links[:until], total)
            done = until
        return total

    def longest(self, name: str, past: int) -> tuple[int, pa.Table | None]:
        """Return how many of the first `past` files the longest kept sum is of, and that sum."""
        links = self.chain
        for number in range(min(past, len(links) - 1), 0, -1):
            total = self.cache.tables(_sum_key(name, links[number - 1]), name)
            if total is not None:
                return number, total
        return 0, None

    def _keep(self, name: str, links: list[str], total: pa.Table) -> None:
        self.cache.write(
            _sum_key(name, links[-1]), {name: total}, {"source": self.source, "of": links[-1]}
        )
        for link in links[:-1]:
            self.cache.remove(_sum_key(name, link))


def _linked(before: str, key: str) -> str:
    return hashlib.sha256(f"{before} {key}".encode()).hexdigest()[:32]


def _sum_key(name: str, link: str) -> str:
    return hashlib.sha256(f"{name} {link}".encode()).hexdigest()[:32]
