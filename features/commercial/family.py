"""The contract: how long, how much, of what, until when, and whether notice was given."""

from __future__ import annotations

import numpy as np

from features.commercial.catalogue import FEATURES
from features.commercial.contracts import COLUMNS, Contracts, Prices, rounded
from features.commercial.movements import Movements
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.tables.opened import Tables
from features.windows.contracts import ContractRows, load_contracts
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate

__all__ = ["COLUMNS", "FEATURES", "prepare"]


def prepare(
    tables: Tables,
    dates: ObservationDates,
    *,
    settings: FeatureSettings = DEFAULT_SETTINGS,
    contracts: ContractRows | None = None,
) -> DateFeatures:
    """Return a function that gives the contract features of each account on a date.

    Parameters
    ----------
    tables : Tables
        Without subscriptions every feature is NaN except the tenure.
    dates : ObservationDates
        The observations need created_at, from which the tenure counts.
    settings : FeatureSettings
        The grace period.
    contracts : ContractRows, optional
        With `COLUMNS`, where they are loaded already.
    """
    if not tables.has("subscriptions"):
        return _tenures
    if contracts is None:
        contracts = load_contracts(tables, grace_days=settings.grace_days, columns=COLUMNS)
    rows = contracts.of(dates.accounts)
    levels, movements = Contracts(rows), Movements(rows)

    def result(date: OneDate) -> dict[str, Numbers | Prices]:
        known = rows.as_of(date.as_of)
        out = date.broadcast(levels.as_of(known) | movements.as_of(known))
        out |= _tenures(date)
        # Engines add prices in any order: what that leaves in the last digits is no money.
        money = {name: rounded(values) for name, values in out.items()}
        return {**money, "prices": levels.prices(known, date.account)}

    return dates.first_computed(result)


def _tenures(date: OneDate) -> dict[str, Numbers]:
    """Return the whole days for which each account has existed, in all and up to a year."""
    days: Numbers = np.floor(date.age_days())
    return {"tenure_days": days, "tenure_first_year_days": np.minimum(days, 365.0)}
