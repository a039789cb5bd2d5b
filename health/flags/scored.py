"""The inputs of flags, and how rows are picked from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from health.business.risk import known_to_leave
from health.expansion.steps import DETAILS
from health.reasons.reasons import strongest_reasons
from health.renewals.calls import no_calls

#: The features that flags read.
READS = (
    *("notice_given", "days_since_notice", "usage_recency_days", "usage_events_trend"),
    *("surveys_nps_latest", "tickets_urgent_open"),
    *("orders_recency_days", "orders_interval_days_median", "orders_interval_vs_habit"),
)


def _no_offers() -> pd.DataFrame:
    return pd.DataFrame({"account_id": pd.Series(dtype=object)})


@dataclass(frozen=True)
class Scored:
    """The inputs of flags.

    Attributes
    ----------
    scores : pd.DataFrame
        One row per account as in scores.parquet.
    features : pd.DataFrame
        The features `READS` they were made from, in the same order.
    reasons : pd.DataFrame
        Rows as in reasons.parquet.
    model_supports : dict of str to bool
        For churn, upsell and cross_sell: whether its model has a signal.
    whitespace : pd.DataFrame
        Rows as in whitespace.parquet; only the lists of offers read them.
    least_gain : float
        Expected gain in a year below which no offer is listed, in currency.
    calls : pd.DataFrame
        Calls of CSMs on renewals, oldest first, as from `read_calls`.
    choosing_only : bool
        Whether accounts are only being chosen, so that no reason is written.
    """

    scores: pd.DataFrame
    features: pd.DataFrame
    reasons: pd.DataFrame
    model_supports: dict[str, bool]
    whitespace: pd.DataFrame = field(default_factory=_no_offers)
    least_gain: float = 0.0
    calls: pd.DataFrame = field(default_factory=no_calls)
    choosing_only: bool = False

    @cached_property
    def strengths(self) -> pd.DataFrame:
        """The measures that speak most for each account, as from `strongest_reasons`."""
        return strongest_reasons(self.reasons, "health", "contribution")

    def of_accounts(self, accounts: pd.Series[str]) -> Scored:
        """Return the same inputs, restricted to some accounts."""
        own = self.scores["account_id"].isin(accounts)
        return replace(
            self,
            scores=self.scores[own],
            features=self.features[own],
            reasons=self.reasons[self.reasons["account_id"].isin(accounts)],
            whitespace=self.whitespace[self.whitespace["account_id"].isin(accounts)],
            calls=self.calls[self.calls["account_id"].isin(accounts)],
        )


def pick(
    scored: Scored, chosen: pd.Series[bool], *, value: str = "", probability: str = ""
) -> pd.DataFrame:
    """Return the chosen accounts as candidates of a list that is not an offer.

    Parameters
    ----------
    scored : Scored
        Scores to pick from.
    chosen : pd.Series of bool
        One per account.
    value : str
        Column of the scores with the money in a year that the list and the week are ranked by;
        empty without one.
    probability : str
        Column of the probability shown, whose base rate is shown as well; empty without one.
    """
    scores = scored.scores.loc[chosen.to_numpy(dtype=bool)]
    rate = probability.replace("_probability", "_base_rate")
    return pd.DataFrame(
        {
            "account_id": scores["account_id"],
            "name": scores["name"],
            "csm": scores["csm"],
            "value": scores[value] if value else np.nan,
            "probability": scores[probability] if probability else np.nan,
            "base_rate": scores[rate] if probability else np.nan,
            "basis": None,
            "product": None,
            "step_mrr": np.nan,
            **dict.fromkeys(DETAILS, ""),
            "asked": False,
        },
        index=scores.index,
    )


def with_reasons(picked: pd.DataFrame, *sources: pd.DataFrame) -> pd.DataFrame:
    """Take each account's reasons from the first source that has any.

    Parameters
    ----------
    picked : pd.DataFrame
        Candidates with account_id.
    sources : pd.DataFrame
        As from `strongest_reasons`.

    Returns
    -------
    pd.DataFrame
        With reasons, cause and reasons_share; empty texts and NaN where no source has any.
    """
    text = pd.Series("", index=picked.index, dtype=object)
    cause, share = text.copy(), pd.Series(np.nan, index=picked.index)
    for source in (some for some in sources if len(some)):
        own = source.reindex(picked["account_id"]).set_axis(picked.index)
        fills = (text == "") & own["text"].notna()
        text, cause = text.where(~fills, own["text"]), cause.where(~fills, own["cause"])
        share = share.where(~fills, own["share"].astype(float))
    return picked.assign(reasons=text, cause=cause, reasons_share=share)


def staying(scored: Scored) -> pd.Series[bool]:
    """Return which accounts have not given notice."""
    return ~known_to_leave(scored.features)
