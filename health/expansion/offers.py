"""Offers of a run: the whitespace table, each account's best offers, and what speaks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.tables import Tables
from health.config import Config
from health.expansion.whitespace import (
    COLUMNS,
    CROSS_SELL,
    UPSELL,
    best_offer,
    build_whitespace,
    worth_listing,
)
from health.scoring.probability import probability_reasons
from health.scoring.reasons import strongest

#: What the published table holds beside `COLUMNS`.
PUBLISHED = (*COLUMNS, "listed", "why", "why_not")
#: Most sentences of one row.
_MOST = 4


@dataclass(frozen=True)
class Offers:
    """What an account may be offered.

    Attributes
    ----------
    whitespace : pd.DataFrame, shape = (n_accounts × n_products, 19)
        Columns `PUBLISHED`: those of `build_whitespace`, and listed (worth a place on a list),
        why (what speaks for it; filled where listed), why_not (what stands against it).
    columns : pd.DataFrame
        cross_sell_product, its probability, base rate and value, upsell_product and
        upsell_value, by account, on the index of the features.
    reasons : pd.DataFrame
        Rows as in reasons.parquet for the cross-sell product of each account.
    """

    whitespace: pd.DataFrame
    columns: pd.DataFrame
    reasons: pd.DataFrame


def make_offers(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    tables: Tables,
    models: Mapping[str, Any],
    config: Config,
) -> Offers:
    """Make the offers of one date.

    Parameters
    ----------
    features, scores, tables, models, config
        As for `build_whitespace`.
    reasons : pd.DataFrame
        Rows as in reasons.parquet of the upsell probability.
    """
    rows = build_whitespace(features, scores, tables, models, config)
    rows["listed"] = worth_listing(rows, config.flags.expansion_lift)
    rows["why_not"] = _why_not(rows)
    # What stood last week stays under an easier limit, and needs its reasons, too.
    worth = worth_listing(rows, config.flags.relaxed().expansion_lift)
    rows["why"] = _why(rows[worth], reasons, models).reindex(rows.index).fillna("")
    best = best_offer(rows, CROSS_SELL)
    inputs = best.reset_index()
    columns = _columns(rows, best, features["account_id"])
    return Offers(
        rows[list(PUBLISHED)],
        columns,
        probability_reasons(models, CROSS_SELL, inputs, most=config.reasons.most),
    )


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
    return frame.set_axis(accounts.index)


def _texts(values: pd.Series[str]) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in values]


def _why_not(rows: pd.DataFrame) -> pd.Series[str]:
    """Say what stands against an offer: the rule of its product, then the gate of the account."""
    gate = ("no offer now: " + rows["gate"]).where(rows["gate"] != "", "")
    rule = ("not eligible: " + rows["not_eligible"]).where(rows["not_eligible"] != "", "")
    both = rule + "; " + gate
    return both.where((rule != "") & (gate != ""), rule + gate)


def _why(listed: pd.DataFrame, reasons: pd.DataFrame, models: Mapping[str, Any]) -> pd.Series[str]:
    """Join what speaks for each listed row: who asked, signs in use, what the model weighed."""
    found = pd.Series("", index=listed.index, dtype=object)
    said = _of_models(listed, reasons, models)
    for at, asked, signs, model in zip(
        listed.index, listed["asked"], listed["signs"], said, strict=True
    ):
        parts = [part for text in (asked, signs, model) for part in text.split("; ") if part]
        found[at] = "; ".join(list(dict.fromkeys(parts))[:_MOST])
    return found


def _of_models(
    listed: pd.DataFrame, reasons: pd.DataFrame, models: Mapping[str, Any]
) -> pd.Series[str]:
    """Return the strongest sentences of the model behind each listed row."""
    upsell = listed["account_id"].map(strongest(reasons, UPSELL, "contribution"))
    open_rows = listed[listed["offer"] == CROSS_SELL]
    # A row of its own each: `strongest` tells rows apart by what stands in account_id.
    inputs = open_rows.assign(account_id=open_rows.index)
    own = strongest(probability_reasons(models, CROSS_SELL, inputs), CROSS_SELL, "contribution")
    cross_sell = pd.Series(listed.index, index=listed.index).map(own)
    return upsell.where(listed["offer"] == UPSELL, cross_sell).fillna("").astype(object)
