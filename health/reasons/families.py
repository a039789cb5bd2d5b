"""Reasons by family of features: what usage, support, surveys and contract each add."""

from __future__ import annotations

import pandas as pd

from features.catalogue import CATALOGUE
from health.reasons.signals import BASELINE

#: What a family is called in a sentence.
TITLES = {
    "usage": "Usage",
    "tickets": "Support",
    "surveys": "Survey answers",
    "commercial": "The contract",
    "journey": "Onboarding",
    "orders": "The ordering pattern",
    "contacts": "Contacts",
    "invoices": "Invoices",
    "interactions": "Conversations",
    "goals": "Goals",
    "voice": "What they write",
    "account": "Kind of account",
}
#: Maximum number of sentences per family.
_NAMED = 2


def family_of(term: str) -> str:
    """Return the family of a reason's term; ``account`` if it is not a built-in feature."""
    if term in CATALOGUE:
        return CATALOGUE[term].family
    return "orders" if term.startswith("orders_") else "account"


def family_reasons(reasons: pd.DataFrame) -> pd.DataFrame:
    """Add up the reasons of one output by account and family, with a sentence each.

    Parameters
    ----------
    reasons : pd.DataFrame
        Rows of one probability, as from `reason_rows`: account_id, term, contribution, text.

    Returns
    -------
    pd.DataFrame, shape = (n_accounts × n_families, 4)
        account_id, family, contribution (log-odds; together with the baseline they sum to the
        published value) and text, which lists the strongest reasons in the family's direction;
        strongest first within an account.
    """
    terms = reasons[reasons["term"] != BASELINE]
    terms = terms.assign(family=terms["term"].map(family_of))
    total = terms.groupby(["account_id", "family"], observed=True)["contribution"].transform("sum")
    # Only terms in the direction of the family's sum explain it.
    pulls = terms["contribution"].where(terms["contribution"] * total > 0, 0.0).abs()
    ordered = terms.assign(total=total, pulls=pulls).sort_values(
        ["account_id", "family", "pulls", "term"], ascending=[True, True, False, True]
    )
    named = (
        ordered[ordered["pulls"] > 0].groupby(["account_id", "family"], observed=True).head(_NAMED)
    )
    text = named.groupby(["account_id", "family"], observed=True)["text"].agg("; ".join)
    summed = ordered.groupby(["account_id", "family"], observed=True)["total"].first()
    table = pd.DataFrame({"contribution": summed, "text": text}).reset_index()
    table["text"] = [
        _sentence(str(family), float(pull), text)
        for family, pull, text in zip(
            table["family"], table["contribution"], table["text"], strict=True
        )
    ]
    order = table["contribution"].abs().sort_values(ascending=False, kind="stable").index
    strongest = table.loc[order].sort_values("account_id", kind="stable")
    return strongest[["account_id", "family", "contribution", "text"]].reset_index(drop=True)


def _sentence(family: str, contribution: float, text: object) -> str:
    title = TITLES.get(family, family.capitalize())
    if not isinstance(text, str):
        return f"{title}: no effect"
    way = "raises" if contribution > 0 else "lowers"
    return f"{title} {way} it: {text}"
