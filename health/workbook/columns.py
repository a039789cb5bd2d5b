"""The columns of the workbook's lists, each with its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from health.business.kinds import Business, business_of
from health.flags.actions import SNOOZE
from health.presentation.wording import ListKind

#: What a CSM may answer in the outcome column, and the action it stands for.
OUTCOMES = {
    "called": "called",
    "saved": "saved",
    "lost": "lost",
    "bought": "bought",
    "false alarm": "false_alarm",
    "not now": SNOOZE,
}


@dataclass(frozen=True)
class Column:
    """A column of a list.

    Attributes
    ----------
    title : str
        Its heading, with the unit.
    source : str
        The column of the joined flags it shows; one that is filled in by hand has none there.
    style : str
        Name of the cell format.
    width : int
        In characters.
    meaning : str
        For the legend.
    """

    title: str
    source: str
    style: str
    width: int
    meaning: str


def list_columns(kind: ListKind, run: Mapping[str, Any]) -> list[Column]:
    """Return the columns of a list, in order.

    Parameters
    ----------
    kind : ListKind
        The list.
    run : mapping
        Content of run.json: currency, horizon_days and the CLV's horizon are read.
    """
    unit = f" ({run['currency']})" if run["currency"] else ""
    months, business = run["clv"]["horizon_months"], business_of(run)
    term = Column("Renewal in (days)", "days_to_renewal", "whole", 11, "Days until the term ends.")
    return [
        Column("CSM", "csm", "text", 18, "Who looks after the account."),
        Column("Rank", "rank", "whole", 7, "Place on the CSM's own list: the most money first."),
        Column("Account", "name", "text", 30, "Name of the account."),
        *_offer(kind),
        Column("Band", "band", "text", 10, "Band of the health score: R red, Y yellow, G green."),
        Column("Health", "health_score", "score", 9, "Health score, 0-100, higher is better."),
        Column("Change", "health_change", "change", 9, "Points of health since the run before."),
        *_money(kind, unit, run["horizon_days"], business),
        Column(business.money + unit, "mrr", "money", 11, business.money_means),
        Column("Reasons", "reasons", "wrapped", 62, "Why the account is on the list."),
        Column("Suggested play", "suggested_play", "wrapped", 34, "What to do."),
        *([term] if business.has_terms else []),
        Column("Since", "since", "date", 12, "First run of which the account is on the list."),
        Column("Outcome", "outcome", "entry", 13, f"Fill in one of: {', '.join(OUTCOMES)}."),
        Column(
            "Rest until",
            "until",
            "entry_date",
            12,
            "After not now: when to show it again.",
        ),
        Column("Notes", "notes", "entry", 40, "Fill in whatever is worth keeping."),
        Column(
            "Lifetime value" + unit,
            "clv",
            "money",
            14,
            f"Margin expected over {months} months, discounted.",
        ),
        Column("Likely from" + unit, "clv_low", "money", 12, "Lower end of its 95 % range."),
        Column("Likely to" + unit, "clv_high", "money", 12, "Upper end of its 95 % range."),
        Column("Account id", "account_id", "text", 16, "Key of the account in the data."),
    ]


def _offer(kind: ListKind) -> list[Column]:
    if kind.flag != "cross_sell":
        return []
    return [Column("Product", "product", "text", 18, "The product to offer.")]


def _money(kind: ListKind, unit: str, days: int, business: Business) -> list[Column]:
    """Return the money a list is ranked by, and the chance behind it where there is one."""
    if not kind.chance:
        means = f"{business.money}: what the list is ranked by."
        return [Column("Value" + unit, "value", "money", 14, means)]
    about = (
        f"{business.risk.capitalize()} × {business.a_year}; {business.a_year} where no chance is "
        "published."
        if kind.output == "churn"
        else "Chance × a year of the step's price × the chance that the account stays."
    )
    within = f"Within {days} days." if business.has_terms else "By now; inferred from the orders."
    return [
        Column(kind.value + unit, "value", "money", 16, about),
        Column(kind.chance, "probability", "share", 11, within),
        Column("Usual", "base_rate", "share", 9, "The rate among accounts like this one."),
    ]
