"""The tables compared with the company's own books."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from features.errors import HealthError
from features.tables.opened import Tables
from health.business.kinds import Business, business_of_tables
from health.business.mrr import ratio_hint
from health.presentation.wording import money
from health.settings.config import Config
from health.settings.expected import ExpectedConfig


def require_expected(config: Config, tables: Tables) -> None:
    """Compare MRR and accounts with what the configuration expects of some dates.

    Raises
    ------
    HealthError
        All expectations that the tables do not meet.
    """
    dates = sorted({expected.date for expected in config.expected})
    if not dates:
        return
    days = [datetime(day.year, day.month, day.day) for day in dates]
    business = business_of_tables(tables)
    levels = business.mrr(tables, days, config.feature_settings)
    by_date = {day: levels[when].dropna() for day, when in zip(dates, days, strict=True)}
    wrong = [
        line
        for expected in config.expected
        for line in _differences(expected, by_date[expected.date], config, business)
    ]
    if wrong:
        raise HealthError(
            "the tables do not add up to what the configuration expects\n" + "\n".join(wrong),
            where=f"{config.file}: [[expected]]",
            fix="check units (cents, yearly prices), currencies and joins of "
            f"{business.table}; "
            "`health check` without [[expected]] shows MRR by month. Or correct what is expected",
        )


def _differences(
    expected: ExpectedConfig, levels: pd.Series[float], config: Config, business: Business
) -> list[str]:
    currency, day = config.currency, expected.date
    name, found = business.money, []
    if expected.mrr is not None:
        mrr = float(levels.sum())
        if _off(mrr, expected.mrr) > expected.tolerance:
            found.append(
                f"  {day}: {name} is {money(mrr, currency)}, expected "
                f"{money(expected.mrr, currency)}{ratio_hint(mrr / expected.mrr)}"
            )
    if expected.accounts is not None and _off(len(levels), expected.accounts) > expected.tolerance:
        found.append(f"  {day}: {len(levels):,} accounts pay, expected {expected.accounts:,}")
    return found


def _off(value: float, expected: float) -> float:
    return abs(value - expected) / max(abs(expected), 1e-9)
