"""The columns of the workbook's sheets, each with its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from health.business.kinds import Business, business_of
from health.flags.actions import SNOOZE
from health.presentation.wording import ListKind

#: What a CSM may answer in the outcome column, and the action it means.
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
        The column it shows; columns to fill in by hand are not in the data.
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


_NOT_SHOWN = "Share of the influences that the reasons leave out: context and small ones."


def list_columns(kind: ListKind, run: Mapping[str, Any]) -> list[Column]:
    """Return the columns of a list, in order.

    Parameters
    ----------
    kind : ListKind
        The list.
    run : mapping
        Content of run.json: currency, horizon_days and the CLV's horizon are read.
    """
    unit, business = _unit(run), business_of(run)
    return [
        Column("CSM", "csm", "text", 18, "CSM of the account."),
        Column("Rank", "rank", "whole", 7, "Rank on the CSM's list: the most money first."),
        Column("Account", "name", "text", 30, "Name of the account, or its id."),
        *_offer(kind),
        *_health(),
        *_money(kind, unit, run["horizon_days"], business),
        Column(business.money + unit, "mrr", "money", 11, business.money_means),
        Column("Reasons", "reasons", "wrapped", 62, "Why the account is on the list."),
        Column("Not shown", "not_shown", "share", 9, _NOT_SHOWN),
        Column("Suggested play", "suggested_play", "wrapped", 34, "What to do."),
        *_terms(business),
        Column("Since", "since", "date", 12, "First run with the account on the list."),
        *ENTRIES,
        *_value(run),
        Column("Account id", "account_id", "text", 16, "Key of the account in the data."),
    ]


#: What CSMs fill in by hand.
ENTRIES = (
    Column("Outcome", "outcome", "entry", 13, f"Fill in one of: {', '.join(OUTCOMES)}."),
    Column("Rest until", "until", "entry_date", 12, "After not now: when to show it again."),
    Column("Notes", "notes", "entry", 40, "Anything worth keeping, with or without an outcome."),
)


def week_columns(run: Mapping[str, Any]) -> list[Column]:
    """Return the columns of a CSM's week, in order.

    Parameters
    ----------
    run : mapping
        Content of run.json.
    """
    unit, business = _unit(run), business_of(run)
    chance = f"Of the main action, within {run['horizon_days']} days."
    return [
        Column("CSM", "csm", "text", 18, "CSM of the account."),
        Column("Rank", "rank", "whole", 7, "Order in the CSM's week: start at the top."),
        Column("Account", "name", "text", 30, "Name of the account, or its id."),
        Column("Action", "main_action", "text", 12, "The main action for the account this week."),
        Column("Lists", "lists", "wrapped", 18, "All lists that the account is on."),
        Column("Due", "due", "date", 12, "Last day, renewal date, or the end of the week."),
        Column("Value" + unit, "value", "money", 13, "Money at stake in a year; see Value is."),
        Column("Value is", "value_is", "text", 15, f"Expected loss or gain, or {business.a_year}."),
        Column("Chance", "probability", "share", 9, chance),
        Column("Usual", "base_rate", "share", 9, "The rate of similar accounts."),
        Column(business.money + unit, "mrr", "money", 11, business.money_means),
        *_health(),
        Column("Reasons", "reasons", "wrapped", 56, "Why the account is in the week."),
        Column("Not shown", "not_shown", "share", 9, _NOT_SHOWN),
        Column("Suggested play", "play", "wrapped", 34, "What to do."),
        *_offered(business),
        *_terms(business),
        Column("Since", "since", "date", 12, "First run with the account on a list."),
        *ENTRIES,
        Column("Last action", "last_action", "text", 14, "What was recorded last."),
        Column("Account id", "account_id", "text", 16, "Key of the account in the data."),
    ]


def _offered(business: Business) -> list[Column]:
    """Return the column of offers, where there are any: orders are not learned from as offers."""
    if not business.has_terms:
        return []
    return [
        Column("Offer", "offered", "wrapped", 34, "What to offer: how much, from what to what.")
    ]


def account_columns(run: Mapping[str, Any]) -> list[Column]:
    """Return the columns of the sheet of all accounts, in order.

    Parameters
    ----------
    run : mapping
        Content of run.json.
    """
    unit, business = _unit(run), business_of(run)
    risk = business.risk[:1].upper() + business.risk[1:]
    contract = (
        [
            Column("ARR" + unit, "arr", "money", 12, "MRR × 12."),
            Column("Known to leave", "leaves", "text", 10, "yes: notice was given."),
            Column("Last day", "ends", "date", 12, "Of accounts known to leave."),
            *_terms(business),
            Column("Seats", "seats", "whole", 8, "Seats of the running contracts."),
            Column("Plan", "plan", "text", 14, "Plan of the running contracts."),
        ]
        if business.has_terms
        else []
    )
    return [
        Column("CSM", "csm", "text", 18, "CSM of the account."),
        Column("Account", "name", "text", 30, "Name of the account, or its id."),
        Column("Segment", "segment", "text", 14, "Segment of the account."),
        Column("Stage", "stage", "text", 14, "Stage of the account's life."),
        *_health(),
        Column(business.money + unit, "mrr", "money", 11, business.money_means),
        *contract,
        Column(risk, "churn_probability", "share", 11, "Empty where none is published."),
        Column("Usual", "churn_base_rate", "share", 9, "The rate of similar accounts."),
        Column(
            "Expected loss" + unit, "expected_loss", "money", 13, f"{risk} × {business.a_year}."
        ),
        Column("NPS", "nps", "text", 22, "Latest answer."),
        Column("Lists", "lists", "text", 26, "Lists that the account is on this week."),
        *_value(run),
        Column("Account id", "account_id", "text", 16, "Key of the account in the data."),
    ]


def _unit(run: Mapping[str, Any]) -> str:
    return f" ({run['currency']})" if run["currency"] else ""


def _health() -> list[Column]:
    return [
        Column("Band", "band", "text", 10, "Band of the health score: R red, Y yellow, G green."),
        Column("Health", "health_score", "score", 9, "Health score, 0-100, higher is better."),
        Column("Change", "health_change", "change", 9, "Points since the previous run."),
    ]


def _terms(business: Business) -> list[Column]:
    if not business.has_terms:
        return []
    about = "Days until the term ends."
    return [
        Column("Renewal", "renews", "date", 12, "When the running term ends; empty: no term."),
        Column("Renewal in (days)", "days_to_renewal", "whole", 11, about),
    ]


def _value(run: Mapping[str, Any]) -> list[Column]:
    unit, months = _unit(run), run["clv"]["horizon_months"]
    about = f"Margin expected over {months} months, discounted."
    own = "The {} end of the range that contains 95 % of such customers."
    mean = "The {} end of the 95 % interval of their average."
    growth = "Growth in the first year of the MRR of those who stay, part of the lifetime value."
    columns = [
        Column("Lifetime value" + unit, "clv", "money", 14, about),
        Column("Such customers from" + unit, "clv_low", "money", 14, own.format("lower")),
        Column("Such customers to" + unit, "clv_high", "money", 14, own.format("upper")),
        Column("Average from" + unit, "clv_mean_low", "money", 12, mean.format("lower")),
        Column("Average to" + unit, "clv_mean_high", "money", 12, mean.format("upper")),
    ]
    if business_of(run).has_terms:
        columns.append(Column("Growth a year", "growth", "share", 9, growth))
    return columns


def _offer(kind: ListKind) -> list[Column]:
    if kind.flag not in {"upsell", "cross_sell"}:
        return []
    return [
        Column("Product", "product", "text", 18, "The product to offer."),
        Column("Offer", "offered", "wrapped", 34, "What to offer: how much, from what to what."),
    ]


def _money(kind: ListKind, unit: str, days: int, business: Business) -> list[Column]:
    """Return the money that ranks a list, and its chance where there is one."""
    if not kind.chance:
        return []
    about = (
        f"{business.risk.capitalize()} × {business.a_year}; empty where no chance is published."
        if kind.output == "churn"
        else "Chance × a year of the offer's price × the chance that the account stays."
    )
    within = f"Within {days} days." if business.has_terms else "By now; inferred from past orders."
    return [
        Column(kind.value + unit, "value", "money", 16, about),
        Column(kind.chance, "probability", "share", 11, within),
        Column("Usual", "base_rate", "share", 9, "The rate of similar accounts."),
    ]
