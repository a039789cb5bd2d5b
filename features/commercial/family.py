"""The contract: how long, how much, of what, until when, and whether notice was given."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from features.commercial.catalogue import FEATURES
from features.commercial.contracts import COLUMNS, Contracts, Prices, rounded
from features.commercial.movements import Movements
from features.definitions.settings import DEFAULT_SETTINGS, FeatureSettings
from features.tables.opened import Tables
from features.windows.contracts import ContractRows, load_contracts
from features.windows.day_rows import Numbers
from features.windows.observation_dates import DateFeatures, ObservationDates, OneDate
from features.windows.table_columns import places_of

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
    levels, movements = Contracts(contracts), Movements(contracts)
    # An account without a contract has the place −1, the last: nothing is known, nothing moved.
    place = places_of(pa.array(dates.accounts, pa.string()), contracts.rows.texts["account_id"])
    peers = np.zeros(contracts.rows.accounts + 1, dtype=bool)
    peers[place] = True

    def result(date: OneDate) -> dict[str, Numbers | Prices]:
        known, at = contracts.as_of(date.as_of), place[date.account]
        found = (levels.as_of(known), np.nan), (movements.as_of(known), 0.0)
        out = {n: np.append(v, absent)[at] for values, absent in found for n, v in values.items()}
        out |= _tenures(date)
        # Engines add prices in any order: what that leaves in the last digits is no money.
        money = {name: rounded(values) for name, values in out.items()}
        return {**money, "prices": levels.prices(known, at, peers)}

    return dates.first_computed(result)


def _tenures(date: OneDate) -> dict[str, Numbers]:
    """Return the whole days for which each account has existed, in all and up to a year."""
    days: Numbers = np.floor(date.age_days())
    return {"tenure_days": days, "tenure_first_year_days": np.minimum(days, 365.0)}
