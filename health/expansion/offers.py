"""Offers of a run: the whitespace table, each account's best offers, and their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from health.expansion.inputs import OfferInputs
from health.expansion.steps import DETAILS, worded_details
from health.expansion.whitespace import (
    COLUMNS,
    CROSS_SELL,
    UPSELL,
    best_rows,
    whitespace_rows,
    worth_listing,
)
from health.reasons.probability import ExplainedProbabilities
from health.reasons.reasons import coded_once, codes_of, plain, rows_where, sparse, strongest
from health.reasons.shown import USUAL, Peers
from health.reasons.signals import signal_of
from health.settings.config import Config
from models.base.inputs import columns_of

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
    opened: ExplainedProbabilities,
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
    opened : ExplainedProbabilities
        As from `cross_sell_chances`.
    reasons : pd.DataFrame
        Rows of reasons.parquet for the upsell probability.
    peers : Peers
        What reasons are compared with.
    """
    rows = whitespace_rows(features, scores, inputs, opened.found, models, config)
    # Offers listed last week have lower limits, so their reasons are needed, too.
    upsells, cross_sells = (best_rows(rows, offer) for offer in (UPSELL, CROSS_SELL))
    worth = worth_listing(rows, config.flags.relaxed(), inputs.least_gain, best=upsells)
    best, listed = plain(rows.iloc[cross_sells]), np.flatnonzero(worth)
    chosen = plain(rows.iloc[listed])
    open_rows = np.union1d(chosen["open_row"], best["open_row"])
    open_rows = open_rows[open_rows >= 0]
    place = inputs.open["place"].to_numpy()[open_rows]
    weighed = _weighed(open_rows, inputs.open, features, opened, config)
    of_places = features["account_id"].map(peers.groups).to_numpy(dtype=object)
    groups = pd.Series(of_places[place], index=open_rows)
    weighed = replace(peers, groups=groups).mark(weighed)
    rows["listed"] = worth_listing(rows, config.flags, inputs.least_gain, best=upsells)
    rows["why_not"] = _why_not(rows)
    rows["why"] = sparse(_why(chosen, reasons, weighed), listed, len(rows))
    details = worded_details(chosen, config.currency)
    for name in DETAILS[1:]:
        rows[name] = sparse(details[name], listed, len(rows))
    of_account = pd.Series(best["account_id"].to_numpy(), index=best["open_row"])
    own = weighed[weighed["account_id"].isin(of_account.index)]
    published = columns_of(rows, PUBLISHED)
    return Offers(
        published,
        plain(published.iloc[listed]),
        _columns(rows, best, plain(rows.iloc[upsells]), features["account_id"]),
        own.assign(account_id=own["account_id"].map(of_account)).reset_index(drop=True),
    )


def _weighed(
    rows: npt.NDArray[np.intp],
    offers: pd.DataFrame,
    features: pd.DataFrame,
    opened: ExplainedProbabilities,
    config: Config,
) -> pd.DataFrame:
    """Return the reasons for some open offers; account_id is the row of the offer."""
    place = offers["place"].to_numpy()[rows]

    def values_of(term: str, at: npt.NDArray[np.intp]) -> pd.Series[Any]:
        if term in offers:
            return offers[term].take(rows[at])
        return features[term].take(place[at])

    return opened.reasons(rows, pd.Series(rows), values_of, most=config.reasons.most)


def _columns(
    rows: pd.DataFrame, best: pd.DataFrame, upsells: pd.DataFrame, accounts: pd.Series[str]
) -> pd.DataFrame:
    """Return `OFFER_COLUMNS`, from the rows and the best of each kind of offer."""
    places = np.arange(len(accounts))
    own = best[["place", "product", "probability", "base_rate", "value"]].set_index("place")
    own = own.reindex(places)
    upsell = upsells.set_index("place")[["product"]].reindex(places)
    worth = rows.loc[rows["offer"] == UPSELL, ["place", "value"]]
    gains = worth.groupby("place")["value"].sum(min_count=1)
    frame = pd.DataFrame(
        {
            "cross_sell_product": _texts(own["product"]),
            "cross_sell_probability": own["probability"],
            "cross_sell_base_rate": own["base_rate"],
            "cross_sell_value": own["value"],
            "upsell_product": _texts(upsell["product"]),
            "upsell_value": gains.reindex(places),
        }
    )
    return frame[list(OFFER_COLUMNS)].set_axis(accounts.index)


def _texts(values: pd.Series[str]) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in values]


def _why_not(rows: pd.DataFrame) -> pd.Categorical:
    """Return what prevents an offer: the rule of its product, then the gate of the account."""
    (gate, gates), (rule, rules) = codes_of(rows["gate"]), codes_of(rows["not_eligible"])
    pair, pairs = pd.factorize(rule.astype(np.int64) * len(gates) + gate)
    texts = []
    for at in pairs.tolist():
        rule_text, gate_text = rules[at // len(gates)], gates[at % len(gates)]
        parts = (f"not eligible: {rule_text}", f"no offer now: {gate_text}")
        given = zip((rule_text, gate_text), parts, strict=True)
        texts.append("; ".join(part for text, part in given if text))
    return coded_once(pair, texts)


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
    account, accounts = codes_of(reasons["account_id"])
    at = pd.Index(listed[key]).get_indexer(pd.Index(accounts))[account]
    signs, distinct = pd.factorize(listed["sign_terms"])
    term, terms = codes_of(reasons["term"])
    again = np.zeros((len(distinct), len(terms)), dtype=bool)
    for row, text in enumerate(distinct):
        own = set(text.split())
        signals = {signal_of(name) for name in own}
        again[row] = [t not in own and signal_of(str(t)) in signals for t in terms]
    kept = at >= 0
    kept[kept] = ~again[signs[at[kept]], term[kept]]
    return rows_where(reasons, kept)


def _joined(text: str) -> str:
    """Return the first distinct sentences of a text, preferring those with usual values."""
    parts: dict[str, str] = {}
    for part in filter(None, text.split("; ")):
        value = part.partition(USUAL)[0]
        parts[value] = max(parts.get(value, ""), part, key=len)
    return "; ".join(list(parts.values())[:_MOST])
