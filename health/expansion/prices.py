"""What a next step is worth: the price of a product, the size of an upsell."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from health.config import Config

#: A peer group with fewer past steps than this takes the median of all.
_FEW = 5
_ALL = ""


@dataclass(frozen=True)
class StepPrices:
    """Median steps of the past, by peer group, and list prices where the config has them.

    Attributes
    ----------
    upsell_shares : dict of str to float
        Median rise of MRR at an upsell over the MRR before it; key "" for all accounts.
    product_prices : dict of (str, str) to float
        Median first MRR of a product by (product, group); group "" for all accounts.
    purchases : dict of str to int
        Accounts seen to buy each product.
    list_prices : dict of str to float
        MRR by product as configured; goes before the medians.
    """

    upsell_shares: dict[str, float] = field(default_factory=dict)
    product_prices: dict[tuple[str, str], float] = field(default_factory=dict)
    purchases: dict[str, int] = field(default_factory=dict)
    list_prices: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_history(
        cls, accounts: pd.DataFrame, products: pd.DataFrame, config: Config
    ) -> StepPrices:
        """Take medians over the labelled past.

        Parameters
        ----------
        accounts : pd.DataFrame
            account_id, as_of, mrr, upsold, upsell_step_mrr and the peer group's column.
        products : pd.DataFrame
            account_id, as_of, product, bought, step_mrr.
        config : Config
            Peer group and list prices.
        """
        groups = peer_groups(accounts, config)
        rises = accounts[(accounts["upsold"] == 1) & (accounts["upsell_step_mrr"] > 0)]
        shares = rises["upsell_step_mrr"] / rises["mrr"]
        bought = products[(products["bought"] == 1) & (products["step_mrr"] > 0)]
        keys = ["account_id", "as_of"]
        bought = bought.merge(accounts[keys].assign(group=groups), on=keys, how="left")
        prices: dict[tuple[str, str], float] = {}
        for product, own in bought.groupby("product"):
            medians = _medians(own["step_mrr"], own["group"])
            prices |= {(str(product), group): value for group, value in medians.items()}
        counts = bought.groupby("product")["account_id"].nunique()
        return cls(
            _medians(shares, groups.loc[rises.index]),
            prices,
            {str(product): int(count) for product, count in counts.items()},
            dict(config.expansion.prices),
        )

    def upsell_step(self, mrr: pd.Series[float], groups: pd.Series[str]) -> pd.Series[float]:
        """Return the MRR an upsell would add to each account; NaN without any past upsell."""
        default = self.upsell_shares.get(_ALL, float("nan"))
        return mrr * groups.map(self.upsell_shares).astype(float).fillna(default)

    def price(self, products: pd.Series[str], groups: pd.Series[str]) -> pd.Series[float]:
        """Return the MRR each product would add; NaN where neither list nor past tells."""
        found = [self._price(p, g) for p, g in zip(products, groups, strict=True)]
        return pd.Series(found, index=products.index, dtype=float)

    def _price(self, product: str, group: str) -> float:
        if product in self.list_prices:
            return self.list_prices[product]
        overall = self.product_prices.get((product, _ALL), float("nan"))
        return self.product_prices.get((product, group), overall)


def peer_groups(frame: pd.DataFrame, config: Config) -> pd.Series[str]:
    """Return the peer group of each row: the configured attribute, or "all" without it."""
    if config.peer_group not in frame.columns:
        return pd.Series("all", index=frame.index, dtype=object)
    return frame[config.peer_group].fillna("unknown").astype(object)


def _medians(values: pd.Series[float], groups: pd.Series[str]) -> dict[str, float]:
    if values.empty:
        return {}
    by_group = values.groupby(groups).agg(["median", "size"])
    enough = by_group[by_group["size"] >= _FEW]["median"]
    return {_ALL: float(values.median())} | {str(g): float(m) for g, m in enough.items()}
