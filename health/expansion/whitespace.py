"""The whitespace: what each account could still buy, its value, and why it is not offered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from health.business.risk import known_to_leave, lift
from health.expansion.eligibility import (
    gate_reasons,
    ineligible_reasons,
    leaves,
    read_by_rules,
)
from health.expansion.inputs import OfferInputs, next_to_account
from health.expansion.prices import peer_groups
from health.expansion.steps import PRODUCT, upsell_details
from health.reasons.probability import (
    ExplainedProbabilities,
    Probabilities,
    explained_probabilities,
)
from health.reasons.reasons import (
    below_each_other,
    coded,
    codes_of,
    frame_of,
    no_texts,
    plain,
    repeated,
    sparse,
    values_of,
)
from health.reasons.sentences import sentences
from health.settings.config import Config
from health.settings.flags import FlagsConfig
from models.base.inputs import SharedRows, columns_of

HELD, OPEN, NOT_ELIGIBLE = "held", "open", "not eligible"
UPSELL, CROSS_SELL = "upsell", "cross_sell"
#: The basis of an offer without a model.
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
#: Columns of an offer that `worded_details` needs.
_STEP_COLUMNS = ("offer_kind", "units_from", "units_to", "plan", "plan_to", "sign_terms")
#: Columns that are made for owned and for open products.
_OWN_COLUMNS = (
    *("place", "open_row", "product", "status", "offer", "held_mrr", "not_eligible", "basis"),
    *("probability", "base_rate", "step_mrr", "signs", *_STEP_COLUMNS),
)
#: All columns of `build_whitespace`.
_COLUMNS = (*COLUMNS, *_STEP_COLUMNS, "place", "open_row")
_MONTHS = 12


def build_whitespace(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    inputs: OfferInputs,
    models: Mapping[str, Any],
    config: Config,
) -> pd.DataFrame:
    """Return one row per account and product: owned, open, or not eligible.

    Parameters
    ----------
    features : pd.DataFrame
        One row per paying account of one date, with the growth features; the index is a range.
    scores : pd.DataFrame
        name, csm, stage, health_band, churn_probability, churn_base_rate, upsell_probability and
        upsell_base_rate, on the same index.
    inputs : OfferInputs
        The products of these accounts.
    models : mapping of str to object
        The artefacts of a trained version.
    config : Config
        The catalogue of products and its rules.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_products, n_columns)
        Columns `COLUMNS`, then those that `worded_details` needs, `place` (the account's row) and
        `open_row` (the row of `inputs.open`, −1 for an owned product), sorted by account and
        product.
        `offer` is upsell for an owned product, otherwise cross_sell. `gate` is why the account
        gets no offer now, `not_eligible` why it does not get this product; both are empty if
        nothing prevents it. `probability` is the chance of a purchase within the horizon (for an
        owned product, the account's upsell chance, divided among its products by how often each
        grew). `step_mrr` is the MRR it would add, `value` = probability × step × 12 × the chance
        that the account stays; both are NaN without a known price. An account that gave notice
        has neither probability nor value. `asked` and `signs` are reasons for the offer.
    """
    opened = cross_sell_chances(inputs, features, models)
    return plain(whitespace_rows(features, scores, inputs, opened.found, models, config))


def whitespace_rows(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    inputs: OfferInputs,
    opened: Probabilities,
    models: Mapping[str, Any],
    config: Config,
) -> pd.DataFrame:
    """Return the rows of `build_whitespace`; the columns of texts are categorical.

    Parameters
    ----------
    features, scores, inputs, models, config
        As for `build_whitespace`.
    opened : Probabilities
        As from `cross_sell_chances`.
    """
    held = _held_rows(features, scores, inputs, models, config)
    others = _open_rows(features, scores, inputs, opened, models, config)
    rows = below_each_other([held, others])
    order = np.lexsort((_ranks(rows["product"]), rows["place"]))
    columns = {name: values_of(rows[name])[order] for name in rows.columns}
    place = columns["place"]
    gone = known_to_leave(features).to_numpy()[place]
    for name in ("probability", "base_rate"):
        columns[name] = np.where(gone, np.nan, columns[name])
    stays = 1.0 - scores["churn_probability"].fillna(0.0).to_numpy()[place]
    columns["value"] = columns["probability"] * columns["step_mrr"] * _MONTHS * stays
    columns["account_id"] = repeated(features["account_id"], place)
    columns["as_of"] = features["as_of"].to_numpy()[place]
    for name in ("name", "csm"):
        columns[name] = repeated(scores[name], place)
    columns["asked"] = _asked(frame_of(columns), inputs.asked)
    gates = gate_reasons(scores, features, config.flags)
    gate, texts = pd.factorize(np.concatenate([gates.all, gates.asked]))
    of_all, of_asked = (half[place] for half in np.split(gate, 2))
    columns["gate"] = coded(np.where(columns["asked"] != "", of_asked, of_all), texts)
    return frame_of({name: columns[name] for name in _COLUMNS})


def _ranks(texts: pd.Series[Any]) -> npt.NDArray[np.intp]:
    """Return numbers in the order of the texts."""
    codes, names = codes_of(texts)
    ranks: npt.NDArray[np.intp] = np.argsort(np.argsort(names))
    return np.asarray(ranks[codes])


def cross_sell_chances(
    inputs: OfferInputs, features: pd.DataFrame, models: Mapping[str, Any]
) -> ExplainedProbabilities:
    """Return the chance that each product of `inputs.open` is bought, and the reasons for it.

    Parameters
    ----------
    inputs : OfferInputs
        The products of some accounts.
    features : pd.DataFrame
        The features of these accounts that the model reads, one row per account.
    models : mapping of str to object
        The artefacts of a trained version.
    """
    place = inputs.open["place"].to_numpy()
    model = models[CROSS_SELL]
    names = () if model is None else tuple(map(str, model.feature_names_in_))
    own = columns_of(inputs.open, [name for name in names if name in inputs.open])
    return explained_probabilities(models, CROSS_SELL, SharedRows(names, own, features, place))


def _open_rows(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    inputs: OfferInputs,
    found: Probabilities,
    models: Mapping[str, Any],
    config: Config,
) -> pd.DataFrame:
    offers = next_to_account(
        inputs.open, columns_of(features, read_by_rules(config).intersection(features))
    )
    place, count = inputs.open["place"].to_numpy(), len(offers)
    offers["stage"] = scores["stage"].to_numpy()[place]
    why_not, texts = pd.factorize(ineligible_reasons(offers, inputs.held, inputs.plans, config))
    product = coded(*codes_of(offers["product"]))
    groups = pd.Series(repeated(peer_groups(features, config), place))
    listed = config.expansion.list_prices(config.currency)
    nothing = np.full(count, np.nan)
    columns = {
        "place": place,
        "open_row": np.arange(count),
        "product": product,
        "status": coded((texts != "").astype(np.int8)[why_not], [OPEN, NOT_ELIGIBLE]),
        "offer": _constant(CROSS_SELL, count),
        "held_mrr": np.zeros(count),
        "not_eligible": coded(why_not, texts),
        "basis": basis_of(models, CROSS_SELL, product, config),
        "probability": found.probability.to_numpy(),
        "base_rate": found.base_rate.to_numpy(),
        "step_mrr": models["steps"].price(pd.Series(product), groups, listed).to_numpy(),
        **open_signs(offers),
        "offer_kind": _constant(PRODUCT, count),
        "units_from": nothing,
        "units_to": nothing,
        "plan": no_texts(count),
        "plan_to": no_texts(count),
    }
    return frame_of({name: columns[name] for name in _OWN_COLUMNS})


def _held_rows(
    features: pd.DataFrame,
    scores: pd.DataFrame,
    inputs: OfferInputs,
    models: Mapping[str, Any],
    config: Config,
) -> pd.DataFrame:
    held = inputs.held
    place, product = held["place"].to_numpy(), held["product"]
    steps = models["steps"]
    share = steps.upsell_weight(product, held["place"])
    groups = pd.Series(peer_groups(features, config).to_numpy()[place], index=held.index)
    tried = (features["growth_higher_plan_tried_28d"] > 0).to_numpy()[place]
    details = upsell_details(
        held,
        steps.upsell_step(product, held["held_mrr"], groups),
        pd.Series(tried, index=held.index),
        plans=config.expansion.plans,
        prices=inputs.prices,
    )
    count, found = len(held), {"probability": share.to_numpy(), "base_rate": share.to_numpy()}
    columns = {
        "place": place,
        "open_row": np.full(count, -1),
        "product": coded(*codes_of(product)),
        "status": _constant(HELD, count),
        "offer": _constant(UPSELL, count),
        "held_mrr": held["held_mrr"].to_numpy(dtype=float),
        "not_eligible": _constant("", count),
        "basis": basis_of(models, UPSELL, coded(*codes_of(product)), config),
        **{name: scores[f"upsell_{name}"].to_numpy()[place] * own for name, own in found.items()},
        **{name: texts.take(place) for name, texts in upsell_signs(features, config).items()},
        "plan": coded(*codes_of(held["plan"])),
        "offer_kind": coded(*codes_of(details["offer_kind"])),
        "plan_to": coded(*codes_of(details["plan_to"])),
        **{name: details[name].to_numpy() for name in ("units_from", "units_to", "step_mrr")},
    }
    return frame_of({name: columns[name] for name in _OWN_COLUMNS})


def _constant(text: str, count: int) -> pd.Categorical:
    return coded(np.zeros(count, dtype=np.int8), [text])


def basis_of(
    models: Mapping[str, Any], target: str, products: pd.Categorical, config: Config
) -> pd.Categorical:
    """Return the basis of each row's probability.

    Returns
    -------
    pd.Categorical
        ``model`` (of the account, or of a product that enough accounts bought), ``pooled model``
        (few accounts bought the product, so it shares the estimate of the others) or ``rules`` (no
        model has signal; the probability, if there is one, is the rate of past purchases).
    """
    model = models[target]
    if model is None or not model.has_signal_:
        return _constant(RULES, len(products))
    if target == UPSELL:
        return _constant("model", len(products))
    bought, enough = models["steps"].purchases, config.expansion.minimum_purchases
    few = np.array([bought.get(str(name), 0) < enough for name in products.categories], dtype=int)
    return coded(few[products.codes], ["model", "pooled model"])


def _asked(rows: pd.DataFrame, found: pd.DataFrame) -> pd.Categorical:
    """Return the quotes that ask for each row's product, or for more in general."""
    asking = np.flatnonzero(rows["account_id"].isin(found["account_id"]))
    if not len(asking):
        return _constant("", len(rows))
    own = plain(rows.iloc[asking][["account_id", "product", "offer"]])
    quotes = found.groupby(["account_id", "product"])["text"].agg("; ".join)
    keys = pd.MultiIndex.from_frame(own[["account_id", "product"]])
    of_product = pd.Series(quotes.reindex(keys).to_numpy(), index=own.index, dtype=object)
    in_general = own["account_id"].map(
        found[found["product"] == ""].groupby("account_id")["text"].agg("; ".join)
    )
    # A customer who asks for more without naming a product wants more of what it owns.
    general = in_general.where(own["offer"] == UPSELL)
    quote = of_product.where(of_product.notna(), general)
    return sparse(quote.where(quote.notna(), ""), asking, len(rows))


def best_rows(rows: pd.DataFrame, offer: str) -> npt.NDArray[np.intp]:
    """Return the position of each account's most valuable row of a kind of offer.

    Products that the account is not eligible for and accounts that gave notice are left out; other
    gates are temporary and do not count. Ties go to the first product.
    """
    eligible = (rows["offer"] == offer) & (rows["status"] != NOT_ELIGIBLE) & ~leaves(rows["gate"])
    own = np.flatnonzero(eligible.to_numpy(dtype=bool))
    account, product = codes_of(rows["account_id"])[0][own], _ranks(rows["product"])[own]
    # Unknown values come last.
    metrics = [-rows[name].to_numpy(dtype=float)[own] for name in ("probability", "value")]
    order = np.lexsort((product, *(np.nan_to_num(f, nan=np.inf) for f in metrics), account))
    return own[order[np.flatnonzero(np.diff(account[order], prepend=-1))]]


def worth_listing(
    rows: pd.DataFrame,
    limits: FlagsConfig,
    least_gain: float,
    *,
    best: npt.NDArray[np.intp] | None = None,
) -> pd.Series[bool]:
    """Return which offers are worth a place on a list.

    Nothing prevents them, their expected gain is worth a call, and there is a reason for them: a
    model finds them clearly likelier than usual, usage shows a sign, or the customer asked. Among
    an account's owned products, only the one with the largest gain is listed.

    Parameters
    ----------
    rows : pd.DataFrame
        As from `build_whitespace`.
    limits : FlagsConfig
        `expansion_lift`, and `least_lift`: a sign in usage counts only if the model finds the
        account at least that much likelier than usual.
    least_gain : float
        Minimum expected gain in a year, in currency, of an offer that the customer did not ask for.
        An offer without a known price is not compared.
    best : array of int, optional
        The result of `best_rows` for upsells, if it is known already.
    """
    modelled = rows["basis"] != RULES
    times = lift(rows["probability"], rows["base_rate"])
    not_unlikely = ~modelled | (times >= limits.least_lift)
    likely = modelled & (times >= limits.expansion_lift)
    has_reason = likely | ((rows["signs"] != "") & not_unlikely)
    gains = rows["value"].isna() | ((rows["value"] > 0) & (rows["value"] >= least_gain))
    asked = rows["asked"] != ""
    allowed = (rows["gate"] == "") & (rows["status"] != NOT_ELIGIBLE)
    largest = np.zeros(len(rows), dtype=bool)
    largest[best_rows(rows, UPSELL) if best is None else best] = True
    one_each: pd.Series[bool] = (rows["offer"] != UPSELL) | largest
    return allowed & one_each & ((has_reason & gains) | asked)


#: Seats or quota are at their limit from this share of use.
AT_LIMIT = 0.9
#: A product counts as common among peers if at least this share uses or owns it.
_PEERS = 0.5


def upsell_signs(features: pd.DataFrame, config: Config) -> dict[str, pd.Categorical]:
    """Return signs and sign_terms (their features) for an upsell; empty if there are none.

    The signs are seats or a quota at the limit, or close to it at the current pace, and use of
    features of a higher plan.
    """
    near, soon = config.expansion.near_limit_days, config.expansion.near_quota_days
    full = features["usage_quota_use_30d"] >= AT_LIMIT
    sources = {
        "usage_seat_utilisation_28d": features["usage_seat_utilisation_28d"] >= AT_LIMIT,
        "growth_seats_days_to_limit": features["growth_seats_days_to_limit"].between(0.5, near),
        "usage_quota_use_30d": full,
        "usage_quota_days_to_limit": features["usage_quota_days_to_limit"].between(0.5, soon)
        & ~full,
        "growth_higher_plan_tried_28d": features["growth_higher_plan_tried_28d"] > 0,
    }
    return _sentences(sources, features)


def open_signs(offers: pd.DataFrame) -> dict[str, pd.Categorical]:
    """Return signs and sign_terms (their features) for a product that is not owned.

    The signs are a trial of the product, and that most peers use its functions or own it.
    """
    sources = {
        "offer_tried_28d": offers["offer_tried_28d"] > 0,
        "offer_peer_use_28d": (offers["offer_peer_use_28d"] >= _PEERS)
        & ~(offers["offer_tried_28d"] > 0),
        "offer_peer_share": offers["offer_peer_share"] >= _PEERS,
    }
    return _sentences(sources, offers)


def _sentences(
    sources: dict[str, pd.Series[bool]], frame: pd.DataFrame
) -> dict[str, pd.Categorical]:
    every = {name: holds.to_numpy(dtype=bool) for name, holds in sources.items()}
    # Few rows have any.
    rows = np.flatnonzero(np.logical_or.reduce([*every.values()]))
    text, terms = (np.full(len(rows), "", dtype=object) for _ in range(2))
    for name, holds in every.items():
        chosen = holds[rows]
        described = sentences(name, frame[name].to_numpy(dtype=float)[rows[chosen]])
        before = text[chosen]
        text[chosen] = np.where(before == "", described, before + "; " + described)
        terms[chosen] += f" {name}"
    count = len(frame)
    return {"signs": sparse(text, rows, count), "sign_terms": sparse(terms, rows, count)}
