"""Gaps in the catalogue, the price list and the contracts, as warnings with counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import narwhals as nw
import pandas as pd

from features.errors import quantity
from features.rollups.usage_rollup import PART_DAYS, Frame, known_parts, known_rows_before
from features.tables.opened import Tables
from features.tables.point_in_time import collect
from features.windows.contracts import running_contracts
from features.windows.day_rows import day_number
from health.expansion.inputs import OfferInputs
from health.presentation.wording import count
from health.settings.config import Config
from health.settings.expansion import ListPrice

#: Maximum number of names in one sentence.
_NAMED = 5


def expansion_gaps(
    tables: Tables, as_of: datetime, config: Config, inputs: OfferInputs, unpriced: pd.Series[int]
) -> list[str]:
    """Return what is missing for the offers of a date; the affected rows stay in the lists.

    Parameters
    ----------
    tables : Tables
        The input tables.
    as_of : datetime
        The date.
    config : Config
        The catalogue and price list.
    inputs : OfferInputs
        What every account owns, and what it could buy.
    unpriced : pd.Series of int
        As from `unpriced`.
    """
    return [
        *_not_in_catalogue(inputs, config),
        *_foreign_prices(config),
        *_without_price(unpriced),
        *_quotas_without_events(tables, as_of, config.labels.grace_days),
    ]


def unpriced(whitespace: pd.DataFrame) -> pd.Series[int]:
    """Count the open offers without a known price, by product."""
    open_now = (whitespace["status"] == "open") & whitespace["step_mrr"].isna()
    return whitespace.loc[open_now, "product"].astype(object).value_counts()


def _not_in_catalogue(inputs: OfferInputs, config: Config) -> list[str]:
    settings = config.expansion
    known = settings.products.keys() | settings.prices.keys() | set(settings.not_offered)
    if not known:
        return []
    held = inputs.held["product"].value_counts()
    unnamed = held[~held.index.isin(known)]
    unsold = sorted(known - set(held.index) - set(inputs.open["product"]))
    found = []
    if len(unnamed):
        found.append(
            "expansion: products of subscriptions that are missing in the [expansion] section: "
            f"{_counted(unnamed)}; no rule and no list price applies to them"
        )
    if unsold:
        found.append(
            f"expansion: the configuration names {', '.join(map(repr, unsold[:_NAMED]))}, which "
            "no subscription has; check the spelling"
        )
    return found


def _foreign_prices(config: Config) -> list[str]:
    foreign = {
        product: price
        for product, price in config.expansion.prices.items()
        if isinstance(price, ListPrice) and price.currency.upper() != config.currency.upper()
    }
    if not foreign:
        return []
    listed = ", ".join(
        f"{p} ({v.amount:g} {v.currency})" for p, v in list(foreign.items())[:_NAMED]
    )
    return [
        f"expansion: {quantity(len(foreign), 'list price')} not in {config.currency} and not used: "
        f"{listed}"
    ]


def _without_price(unpriced: pd.Series[int]) -> list[str]:
    if unpriced.empty:
        return []
    return [
        "expansion: products without a list price or a past purchase, so their offers have no "
        f"value: {_counted(unpriced)}"
    ]


def _quotas_without_events(tables: Tables, as_of: datetime, grace_days: int) -> list[str]:
    """Describe quotas whose use cannot be measured."""
    if not tables.has("subscriptions", "quota"):
        return []
    rows = running_contracts(tables, as_of, grace_days=grace_days, columns=["quota", "quota_event"])
    quotas = rows[rows["quota"] > 0].rename(columns={"quota_event": "event"})
    unnamed = quotas[quotas["event"].isna()]
    found = []
    if len(unnamed):
        found.append(
            "expansion: quotas without a quota_event, so their use is unknown: "
            f"{_counted(unnamed['product'].value_counts())}"
        )
    if not tables.has("usage"):
        return found
    never = _never_used(tables, as_of, set(quotas["event"].dropna()))
    unseen = quotas[quotas["event"].isin(never)]
    if len(unseen):
        found.append(
            "expansion: quotas on events that never occur in usage: "
            f"{_counted(unseen['event'].value_counts())}; check quota_event"
        )
    return found


def _recent_first(tables: Tables, day: int) -> Iterator[Frame]:
    """Yield the events of the last weeks before a day, then all before it."""
    yield from known_parts(tables, "events", day - PART_DAYS, day)
    # From the rows: nothing else needs the sums of all events of all days.
    yield known_rows_before(tables, day)


def _never_used(tables: Tables, as_of: datetime, events: set[str]) -> set[str]:
    """Return those of some events that usage had never seen on a date."""
    day = day_number(as_of)
    # Most are in use: all of the past is read only for those that are not.
    for rows in _recent_first(tables, day):
        if not events:
            break
        used = rows.filter(nw.col("event").is_in(sorted(events))).select("event").unique()
        events = events - set(collect(used)["event"])
    return events


def _counted(counts: pd.Series[int]) -> str:
    """Return the most common names with their number of rows, and how many more there are."""
    listed = [f"{name!r} ({count(n, 'row')})" for name, n in counts.head(_NAMED).items()]
    more = f" and {len(counts) - _NAMED:,} more" if len(counts) > _NAMED else ""
    return ", ".join(listed) + more
