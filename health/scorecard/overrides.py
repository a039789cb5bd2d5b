"""Overrides: a person's judgement of a measure or of the whole score, while it is active."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import narwhals as nw
import pandas as pd

from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows

#: Value of `measure` if the whole score is overridden.
HEALTH = "health"
COLUMNS = (
    "account_id",
    "as_of",
    "measure",
    "value",
    "author",
    "reason",
    "created_at",
    "expires_at",
)


def override_term(measure: str) -> str:
    """Return the name of an override among the terms of the score."""
    return f"override:{measure}"


def active_overrides(tables: Tables, dates: Sequence[datetime]) -> pd.DataFrame:
    """Return the overrides active on each date, from what was known before it.

    An override is active from the moment after `created_at` until `expires_at` (exclusive), or
    forever if that is empty. Of several for one account and measure, the one created last counts.

    Parameters
    ----------
    tables : Tables
        With or without a table `overrides`.
    dates : sequence of datetime
        Each means its midnight.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`, at most one row per account, date and measure.
    """
    if not tables.has("overrides") or not len(dates):
        return _none()
    frames = [_active_on(tables, day) for day in dates]
    return pd.concat(frames, ignore_index=True)


def override_values(features: pd.DataFrame, overrides: pd.DataFrame | None) -> pd.DataFrame:
    """Return the overridden value of each measure of each row; NaN without an override.

    Parameters
    ----------
    features : pd.DataFrame
        account_id, and as_of if `overrides` covers many dates; the index is a range.
    overrides : pd.DataFrame or None
        account_id, measure, value, and optionally as_of.

    Returns
    -------
    pd.DataFrame, shape = (n_rows, n_measures)
        A column per overridden measure.
    """
    if overrides is None or overrides.empty:
        return pd.DataFrame(index=features.index)
    keys = ["account_id"]
    if "as_of" in overrides.columns and "as_of" in features.columns:
        keys.append("as_of")
    wide = overrides.pivot_table(index=keys, columns="measure", values="value", aggfunc="last")
    wide.columns.name = None
    joined = features[keys].merge(wide.reset_index(), on=keys, how="left")
    return joined.drop(columns=keys).set_index(features.index).astype(float)


def _active_on(tables: Tables, day: datetime) -> pd.DataFrame:
    rows = known_rows(tables, "overrides", day)
    ends = nw.col("expires_at")
    found = collect(rows.filter(ends.is_null() | (ends > day)))
    found = found.sort_values(["account_id", "measure", "created_at", "author", "value"])
    last = found.drop_duplicates(["account_id", "measure"], keep="last")
    return last.assign(as_of=pd.Timestamp(day).as_unit("us"))[list(COLUMNS)]


def _none() -> pd.DataFrame:
    dates = dict.fromkeys(("as_of", "created_at", "expires_at"), "datetime64[us]")
    return pd.DataFrame(columns=list(COLUMNS), dtype=object).astype({"value": float, **dates})
