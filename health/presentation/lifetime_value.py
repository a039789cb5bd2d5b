"""Describe a lifetime value in words: its ranges and the growth that it includes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from health.presentation import wording

_MONTHS = 12


def yearly_growth(monthly: Any) -> Any:
    """Convert monthly growth to yearly growth; a number or a column.

    Examples
    --------
    >>> round(yearly_growth(0.01), 4)
    0.1268
    """
    return (1.0 + monthly) ** _MONTHS - 1.0


def ranges_in_words(row: Mapping[Any, Any], currency: str) -> list[str]:
    """Describe the ranges of a lifetime value (individual and average) and its growth.

    Parameters
    ----------
    row : mapping
        A row of scores.parquet; missing values are left out.
    currency : str
        Currency of the amounts.

    Examples
    --------
    >>> row = {"clv_low": 100, "clv_high": 2500, "clv_mean_low": 900, "clv_mean_high": 1100}
    >>> for text in ranges_in_words({**row, "clv_monthly_growth": 0.01}, "USD"):
    ...     print(text)
    95 % of such customers: USD 100 to 2,500
    their average: USD 900 to 1,100 (95 %)
    MRR of those who stay: +13 % in the first year
    """
    found = []
    for low, high, text in (
        ("clv_low", "clv_high", "95 % of such customers: {}"),
        ("clv_mean_low", "clv_mean_high", "their average: {} (95 %)"),
    ):
        if _number(row.get(low)) and _number(row.get(high)):
            ends = f"{wording.money(row[low], currency)} to {wording.money(row[high], '')}"
            found.append(text.format(ends))
    if _number(row.get("clv_monthly_growth")):
        grown = yearly_growth(float(row["clv_monthly_growth"]))
        found.append(f"MRR of those who stay: {wording.change(grown)} in the first year")
    return found


def _number(value: Any) -> bool:
    return value is not None and not pd.isna(value) and math.isfinite(value)
