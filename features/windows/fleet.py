"""Columns that compare an account with all others, for accounts that are processed in parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from features.windows.day_rows import Numbers

Share = TypeVar("Share")
Statistic = TypeVar("Statistic")


class FleetColumns(ABC, Generic[Share, Statistic]):
    """Columns of some accounts on one date that need a statistic over all accounts.

    Every part of the accounts gives its share of the statistic, which is small. Once the shares
    of all parts are pooled, each part computes its columns.
    """

    @abstractmethod
    def share(self) -> Share:
        """Return what these accounts contribute to the statistic."""

    @staticmethod
    @abstractmethod
    def pooled(shares: Sequence[Share]) -> Statistic:
        """Return the statistic over all accounts, from the shares of every part."""

    @abstractmethod
    def columns(self, statistic: Statistic) -> dict[str, Numbers]:
        """Return the columns of these accounts, by name."""


def of_all(columns: FleetColumns[Any, Any]) -> dict[str, Numbers]:
    """Return the columns of accounts that are all accounts."""
    return columns.columns(columns.pooled([columns.share()]))
