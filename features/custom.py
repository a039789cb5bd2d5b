"""Features of one's own: made by a function beside the configuration, like any other family."""

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
#: features built before as columns); returns a column a feature on the same index.
BuildOwn = Callable[[Tables, datetime, pd.DataFrame], Any]


@dataclass(frozen=True)
class OwnFamily:
    """Features that somebody added to the catalogue.

    Attributes
    ----------
    name : str
        Of the module that declares them.
    features : tuple of Feature
        What each means.
    build : callable
        Makes them as of one date: ``build(tables, as_of, accounts)``.
    """

    name: str
    features: tuple[Feature, ...]
    build: BuildOwn

    def built(self, tables: Tables, observations: pd.DataFrame) -> pd.DataFrame:
        """Return the features on the index of the spine, each date by itself.

        Raises
        ------
        HealthError
            The function fails, or returns something else than it declares.
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
        except Exception as error:
            raise self._fault(f"build failed as of {as_of.date()}: {error!r}") from error
        if not isinstance(made, pd.DataFrame) or not set(self._names()) <= set(made.columns):
            raise self._fault(f"build must return a frame with columns {', '.join(self._names())}")
        if made.index.has_duplicates or not made.index.isin(accounts.index).all():
            raise self._fault("build must return a row an account_id, on the index it was given")
        texts = [name for name in self._names() if not _is_number(made[name])]
        if texts:
            raise self._fault(f"{', '.join(texts)}: not numbers")
        # An account that is not returned was not measured.
        return made[self._names()].astype(float).reindex(accounts.index)

    def _fault(self, what: str) -> HealthError:
        return HealthError(
            what, where=f"own features {self.name}", fix="mend the module beside the configuration"
        )


def _is_number(values: pd.Series[Any]) -> bool:
    return bool(is_numeric_dtype(values.dtype) or is_bool_dtype(values.dtype))


def catalogue_with(extra: Sequence[OwnFamily]) -> Mapping[str, Feature]:
    """Return the catalogue and the features of one's own; HealthError where a name is taken."""
    catalogue = dict(CATALOGUE)
    for family in extra:
        taken = sorted({f.name for f in family.features} & catalogue.keys())
        if taken:
            raise HealthError(
                f"there is a feature called {', '.join(taken)} already",
                where=f"own features {family.name}",
                fix="choose another name, e.g. one that begins with own_",
            )
        catalogue |= {feature.name: feature for feature in family.features}
    return catalogue
