"""Custom features: built by a function next to the configuration, like any other family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from features.catalogue import CATALOGUE
from features.definitions.feature import Feature
from features.errors import HealthError
from features.tables.opened import Tables

#: Takes the tables, a date and the accounts that pay on it (indexed by account_id, with the
#: built-in features as columns); returns one column per feature on the same index.
BuildOwn = Callable[[Tables, datetime, pd.DataFrame], Any]


@dataclass(frozen=True)
class OwnFamily:
    """Custom features added to the catalogue.

    Attributes
    ----------
    name : str
        Name of the module that declares them.
    features : tuple of Feature
        The declared features.
    build : callable
        Builds them as of one date: ``build(tables, as_of, accounts)``.
    """

    name: str
    features: tuple[Feature, ...]
    build: BuildOwn

    def built(self, tables: Tables, observations: pd.DataFrame) -> pd.DataFrame:
        """Return the features on the index of the observations, one date at a time.

        Raises
        ------
        HealthError
            The function fails, or does not return what it declares.
        """
        parts = [pd.DataFrame(index=observations.index[:0], columns=self._names(), dtype=float)]
        for day in observations["as_of"].drop_duplicates():
            rows = observations[observations["as_of"] == day]
            made = self._made(tables, day.to_pydatetime(), rows.set_index("account_id"))
            parts.append(made.set_axis(rows.index))
        return pd.concat([p for p in parts if len(p)] or parts).reindex(observations.index)

    def _names(self) -> list[str]:
        return [feature.name for feature in self.features]

    def _made(self, tables: Tables, as_of: datetime, accounts: pd.DataFrame) -> pd.DataFrame:
        try:
            made = self.build(tables, as_of, accounts.copy())
        except (Exception, SystemExit) as error:
            raise self._fault(f"build failed as of {as_of.date()}: {error!r}") from error
        if not isinstance(made, pd.DataFrame) or not set(self._names()) <= set(made.columns):
            raise self._fault(f"build must return a frame with columns {', '.join(self._names())}")
        if made.index.has_duplicates or not made.index.isin(accounts.index).all():
            raise self._fault("build must return one row per account_id, on the index of accounts")
        texts = [name for name in self._names() if not _is_number(made[name])]
        if texts:
            raise self._fault(f"{', '.join(texts)}: not numbers")
        # Accounts that are not returned have missing values.
        return made[self._names()].astype(float).reindex(accounts.index)

    def _fault(self, what: str) -> HealthError:
        return HealthError(what, where=f"custom features {self.name}", fix="correct the module")


def _is_number(values: pd.Series[Any]) -> bool:
    return bool(is_numeric_dtype(values.dtype) or is_bool_dtype(values.dtype))


def catalogue_with(extra: Sequence[OwnFamily]) -> Mapping[str, Feature]:
    """Return the catalogue with the custom features; HealthError if a name is taken."""
    catalogue = dict(CATALOGUE)
    for family in extra:
        taken = sorted({f.name for f in family.features} & catalogue.keys())
        if taken:
            raise HealthError(
                f"a feature is already called {', '.join(taken)}",
                where=f"custom features {family.name}",
                fix="choose another name, e.g. one that starts with own_",
            )
        catalogue |= {feature.name: feature for feature in family.features}
    return catalogue
