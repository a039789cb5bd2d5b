"""What flags are raised from, and how rows are picked from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


def _no_offers() -> pd.DataFrame:
    return pd.DataFrame({"account_id": pd.Series(dtype=object)})


@dataclass(frozen=True)
class Scored:
    """What flags are raised from.

    Attributes
    ----------
    scores : pd.DataFrame
        One row per account as in scores.parquet.
    features : pd.DataFrame
        The features they were made from, in the same order.
    reasons : pd.DataFrame
        Rows as in reasons.parquet.
    model_supports : dict of str to bool
        For churn, upsell and cross_sell: whether a model with signal stands behind them.
    whitespace : pd.DataFrame
        Rows as in whitespace.parquet; only the lists of offers read them.
    """

    scores: pd.DataFrame
    features: pd.DataFrame
    reasons: pd.DataFrame
    model_supports: dict[str, bool]
    whitespace: pd.DataFrame = field(default_factory=_no_offers)

    def of_accounts(self, accounts: pd.Series[str]) -> Scored:
        """Return the part of it that is about some accounts."""
        own = self.scores["account_id"].isin(accounts)
        reasons = self.reasons[self.reasons["account_id"].isin(accounts)]
        whitespace = self.whitespace[self.whitespace["account_id"].isin(accounts)]
        features = self.features[own]
        return Scored(self.scores[own], features, reasons, self.model_supports, whitespace)


def pick(
    scored: Scored, chosen: pd.Series[bool], *, value: str, probability: str = "", product: str = ""
) -> pd.DataFrame:
    """Take the chosen accounts with the columns that hold their value, probability and product."""
    scores = scored.scores.loc[chosen.to_numpy(dtype=bool)]
    return pd.DataFrame(
        {
            "account_id": scores["account_id"],
            "name": scores["name"],
            "csm": scores["csm"],
            "value": scores[value],
            "probability": scores[probability] if probability else float("nan"),
            "basis": None,
            "product": scores[product] if product else None,
        }
    )


def with_reasons(picked: pd.DataFrame, *sources: pd.Series[str]) -> pd.DataFrame:
    """Take each account's sentences from the first source that has any."""
    texts = pd.Series("", index=picked.index, dtype=object)
    for source in sources:
        texts = texts.where(texts != "", picked["account_id"].map(source).fillna(""))
    return picked.assign(reasons=texts)


def paying_on(scored: Scored) -> pd.Series[bool]:
    """Accounts that stay as far as anybody knows: no notice was given."""
    return ~(scored.features["notice_given"] > 0)
