"""The contract: how long, how much, of what, until when, and whether notice was given."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.commercial_catalogue import FEATURES
from features.commercial_contracts import Contracts
from features.commercial_movements import Movements
from features.many_dates import KEYS, known_on_dates, on_spine
from features.settings import DEFAULT_SETTINGS, FeatureSettings
from features.spine_dates import SpineDates
from features.tables import Tables

__all__ = ["FEATURES", "build"]

#: Decimals that figures of money are kept to.
_DIGITS = 9


def build(
    tables: Tables, spine: pd.DataFrame, *, settings: FeatureSettings = DEFAULT_SETTINGS
) -> pd.DataFrame:
    """Return the features of the contract of each account and date.

    Parameters
    ----------
    tables : Tables
        Without subscriptions every feature is NaN but the tenure, which orders tell, too.
    spine : pd.DataFrame
        account_id, as_of and created_at.
    settings : FeatureSettings
        The grace period.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_features)
        The index of `spine`; a float column per feature.
    """
    names = [feature.name for feature in FEATURES]
    if not tables.has("subscriptions"):
        out = pd.DataFrame(np.nan, index=spine.index, columns=names)
        out["tenure_days"] = _tenure(spine, _first_order(tables, spine))
        return out
    dates = SpineDates.of(spine)
    contracts = Contracts(tables, dates.accounts)
    movements = Movements(tables, spine, dates.accounts, grace_days=settings.grace_days)
    told = dates.told(
        [*names, "paid_from"], lambda day: contracts.as_of(day) | movements.as_of(day)
    )
    paid_from = pd.to_datetime(told.pop("paid_from"), unit="us")
    told["tenure_days"] = _tenure(spine, paid_from)
    # Engines add prices up in any order: what that leaves in the last digits is no money.
    return told.round(_DIGITS)


def _first_order(tables: Tables, spine: pd.DataFrame) -> pd.Series[Any]:
    rows = known_on_dates(tables, "orders", spine)
    first = on_spine(rows.group_by(*KEYS).agg(nw.col("ordered_at").min().alias("first")), spine)
    return pd.to_datetime(first["first"])


def _tenure(spine: pd.DataFrame, paid_from: pd.Series[Any]) -> pd.Series[float]:
    """Return the whole days since the account began: its own start, or that of paying."""
    begun = pd.concat([spine["created_at"], paid_from], axis=1).min(axis=1)
    days: pd.Series[float] = (spine["as_of"] - begun).dt.total_seconds() / 86_400
    return days.map(np.floor)
