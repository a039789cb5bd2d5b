"""CSMs' own calls on renewals: how they are read, and what each means as a share of the ARR."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from features.tables.point_in_time import collect, known_rows

#: The share of the amount that each call means: how likely it is to be renewed, in four words.
CALL_SHARES = {"commit": 0.95, "likely": 0.75, "at_risk": 0.4, "lost": 0.0}
CALL_TITLES = {"commit": "Commit", "likely": "Likely", "at_risk": "At risk", "lost": "Lost"}
#: A call older than this was about the renewal before.
VALID_DAYS = 300
COLUMNS = ("account_id", "call", "amount", "author", "created_at", "renews_at")


def read_calls(tables: Tables, as_of: datetime) -> pd.DataFrame:
    """Return the calls made before a date, oldest first.

    Parameters
    ----------
    tables : Tables
        With or without a table `forecasts`.
    as_of : datetime
        Later calls are not known, and a call that was undone later still counts.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`; the call is one of `CALL_SHARES`; amount (ARR at which the CSM
        expects the renewal) is NaN and renews_at is NaT where they are not given.

    Raises
    ------
    HealthError
        A call is unknown.
    """
    if not tables.has("forecasts"):
        return no_calls()
    known = known_rows(tables, "forecasts", as_of)
    if tables.has("forecasts", "undone_at"):
        undone = nw.col("undone_at")
        known = known.filter(undone.is_null() | (undone >= as_of))
    rows = collect(known)
    for column, missing in (("amount", np.nan), ("renews_at", pd.NaT)):
        if column not in rows.columns:
            rows[column] = missing
    rows["call"] = _spelt(rows["call"])
    wrong = ~rows["call"].isin(list(CALL_SHARES))
    if wrong.any():
        example = rows[wrong].iloc[0]
        raise HealthError(
            f"{int(wrong.sum()):,} of {len(rows):,} rows have an unknown call; "
            f"e.g. {example['call']} of account {example['account_id']}",
            where="forecasts.call",
            fix=f"use one of {', '.join(CALL_SHARES)}",
        )
    ordered = rows.sort_values(["created_at", "account_id", "call", "author"], kind="stable")
    typed = ordered[list(COLUMNS)].reset_index(drop=True)
    return typed.astype({"amount": float, "renews_at": "datetime64[us]"})


def latest_calls(calls: pd.DataFrame) -> pd.DataFrame:
    """Return the last call on each account."""
    return calls.drop_duplicates("account_id", keep="last").reset_index(drop=True)


def current_calls(calls: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Return the last call on each account that is about a renewal which is still to come.

    A call older than `VALID_DAYS`, or with a renews_at before the date, was about the renewal
    before.
    """
    passed = pd.to_datetime(calls["renews_at"]) < as_of
    recent = pd.to_datetime(calls["created_at"]) >= as_of - pd.Timedelta(days=VALID_DAYS)
    return latest_calls(calls[~passed & recent])


def called_share(calls: pd.DataFrame, arr: pd.Series[float]) -> pd.Series[float]:
    """Return the share of the ARR that each call means, 0-1: that of the word × the amount.

    Parameters
    ----------
    calls : pd.DataFrame
        call and amount.
    arr : pd.Series of float
        What is due, on the index of `calls`; it is the amount where the CSM gives none.

    Examples
    --------
    >>> calls = pd.DataFrame({"call": ["likely", "lost"], "amount": [80.0, float("nan")]})
    >>> called_share(calls, pd.Series([100.0, 100.0])).round(2).tolist()
    [0.6, 0.0]
    """
    of_arr = (calls["amount"] / arr.where(arr > 0)).clip(0.0, 1.0).fillna(1.0)
    return calls["call"].map(CALL_SHARES).astype(float) * of_arr


def no_calls() -> pd.DataFrame:
    """Return the empty result of `read_calls`."""
    kinds = {"amount": "float64", "created_at": "datetime64[us]", "renews_at": "datetime64[us]"}
    return pd.DataFrame(columns=list(COLUMNS), dtype=object).astype(kinds)


def _spelt(words: pd.Series[Any]) -> pd.Series[Any]:
    """Write calls as the code does: `At risk` becomes `at_risk`."""
    texts = words.astype("string").str.strip().str.lower()
    return texts.str.replace(r"[\s-]+", "_", regex=True).astype(object)
