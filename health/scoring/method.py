"""The interface of scoring: how accounts are scored in each kind of business."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from features.tables.opened import Tables
from health.business.feature_table import FeatureTable
from health.expansion.inputs import OfferInputs
from health.scoring.part import PartInputs, ScoredPart
from health.settings.config import Config


@dataclass(frozen=True)
class ScoredAccounts:
    """All accounts of a date after scoring: what warnings are derived from.

    Attributes
    ----------
    scores : pd.DataFrame
        All columns of scores.parquet.
    offers : OfferInputs
        The products of the accounts.
    unpriced : pd.Series of int
        Open offers without a price, by product, the most frequent first.
    """

    scores: pd.DataFrame
    offers: OfferInputs
    unpriced: pd.Series[int]


class ScoringMethod(ABC):
    """How the accounts of one kind of business are scored."""

    @abstractmethod
    def added(self, features: FeatureTable, tables: Tables, config: Config) -> pd.DataFrame:
        """Return the features that only the models of a run read, in the order of `features`."""

    @abstractmethod
    def terms(
        self, features: pd.DataFrame, tables: Tables, config: Config
    ) -> dict[str, pd.Series[Any]]:
        """Return columns of scores.parquet that contracts provide, in the order of `features`."""

    @abstractmethod
    def offers(self, features: pd.DataFrame, tables: Tables, config: Config) -> OfferInputs:
        """Return the products that accounts own, and those that could be offered."""

    @abstractmethod
    def models_on(
        self, models: Mapping[str, Any], tables: Tables, as_of: datetime, config: Config
    ) -> Mapping[str, Any]:
        """Return the artefacts of a version as they apply on a date."""

    @abstractmethod
    def history(self, tables: Tables, as_of: datetime) -> pd.DataFrame:
        """Return the purchase history by account_id; empty where contracts are scored."""

    @abstractmethod
    def score_part(
        self, inputs: PartInputs, models: Mapping[str, Any], config: Config
    ) -> ScoredPart:
        """Add probabilities, money and offers of some accounts, and the reasons for them.

        Parameters
        ----------
        inputs : PartInputs
            Their inputs.
        models : mapping of str to object
            The artefacts of a version.
        config : Config
            The configuration.
        """

    @abstractmethod
    def has_signal(self, models: Mapping[str, Any]) -> dict[str, bool]:
        """Return for which outputs the models have a signal."""

    @abstractmethod
    def warnings(
        self,
        scored: ScoredAccounts,
        models: Mapping[str, Any],
        config: Config,
        *,
        tables: Tables,
        as_of: datetime,
    ) -> list[str]:
        """Return what limits the outputs, for the reader of the lists."""
