"""What the expansion models see beside the features of an account."""

from __future__ import annotations

import pandas as pd

from features.growth import growth_features
from features.offers import offer_features
from features.tables import Tables
from health.config import Config


def with_growth(features: pd.DataFrame, tables: Tables, config: Config) -> pd.DataFrame:
    """Return the feature table with what tells of growth within the products held."""
    settings = config.expansion
    growth = growth_features(
        tables, features, plans=settings.plans, plan_events=settings.plan_events
    )
    return features.drop(columns=list(growth.columns), errors="ignore").join(growth)


def with_offer_features(offers: pd.DataFrame, tables: Tables, config: Config) -> pd.DataFrame:
    """Return account × date × product rows with what speaks for the product.

    `offers` has account_id, as_of and product of products not held on the date.
    """
    offers = offers.reset_index(drop=True)
    found = offer_features(
        tables, offers, events=config.expansion.events(), peer_column=config.peer_group
    )
    return offers.join(found)
