"""The whitespace: accounts × products, what each could still buy, what it is worth, why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from features.labels import cross_sell_labels
from features.point_in_time import collect, running
from features.tables import Tables
from health.config import Config
from health.expansion.eligibility import gate_reasons, ineligible_reasons
from health.expansion.evidence import asks
from health.expansion.inputs import with_offer_features
from health.expansion.prices import peer_groups
from health.expansion.signs import open_signs, upsell_signs
from health.scoring.probability import probabilities

HELD, OPEN, NOT_ELIGIBLE = "held", "open", "not eligible"
UPSELL, CROSS_SELL = "upsell", "cross_sell"
#: The basis of an offer that no model stands behind.
RULES = "rules"
COLUMNS = (
    "account_id",
    "as_of",
    "name",
    "csm",
    "product",
    "status",
    "offer",
    "held_mrr",
    "gate",
    "not_eligible",
    "basis",
    "probability",
    "base_rate",
    "step_mrr",
    "value",
    "asked",
    "signs",
)
_MONTHS = 12


def build_whitespace(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    tables: Tables,
    models: Mapping[str, Any],
    config: Config,
) -> pd.DataFrame:
    """Return a row per account and product: held, open, or not eligible.

    Parameters
    ----------
    features : pd.DataFrame
        One row per paying account of one date, with the growth features.
    scores : pd.DataFrame
        name, csm, stage, health_band, churn_probability, upsell_probability and
        upsell_base_rate, on the same index.
    tables : Tables
        The input tables.
    models : mapping of str to object
        The artefacts of a trained version.
    config : Config
        The catalogue of products and its rules.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_products, n_columns)
        Columns `COLUMNS`, then those that the models saw of an open offer. `offer` is upsell
        for a product held, else cross_sell; `gate` says why the account gets no offer now and
        `not_eligible` why not this product, both empty where nothing stands against it.
        `probability` is of buying within the horizon (of a product held: the account's chance
        of growing, shared out over its products by how often each grew). `step_mrr` is the MRR
        it would add, `value` = probability × step × 12 × the chance that the account stays;
        both NaN where no price is known. `asked` and `signs` say what speaks for the offer.
    """
    day = pd.Timestamp(features["as_of"].iloc[0])
    own = features.assign(
        row=features.index,
        stage=scores["stage"],
        stays=1.0 - scores["churn_probability"].fillna(0.0),
        gate=gate_reasons(scores, features),
    )
    held = _held_products(tables, day, own["account_id"])
    open_rows = _open_rows(own, held, tables, models, config)
    held_rows = _held_rows(own, scores, held, models, config)
    rows = pd.concat([f for f in (held_rows, open_rows) if len(f)] or [held_rows])
    rows["value"] = rows["probability"] * rows["step_mrr"] * _MONTHS * rows["stays"]
    identity = scores[["name", "csm"]].reindex(rows["row"])
    rows = rows.assign(name=identity["name"].to_numpy(), csm=identity["csm"].to_numpy())
    rows["asked"] = _asked(rows, asks(tables, day.to_pydatetime(), config))
    rows = rows.sort_values(["account_id", "product"]).reset_index(drop=True)
    return rows[[*COLUMNS, *(c for c in rows.columns if c not in COLUMNS)]]


def _held_products(tables: Tables, day: pd.Timestamp, accounts: pd.Series[str]) -> pd.DataFrame:
    """Return account_id, product, held_mrr and plans (a set) of what is held."""
    plan = nw.col("plan") if tables.has("subscriptions", "plan") else nw.lit(None, dtype=nw.String)
    rows = running(tables, day.to_pydatetime()).filter(nw.col("mrr") > 0)
    frame = collect(rows.select("account_id", "product", "mrr", plan.alias("plan")))
    frame = frame[frame["account_id"].isin(accounts)]
    grouped = frame.groupby(["account_id", "product"])
    held = grouped["mrr"].sum().rename("held_mrr").reset_index()
    keys = pd.MultiIndex.from_frame(frame[["account_id", "product"]])
    plans = _collected(frame["plan"], keys)
    of_each = [
        plans.get(key, set()) for key in zip(held["account_id"], held["product"], strict=True)
    ]
    return held.assign(plans=pd.Series(of_each, dtype=object))


def _collected(values: Iterable[Any], keys: Iterable[Any]) -> dict[Any, set[Any]]:
    """Collect the values of each key; quicker by far than a group for each of many keys."""
    found: dict[Any, set[Any]] = {}
    for key, value in zip(keys, values, strict=True):
        own = found.setdefault(key, set())
        if not pd.isna(value):
            own.add(value)
    return found


def _sets(values: pd.Series[Any], accounts: pd.Series[str], of: pd.Series[str]) -> pd.Series[Any]:
    """Return the set of values by account, empty where there are none."""
    by_account = _collected(values, of)
    return accounts.map(lambda account: by_account.get(account, set()))


def _open_rows(
    own: pd.DataFrame,
    held: pd.DataFrame,
    tables: Tables,
    models: Mapping[str, Any],
    config: Config,
) -> pd.DataFrame:
    spine = own[["account_id", "as_of"]]
    labels = cross_sell_labels(tables, spine, horizon_days=config.labels.horizon_days)
    offers = with_offer_features(labels[["account_id", "as_of", "product"]], tables, config)
    offers = offers.merge(own.drop(columns="as_of"), on="account_id")
    plans = held.explode("plans")
    offers["held"] = _sets(held["product"], offers["account_id"], held["account_id"])
    offers["plans_held"] = _sets(plans["plans"], offers["account_id"], plans["account_id"])
    offers["not_eligible"] = ineligible_reasons(offers, config)
    found = probabilities(models, CROSS_SELL, offers)
    groups = peer_groups(offers, config)
    return offers.drop(columns=["held", "plans_held"]).assign(
        status=np.where(offers["not_eligible"] == "", OPEN, NOT_ELIGIBLE),
        offer=CROSS_SELL,
        basis=basis_of(models, CROSS_SELL, offers["product"], config),
        probability=found.probability,
        base_rate=found.base_rate,
        step_mrr=models["steps"].price(
            offers["product"], groups, config.expansion.list_prices(config.currency)
        ),
        signs=open_signs(offers),
        held_mrr=0.0,
    )


def _held_rows(
    own: pd.DataFrame,
    scores: pd.DataFrame,
    held: pd.DataFrame,
    models: Mapping[str, Any],
    config: Config,
) -> pd.DataFrame:
    figures = own[["account_id"]].assign(
        account_probability=scores["upsell_probability"],
        base_rate=scores["upsell_base_rate"],
        signs=upsell_signs(own, config),
    )
    columns = ["account_id", "as_of", "row", "stage", "stays", "gate"]
    peer = [config.peer_group] if config.peer_group in own.columns else []
    rows = held.drop(columns="plans").merge(own[[*columns, *peer]], on="account_id")
    rows = rows.merge(figures, on="account_id")
    steps = models["steps"]
    share = steps.upsell_weight(rows["product"], rows["account_id"])
    return rows.drop(columns="account_probability").assign(
        status=HELD,
        offer=UPSELL,
        not_eligible="",
        basis=basis_of(models, UPSELL, rows["product"], config),
        probability=rows["account_probability"] * share,
        base_rate=rows["base_rate"] * share,
        step_mrr=steps.upsell_step(rows["product"], rows["held_mrr"], peer_groups(rows, config)),
    )


def basis_of(
    models: Mapping[str, Any], target: str, products: pd.Series[str], config: Config
) -> pd.Series[str]:
    """Say of each row what its probability rests on.

    Returns
    -------
    pd.Series of str
        ``model`` (of the account, or of a product that enough accounts bought), ``pooled model``
        (the product is rare and borrows from the others) or ``rules`` (no model tells anything:
        the probability, if there is one, is the rate of past purchases).
    """
    model = models[target]
    if model is None or not model.has_signal_:
        return pd.Series(RULES, index=products.index, dtype=object)
    if target == UPSELL:
        return pd.Series("model", index=products.index, dtype=object)
    bought = products.map(models["steps"].purchases).fillna(0)
    enough = bought >= config.expansion.minimum_purchases
    named = np.where(enough, "model", "pooled model")
    return pd.Series(named, index=products.index, dtype=object)


def _asked(rows: pd.DataFrame, found: pd.DataFrame) -> pd.Series[str]:
    """Quote to each row who asked for it: for its product, or for more without naming one."""
    quotes = found.groupby(["account_id", "product"])["text"].agg("; ".join)
    keys = pd.MultiIndex.from_frame(rows[["account_id", "product"]])
    of_product = pd.Series(quotes.reindex(keys).to_numpy(), index=rows.index, dtype=object)
    in_general = rows["account_id"].map(
        found[found["product"] == ""].groupby("account_id")["text"].agg("; ".join)
    )
    # Who asks for more without naming a product asks for more of what they hold.
    general = in_general.where(rows["offer"] == UPSELL)
    said = of_product.where(of_product.notna(), general)
    return said.where(said.notna(), "").astype(object)


def best_offer(whitespace: pd.DataFrame, offer: str) -> pd.DataFrame:
    """Return each account's most valuable row of a kind of offer, indexed by account_id.

    What may not be offered for want of eligibility is left out; a gate closes for a while only,
    and does not count.
    """
    rows = whitespace[(whitespace["offer"] == offer) & (whitespace["status"] != NOT_ELIGIBLE)]
    by = ["account_id", "value", "probability", "product"]
    ordered = rows.sort_values(by, ascending=[True, False, False, True])
    return ordered.drop_duplicates("account_id").set_index("account_id")


def worth_listing(rows: pd.DataFrame, lift: float) -> pd.Series[bool]:
    """Tell which offers are worth a place on a list.

    Nothing stands against them, and something speaks for them: a model that finds them clearly
    likelier than usual, a sign in use, or somebody who asked. Of the products an account holds,
    the one with the most to gain.

    Parameters
    ----------
    rows : pd.DataFrame
        As from `build_whitespace`.
    lift : float
        How many times the base rate a probability must be.
    """
    lifted = (rows["basis"] != RULES) & (rows["probability"] >= lift * rows["base_rate"])
    # That others hold a product is no reason where the model finds this account unlikelier.
    unlikely = (rows["offer"] == CROSS_SELL) & (rows["basis"] != RULES)
    unlikely &= rows["probability"] < rows["base_rate"]
    speaks = lifted | ((rows["signs"] != "") & ~unlikely) | (rows["asked"] != "")
    may = (rows["gate"] == "") & (rows["status"] != NOT_ELIGIBLE)
    chosen: pd.Series[bool] = speaks & may & (rows["value"].isna() | (rows["value"] > 0))
    best = best_offer(rows, UPSELL)["product"]
    largest = rows["product"] == rows["account_id"].map(best)
    return chosen & ((rows["offer"] != UPSELL) | largest)
