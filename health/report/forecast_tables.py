"""Tables of the forecast page: their form, and what contracts and orders have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from health.presentation import wording
from health.report.forecast import Range

#: Rows of the tables of single accounts, and of past forecasts.
MOST_ACCOUNTS, MOST_PAST = 10, 6
#: Past forecasts shown are at least this many days apart: weekly ones overlap.
_LEAST_DAYS_BETWEEN = 28


@dataclass(frozen=True)
class Line:
    """One line of a table: cells in words; `strong` for a sum."""

    cells: list[str]
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its note."""

    title: str
    heads: list[str]
    lines: list[Line]
    note: str = ""
    empty: str = ""


def range_words(amount: Range, currency: str) -> str:
    """Format a range; nothing where there is no expectation."""
    if amount.value != amount.value:
        return ""
    low, high = (wording.money_short(end, "") for end in (amount.low, amount.high))
    return f"80 % range {currency} {low} to {high}"


def range_ends(amount: Range, currency: str) -> str:
    """Format the two ends of a range."""
    if amount.value != amount.value:
        return wording.NONE
    low, high = (wording.money(end, currency) for end in (amount.low, amount.high))
    return f"{low} to {high}"


def spaced(monitor: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the newest past runs with a forecast, `_LEAST_DAYS_BETWEEN` days or more apart."""
    if monitor.empty:
        return monitor
    rows = monitor[monitor[column].notna()].sort_values("as_of", ascending=False)
    kept: list[int] = []
    last = pd.Timestamp.max
    for place, as_of in enumerate(pd.to_datetime(rows["as_of"])):
        if last - as_of >= pd.Timedelta(days=_LEAST_DAYS_BETWEEN):
            kept.append(place)
            last = as_of
    return rows.iloc[kept[:MOST_PAST]]


def none_yet(run: Mapping[str, Any]) -> str:
    """Explain that no forecast is old enough to be compared with what happened."""
    first = pd.Timestamp(run["as_of"]) + pd.Timedelta(days=int(run["horizon_days"]))
    return (
        "No earlier run is old enough to compare. This forecast can be compared after "
        f"{wording.day(first)} and the grace period; health backtest compares past dates now."
    )


def account_name(row: Mapping[Any, Any]) -> str:
    """Return the name of an account; its account_id where it has none."""
    return wording.text_of(row["name"]) or str(row["account_id"])
