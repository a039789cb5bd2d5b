"""Offers of a run: the whitespace table, each account's best offers, and their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from health.expansion.inputs import OfferInputs, next_to_account
from health.expansion.steps import DETAILS, worded_details
from health.expansion.whitespace import (
    COLUMNS,
    CROSS_SELL,
    UPSELL,
    best_offer,
    build_whitespace,
    worth_listing,
)
from health.reasons.probability import probability_reasons
from health.reasons.reasons import strongest
from health.reasons.shown import USUAL, Peers
from health.reasons.signals import signal_of
from health.settings.config import Config

#: The columns of whitespace.parquet.
PUBLISHED = (*COLUMNS, "listed", "why", "why_not", *DETAILS)
#: The columns of scores.parquet about offers.
OFFER_COLUMNS = (
    *("cross_sell_product", "cross_sell_probability", "cross_sell_base_rate", "cross_sell_value"),
    *("upsell_product", "upsell_value"),
)
#: Maximum number of sentences per row.
_MOST = 4


@dataclass(frozen=True)
class Offers:
    """The offers of some accounts.

    Attributes
    ----------
    whitespace : pd.DataFrame, shape = (n_accounts × n_products, 24)
        Columns `PUBLISHED`: those of `build_whitespace`, plus listed (worth a place on a list),
        why (reasons for it, if listed), why_not (what prevents it), and what is offered:
        offer_kind (seats, plan, product or more) and, if listed, offer_from, offer_to and offered
        (a sentence).
    worth_listing : pd.DataFrame
        The rows that would be worth a place if they had been listed last week.
    columns : pd.DataFrame
        cross_sell_product, its probability, base rate and value, upsell_product and
        upsell_value of each account, on the index of the features.
    reasons : pd.DataFrame
        Rows as in reasons.parquet for the cross-sell product of each account.
    """

    whitespace: pd.DataFrame
    worth_listing: pd.DataFrame
    columns: pd.DataFrame
    reasons: pd.DataFrame


def make_offers(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    inputs: OfferInputs,
    models: Mapping[str, Any],
    config: Config,
    *,
    peers: Peers,
) -> Offers:
    """Make the offers of one date.

    Parameters
    ----------
    features, scores, inputs, models, config
        As for `build_whitespace`.
    reasons : pd.DataFrame
        Rows of reasons.parquet for the upsell probability.
    peers : Peers
        What reasons are compared with.
    """
    rows = build_whitespace(features, scores, inputs, models, config)
    # Offers listed last week have lower limits, so their reasons are needed, too.
    worth = worth_listing(rows, config.flags.relaxed(), inputs.least_gain)
    best = best_offer(rows, CROSS_SELL)
    open_rows = np.union1d(rows.loc[worth, "open_row"], best["open_row"])
    weighed = _weighed(inputs.open.iloc[open_rows[open_rows >= 0]], features, models, config)
    groups = rows[rows["open_row"] >= 0].set_index("open_row")["account_id"].map(peers.groups)
    weighed = replace(peers, groups=groups).mark(weighed)
    rows["listed"] = worth_listing(rows, config.flags, inputs.least_gain)
    rows["why_not"] = _why_not(rows)
    rows["why"] = _why(rows[worth], reasons, weighed).reindex(rows.index).fillna("")
    details = worded_details(rows[worth], config.currency)
    for name in DETAILS[1:]:
        rows[name] = details[name].reindex(rows.index).fillna("")
    of_account = pd.Series(best.index, index=best["open_row"])
    own = weighed[weighed["account_id"].isin(of_account.index)]
    return Offers(
        rows[list(PUBLISHED)],
        rows.loc[worth, list(PUBLISHED)],
        _columns(rows, best, features["account_id"]),
        own.assign(account_id=own["account_id"].map(of_account)).reset_index(drop=True),
    )


def _weighed(
    open_rows: pd.DataFrame, features: pd.DataFrame, models: Mapping[str, Any], config: Config
) -> pd.DataFrame:
    """Return the reasons for some open offers; account_id is the row of the offer."""
    offers = next_to_account(open_rows, features)
    offers["account_id"] = offers.index
    return probability_reasons(models, CROSS_SELL, offers, most=config.reasons.most)


def _columns(rows: pd.DataFrame, best: pd.DataFrame, accounts: pd.Series[str]) -> pd.DataFrame:
    own = best.reindex(accounts)
    upsell = best_offer(rows, UPSELL).reindex(accounts)
    worth = rows[rows["offer"] == UPSELL].groupby("account_id")["value"].sum(min_count=1)
    frame = pd.DataFrame(
        {
            "cross_sell_product": _texts(own["product"]),
            "cross_sell_probability": own["probability"],
            "cross_sell_base_rate": own["base_rate"],
            "cross_sell_value": own["value"],
            "upsell_product": _texts(upsell["product"]),
            "upsell_value": worth.reindex(accounts),
        }
    )
    return frame[list(OFFER_COLUMNS)].set_axis(accounts.index)


def _texts(values: pd.Series[str]) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in values]


def _why_not(rows: pd.DataFrame) -> pd.Series[str]:
    """Return what prevents an offer: the rule of its product, then the gate of the account."""
    gate = ("no offer now: " + rows["gate"]).where(rows["gate"] != "", "")
    rule = ("not eligible: " + rows["not_eligible"]).where(rows["not_eligible"] != "", "")
    both = rule + "; " + gate
    return both.where((rule != "") & (gate != ""), rule + gate)


def _why(listed: pd.DataFrame, reasons: pd.DataFrame, weighed: pd.DataFrame) -> pd.Series[str]:
    """Join the reasons for each listed row: requests, signs in usage, and the model's reasons."""
    own = _not_in_signs(reasons, listed[listed["offer"] == UPSELL], "account_id")
    others = _not_in_signs(weighed, listed[listed["offer"] == CROSS_SELL], "open_row")
    upsell = listed["account_id"].map(strongest(own, UPSELL, "contribution"))
    cross_sell = listed["open_row"].map(strongest(others, CROSS_SELL, "contribution"))
    model = upsell.where(listed["offer"] == UPSELL, cross_sell).fillna("")
    joined = [
        _joined("; ".join(texts))
        for texts in zip(listed["asked"], listed["signs"], model, strict=True)
    ]
    return pd.Series(joined, index=listed.index, dtype=object)


def _not_in_signs(reasons: pd.DataFrame, listed: pd.DataFrame, key: str) -> pd.DataFrame:
    """Return the reasons of listed rows, without other features of a signal that is a sign."""
    terms_of = dict(zip(listed[key], listed["sign_terms"].str.split(), strict=True))
    own = reasons[reasons["account_id"].isin(terms_of.keys())]
    signals_of = {row: {signal_of(term) for term in terms} for row, terms in terms_of.items()}
    again = [
        term not in terms_of[row] and signal_of(str(term)) in signals_of[row]
        for row, term in zip(own["account_id"], own["term"], strict=True)
    ]
    return own[~np.array(again, dtype=bool)]


def _joined(text: str) -> str:
    """Return the first distinct sentences of a text, preferring those with usual values."""
    parts: dict[str, str] = {}
    for part in filter(None, text.split("; ")):
        value = part.partition(USUAL)[0]
        parts[value] = max(parts.get(value, ""), part, key=len)
    return "; ".join(list(parts.values())[:_MOST])
