"""The feature table: one row per paying account and date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from features import commercial, surveys, tickets, usage
from features.catalogue import CATALOGUE
from features.spine import ATTRIBUTES, paying_accounts
from features.tables import Tables


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
    frames = [_as_of(tables, day) for day in dates]
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled or frames[:1], ignore_index=True)


def _as_of(tables: Tables, day: datetime) -> pd.DataFrame:
    accounts = paying_accounts(tables, day)
    deal = commercial.build(tables, day, accounts)
    known = accounts.join(deal["seats"])
    families = [deal]
    users = pd.Series(np.nan, index=accounts.index)
    if tables.has("usage"):
        used = usage.build(tables, day, known)
        users = used["usage_active_users_90d"]
        families.append(used)
    if tables.has("tickets"):
        families.append(tickets.build(tables, day, accounts, users))
    families.append(surveys.build(tables, day, accounts))
    features = pd.concat(families, axis=1).reindex(columns=list(CATALOGUE)).astype(float)
    there = [column for column in ATTRIBUTES if column in accounts.columns]
    frame = accounts[there].join(features).reset_index()
    frame.insert(1, "as_of", pd.Timestamp(day).as_unit("us"))
    return frame
