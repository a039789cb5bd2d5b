"""Inputs of the expansion models in addition to the features of an account."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pandas as pd

from features.tables.opened import Tables
from features.targets.growth import growth_features
from features.targets.labels import cross_sell_labels
from features.targets.offers import offer_features
from features.windows.contracts import running_contracts
from health.expansion.evidence import asks
from health.expansion.steps import plan_prices
from health.settings.config import Config


@dataclass(frozen=True)
class OfferInputs:
    """The products of some accounts on a date.

    An account is identified by `place`: its row in the feature table, counted from 0.

    Attributes
    ----------
    held : pd.DataFrame
        place, product, held_mrr, seats, plan: one row per owned product; the plan is that of the
        contract with the highest MRR.
    plans : pd.DataFrame
        place, plan: the plans of each account.
    open : pd.DataFrame
        place, product and the features of the offer: one row per product not owned, by place.
    asked : pd.DataFrame
        As from `asks`, of all accounts.
    prices : dict of (str, str) to float
        As from `plan_prices`, of all accounts.
    least_gain : float
        Expected gain in a year below which no offer is listed, in currency.
    """

    held: pd.DataFrame
    plans: pd.DataFrame
    open: pd.DataFrame
    asked: pd.DataFrame
    prices: dict[tuple[str, str], float] = field(default_factory=dict)
    least_gain: float = 0.0

    def part(self, places: np.ndarray, accounts: pd.Series[str]) -> OfferInputs:
        """Return the inputs of some accounts, whose places are renumbered from 0."""
        return replace(
            self,
            asked=self.asked[self.asked["account_id"].isin(accounts)],
            held=_of_places(self.held, places),
            plans=_of_places(self.plans, places),
            open=_of_places(self.open, places),
        )


def read_offer_inputs(tables: Tables, features: pd.DataFrame, config: Config) -> OfferInputs:
    """Read the products of the accounts of a feature table.

    Parameters
    ----------
    tables : Tables
        The input tables.
    features : pd.DataFrame
        One row per paying account of one date.
    config : Config
        The catalogue of products.
    """
    day = pd.Timestamp(features["as_of"].iloc[0]).to_pydatetime()
    accounts = pd.Index(features["account_id"])
    observations = features[["account_id", "as_of"]]
    labels = cross_sell_labels(
        tables,
        observations,
        horizon_days=config.labels.horizon_days,
        grace_days=config.labels.grace_days,
    )
    offers = with_offer_features(labels[["account_id", "as_of", "product"]], tables, config)
    place = accounts.get_indexer(pd.Index(offers["account_id"]))
    columns = {name: offers.pop(name) for name in offers.columns.drop(["account_id", "as_of"])}
    offers = pd.DataFrame(columns | {"place": place}, copy=False)
    held, plans = _held(tables, day, accounts, config.labels.grace_days)
    return OfferInputs(
        held,
        plans,
        offers,
        asks(tables, day, config),
        plan_prices(held),
        config.flags.least_gain(held.groupby("place")["held_mrr"].sum()),
    )


def growth_of(features: pd.DataFrame, tables: Tables, config: Config) -> pd.DataFrame:
    """Return the features of growth in owned products, as `growth_features` does."""
    settings = config.expansion
    return growth_features(
        tables,
        features,
        plans=settings.plans,
        plan_events=settings.plan_events,
        grace_days=config.labels.grace_days,
    )


def with_growth(features: pd.DataFrame, tables: Tables, config: Config) -> pd.DataFrame:
    """Return the feature table with the features of growth in owned products."""
    growth = growth_of(features, tables, config)
    columns = {name: features[name] for name in features.columns if name not in growth.columns}
    columns |= {name: growth[name] for name in growth.columns}
    return pd.DataFrame(columns, index=features.index, copy=False)


def with_offer_features(offers: pd.DataFrame, tables: Tables, config: Config) -> pd.DataFrame:
    """Return account × date × product rows with the features of the offer.

    `offers` has the columns account_id, as_of and product, for products not owned on the date.
    """
    offers = offers.reset_index(drop=True)
    found = offer_features(
        tables,
        offers,
        events=config.expansion.events(),
        peer_column=config.peer_group,
        grace_days=config.labels.grace_days,
    )
    return offers.join(found)


def next_to_account(offers: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Join each offer with the columns of its account; if both have a column, the offer's is kept.

    Parameters
    ----------
    offers : pd.DataFrame
        place and other columns.
    accounts : pd.DataFrame
        One row per account, in the order of the places.
    """
    place = offers["place"].to_numpy()
    columns = {
        name: accounts[name].to_numpy()[place]
        for name in accounts.columns
        if name not in offers.columns
    }
    columns |= {name: offers[name].to_numpy() for name in offers.columns}
    return pd.DataFrame(columns, index=offers.index, copy=False)


def _held(
    tables: Tables, day: datetime, accounts: pd.Index[str], grace_days: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the products and plans that the accounts own."""
    rows = running_contracts(tables, day, grace_days=grace_days, columns=["seats", "plan"])
    frame = rows[rows["mrr"] > 0].rename(columns={"mrr": "held_mrr"})
    frame["place"] = accounts.get_indexer(pd.Index(frame["account_id"]))
    frame = frame[frame["place"] >= 0]
    keys = ["place", "product"]
    held = frame.groupby(keys)[["held_mrr", "seats"]].sum().reset_index()
    largest = frame.sort_values([*keys, "held_mrr", "plan"], ascending=[True, True, False, True])
    held = held.merge(largest.drop_duplicates(keys)[[*keys, "plan"]], on=keys, how="left")
    plans = frame.loc[frame["plan"].notna(), ["place", "plan"]].drop_duplicates()
    return held, plans.reset_index(drop=True)


def _of_places(frame: pd.DataFrame, places: np.ndarray) -> pd.DataFrame:
    before = frame["place"].to_numpy()
    renumbered = np.full(max(places.max(initial=-1), before.max(initial=-1)) + 1, -1)
    renumbered[places] = np.arange(len(places))
    at = renumbered[before]
    own: pd.DataFrame = frame[at >= 0].assign(place=at[at >= 0])
    return own.reset_index(drop=True)
