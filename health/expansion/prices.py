"""The value of a next step: the price of a product or the size of an upsell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from health.scorecard.score import peers
from health.settings.config import Config

#: A peer group with fewer past steps than this uses the median of all accounts.
_FEW = 5
_ALL = ""
#: Weight of the rate of all products, in rows, when a product's own rate is shrunk to it.
_PRIOR_ROWS = 50.0


@dataclass(frozen=True)
class StepPrices:
    """Median size of past steps, by product and peer group.

    Attributes
    ----------
    upsell_shares : dict of (str, str) to float
        Median increase in a product's MRR at an upsell, as a share of its MRR before, by (product,
        group); product "" for all products and group "" for all accounts.
    product_prices : dict of (str, str) to float
        Median first MRR of a product by (product, group); group "" for all accounts.
    purchases : dict of str to int
        Number of accounts that bought each product.
    upsell_rates : dict of str to float
        Share of the dates with the product owned after which the account bought more of it within
        the horizon, shrunk to that of all products; key "" for all products.
    """

    upsell_shares: dict[tuple[str, str], float] = field(default_factory=dict)
    product_prices: dict[tuple[str, str], float] = field(default_factory=dict)
    purchases: dict[str, int] = field(default_factory=dict)
    upsell_rates: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_history(
        cls, accounts: pd.DataFrame, products: pd.DataFrame, held: pd.DataFrame, config: Config
    ) -> StepPrices:
        """Compute the medians of labelled past dates.

        Parameters
        ----------
        accounts : pd.DataFrame
            account_id, as_of and the peer group's column.
        products : pd.DataFrame
            account_id, as_of, product, bought, step_mrr: products not owned.
        held : pd.DataFrame
            account_id, as_of, product, mrr, upsold, step_mrr: owned products.
        config : Config
            Names the peer group.
        """
        keys = ["account_id", "as_of"]
        groups = accounts[keys].assign(group=peer_groups(accounts, config))
        bought = products[(products["bought"] == 1) & (products["step_mrr"] > 0)]
        bought = bought.merge(groups, on=keys, how="left")
        rises = held[(held["upsold"] == 1) & (held["step_mrr"] > 0) & (held["mrr"] > 0)]
        rises = rises.merge(groups, on=keys, how="left")
        rises["share"] = rises["step_mrr"] / rises["mrr"]
        counts = bought.groupby("product")["account_id"].nunique()
        return cls(
            _medians(rises, "share") | _medians(rises.assign(product=_ALL), "share"),
            _medians(bought, "step_mrr"),
            {str(product): int(count) for product, count in counts.items()},
            _rates(held[held["upsold"].notna()]),
        )

    def upsell_step(
        self, products: pd.Series[str], mrr: pd.Series[float], groups: pd.Series[str]
    ) -> pd.Series[float]:
        """Return the MRR that an upsell would add to a product with this MRR; NaN if unknown."""
        return mrr * _by_pair(products, groups, self._share)

    def _share(self, product: str, group: str) -> float:
        for key in ((product, group), (product, _ALL), (_ALL, group), (_ALL, _ALL)):
            if key in self.upsell_shares:
                return self.upsell_shares[key]
        return float("nan")

    def upsell_weight(self, products: pd.Series[str], accounts: pd.Series[str]) -> pd.Series[float]:
        """Return each owned product's share of its account's upsell chance; shares sum to 1."""
        usual = self.upsell_rates.get(_ALL, 1.0)
        rates = products.map(self.upsell_rates).astype(float).fillna(usual)
        total = rates.groupby(accounts).transform("sum")
        return rates / total.where(total > 0)

    def price(
        self, products: pd.Series[str], groups: pd.Series[str], listed: Mapping[str, float]
    ) -> pd.Series[float]:
        """Return the MRR that each product would add; NaN without a known price."""
        return _by_pair(products, groups, partial(self._price, listed=listed))

    def _price(self, product: str, group: str, listed: Mapping[str, float]) -> float:
        if product in listed:
            return listed[product]
        overall = self.product_prices.get((product, _ALL), float("nan"))
        return self.product_prices.get((product, group), overall)


def peer_groups(frame: pd.DataFrame, config: Config) -> pd.Series[str]:
    """Return the peer group of each row: the configured attribute, or "all" if it is missing."""
    return peers(frame, config.peer_group)


def _by_pair(
    products: pd.Series[str], groups: pd.Series[str], metric: Callable[[str, str], float]
) -> pd.Series[float]:
    """Return the value for each row's product and group; each pair is looked up once."""
    (product, names), (group, kinds) = (
        pd.factorize(products.to_numpy()),
        pd.factorize(groups.to_numpy()),
    )
    pair, pairs = pd.factorize(product * max(len(kinds), 1) + group)
    result = [metric(names[at // len(kinds)], kinds[at % len(kinds)]) for at in pairs.tolist()]
    return pd.Series(np.array(result, dtype=float)[pair], index=products.index, dtype=float)


def _medians(steps: pd.DataFrame, value: str) -> dict[tuple[str, str], float]:
    """Return the median by product and group; the group "" has the median of all groups."""
    found: dict[tuple[str, str], float] = {}
    for product, own in steps.groupby("product"):
        found[str(product), _ALL] = float(own[value].median())
        by_group = own.groupby("group")[value].agg(["median", "size"])
        enough = by_group[by_group["size"] >= _FEW]["median"]
        found |= {(str(product), str(group)): float(m) for group, m in enough.items()}
    return found


def _rates(held: pd.DataFrame) -> dict[str, float]:
    if held.empty:
        return {}
    overall = float(np.clip(held["upsold"].mean(), 1e-6, None))
    counts = held.groupby("product")["upsold"].agg(["sum", "count"])
    rates = (counts["sum"] + _PRIOR_ROWS * overall) / (counts["count"] + _PRIOR_ROWS)
    return {_ALL: overall} | {str(product): float(rate) for product, rate in rates.items()}
