"""The content of an offer: seats, a plan or a product, with its change and price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from health.presentation.wording import count, money, text_of

#: Kinds of offers: more seats, the next plan, a product not owned, or more of an owned product
#: that has neither seats nor plans.
SEATS, PLAN, PRODUCT, MORE = "seats", "plan", "product", "more"
#: Columns that describe an offer in the published tables.
DETAILS = ("offer_kind", "offer_from", "offer_to", "offered")
#: Columns that the words are made of.
_WORDED = [
    *("product", "offer_kind", "held_mrr", "step_mrr", "units_from", "units_to", "plan", "plan_to")
]
#: Minimum number of accounts on a plan to determine its price.
_FEW = 3


def plan_prices(held: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the median MRR per seat by product and plan; per contract if it has no seats.

    Parameters
    ----------
    held : pd.DataFrame
        product, plan, seats, held_mrr of every account.
    """
    known = held[held["plan"].notna() & (held["held_mrr"] > 0)]
    unit = known["held_mrr"] / known["seats"].where(known["seats"] > 0, 1.0)
    prices = unit.groupby([known["product"], known["plan"]]).agg(["median", "size"])
    enough = prices[prices["size"] >= _FEW].reset_index()
    keys = zip(enough["product"], enough["plan"], strict=True)
    return dict(zip(keys, enough["median"].astype(float), strict=True))


def upsell_details(
    held: pd.DataFrame,
    usual_step: pd.Series[float],
    tried_higher: pd.Series[bool],
    *,
    plans: Sequence[str],
    prices: Mapping[tuple[str, str], float],
) -> pd.DataFrame:
    """Return the upsell to offer for each owned product.

    It is the next plan if its features were tried or there are no seats to add; otherwise the
    number of seats that accounts usually add; otherwise more of the product.

    Parameters
    ----------
    held : pd.DataFrame
        product, held_mrr, seats (0 without any) and plan (None without one).
    usual_step : pd.Series of float
        MRR that an upsell usually adds; NaN if no upsell was observed.
    tried_higher : pd.Series of bool
        Whether the account tried features of a higher plan.
    plans : sequence of str
        The plans, lowest first.
    prices : mapping of (product, plan) to float
        As from `plan_prices`.

    Returns
    -------
    pd.DataFrame
        offer_kind, units_from, units_to (seats; NaN for other kinds), plan_to, step_mrr (in
        currency per month), on the index of `held`.
    """
    seats = held["seats"].fillna(0.0).astype(float)
    to_plan = held["plan"].map(dict(pairwise(plans)))
    unit = _prices(held["product"], to_plan, prices)
    plan_step = unit * seats.where(seats > 0, 1.0) - held["held_mrr"]
    by_plan = (plan_step > 0) & (tried_higher | (seats <= 0))
    share = usual_step / held["held_mrr"]
    added = np.maximum(1.0, np.round(seats * share))
    by_seats = ~by_plan & (seats > 0)
    step = usual_step.where(~by_plan, plan_step)
    step = step.where(~by_seats, added * held["held_mrr"] / seats.where(seats > 0, 1.0))
    kind = np.select([by_plan, by_seats], [PLAN, SEATS], MORE)
    return pd.DataFrame(
        {
            "offer_kind": kind,
            "units_from": seats.where(by_seats),
            "units_to": (seats + added).where(by_seats),
            "plan_to": to_plan.where(by_plan),
            "step_mrr": step,
        },
        index=held.index,
    )


def _prices(
    products: pd.Series[str], plans: pd.Series[str], prices: Mapping[tuple[str, str], float]
) -> pd.Series[float]:
    if not prices:
        return pd.Series(np.nan, index=products.index)
    keys = pd.MultiIndex.from_arrays([products, plans])
    found = pd.Series(prices).reindex(keys).to_numpy(dtype=float)
    return pd.Series(found, index=products.index)


def worded_details(rows: pd.DataFrame, currency: str) -> pd.DataFrame:
    """Describe offers in words.

    Parameters
    ----------
    rows : pd.DataFrame
        product, offer_kind, held_mrr, step_mrr, units_from, units_to, plan, plan_to.
    currency : str
        Currency of the amounts.

    Returns
    -------
    pd.DataFrame
        Columns `DETAILS` on the same index.
    """
    worded = [_worded(row, currency) for row in rows[_WORDED].to_dict("records")]
    return pd.DataFrame(worded, index=rows.index, columns=list(DETAILS), dtype=object)


def _worded(row: Mapping[object, object], currency: str) -> tuple[str, str, str, str]:
    kind, product = text_of(row["offer_kind"]), text_of(row["product"])
    step = float(row["step_mrr"])  # type: ignore[arg-type]
    price = "price not known" if np.isnan(step) else f"about {money(step, currency)} a month"
    if kind == PRODUCT:
        return kind, "", product, f"{product}, {price}"
    if kind == PLAN:
        before, after = text_of(row["plan"]), text_of(row["plan_to"])
        return kind, before, after, f"{product} {after} instead of {before}, {price} more"
    before = money(float(row["held_mrr"]), currency) + " a month"  # type: ignore[arg-type]
    if np.isnan(step):
        return kind, before, "", f"More of {product}, {price}"
    if kind == SEATS:
        first, last = (float(row[name]) for name in ("units_from", "units_to"))  # type: ignore[arg-type]
        more = f"{count(last - first, 'more seat')} of {product}"
        text = f"{more} ({first:,.0f} → {last:,.0f}), {price} more"
        return kind, count(first, "seat"), count(last, "seat"), text
    after = money(float(row["held_mrr"]) + step, currency) + " a month"  # type: ignore[arg-type]
    return kind, before, after, f"More of {product}, {price} more (now {before})"
