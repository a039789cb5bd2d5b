"""The feature table: one row per paying account and date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import pandas as pd

from features import commercial, surveys, tickets, usage
from features.catalogue import CATALOGUE
from features.spine import ATTRIBUTES, build_spine
from features.tables import Tables

Family = Callable[[Tables, pd.DataFrame], pd.DataFrame]
FamilyOfOneDate = Callable[[Tables, datetime, pd.DataFrame], pd.DataFrame]


def build_features(tables: Tables, dates: Sequence[datetime]) -> pd.DataFrame:
    """Build the features of every account that pays on each date, from what was known then.

    Parameters
    ----------
    tables : Tables
        The input tables; a feature whose table is not there is NaN.
    dates : sequence of datetime
        Each means its midnight; what happened at that moment or later is not seen.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_dates, n_columns)
        account_id, as_of, the attributes that accounts has, and a float64 column per feature
        of the catalogue; ordered by as_of and account_id.
    """
    spine = build_spine(tables, dates)
    known = spine
    for build in _FAMILIES:
        # A family may read what the ones before it made: seats, active users.
        known = known.join(build(tables, known))
    features = known.reindex(columns=list(CATALOGUE)).astype(float)
    there = [column for column in ATTRIBUTES if column in spine.columns]
    return spine[["account_id", "as_of", *there]].join(features)


def _date_by_date(build: FamilyOfOneDate) -> Family:
    """Let a family that knows one date build many, each by itself."""

    def of_all(tables: Tables, spine: pd.DataFrame) -> pd.DataFrame:
        built = []
        for day in spine["as_of"].drop_duplicates():
            rows = spine[spine["as_of"] == day]
            frame = build(tables, day.to_pydatetime(), rows.set_index("account_id"))
            built.append(frame.set_axis(rows.index))
        return pd.concat(built) if built else pd.DataFrame(index=spine.index)

    return of_all


#: In the order in which they are built. A family takes the tables and the spine (with the
#: features of the families before it as further columns), and returns a frame with the spine's
#: index and a float column per feature, for all dates at once.
_FAMILIES: tuple[Family, ...] = (
    _date_by_date(commercial.build),
    usage.build,
    tickets.build,
    surveys.build,
)
