"""The weekly report: one HTML file that needs no network, for CSMs and their heads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from health.business.kinds import ORDERS, Business, business_of, with_money
from health.presentation import wording
from health.presentation.html_page import content_policy, page_environment, source_of
from health.presentation.wording import ListKind
from health.reasons.reasons import with_columns
from health.report.background import Background
from health.report.book import build_book
from health.report.details import packed_details
from health.report.history import History
from health.report.lists import Lists, build_lists, week_titles
from health.training.rivals import score_verdict
from models.clv.growth import GROWTH_MONTHS

#: Columns that a report reads and an older run may lack; they count as unknown.
_SCORE_COLUMNS = (
    *("name", "csm", "segment", "industry", "region", "stage", "mrr", "tenure_days"),
    *("health_score", "health_band", "health_coverage", "health_change", "not_scored_reason"),
    *("churn_probability", "churn_base_rate", "expected_loss", "clv", "clv_low", "clv_high"),
    *("upsell_probability", "upsell_base_rate", "upsell_value", "cross_sell_product"),
    *("cross_sell_probability", "cross_sell_base_rate", "cross_sell_value", "days_to_renewal"),
    *("seats", "past_value", "order_probability", "orders_expected"),
)
_TEXTS = {
    *("name", "csm", "segment", "industry", "region", "stage", "health_band"),
    *("not_scored_reason", "cross_sell_product"),
}
_FLAG_COLUMNS = ("probability", "product", "base_rate")
#: The table of all accounts and that of the week, among the lists.
EVERYONE, WEEK = "everyone", "my_week"


def render_report(
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
    *,
    history: History | None = None,
    background: Background | None = None,
    week: pd.DataFrame | None = None,
    csm: str | None = None,
) -> str:
    """Render a run as one self-contained HTML page.

    Parameters
    ----------
    scores, reasons, flags : pd.DataFrame
        The tables of the run directory.
    run : mapping
        Content of run.json.
    history : History, optional
        Earlier runs: adds last week's bands, lines of the score, and what changed.
    background : Background, optional
        What the input tables add: revenue, surveys, products, tickets and answers.
    week : pd.DataFrame, optional
        As in my_week.parquet.
    csm : str, optional
        Whose page it is: the lists come first, and it leaves out what only operators and heads
        of customer success need. All tables must be of this CSM's accounts alone.

    Returns
    -------
    str
        HTML without any reference to a network; its Content-Security-Policy allows nothing
        but the page's own style and script, by their hashes.
    """
    business = business_of(run)
    scores, flags = with_all_columns(with_money(scores)), _complete(flags, _FLAG_COLUMNS)
    history, background = history or History(), background or Background()
    lists = build_lists(scores, flags, run, week)
    environment = _environment()
    style = source_of(environment, "report.css") + _phone_labels(business)
    script = source_of(environment, "report.js")
    return environment.get_template("report.html.j2").render(
        run=run,
        business=business,
        csm=csm,
        book=build_book(scores, reasons, flags, run, history, background),
        lists=lists,
        week_titles=week_titles(business),
        account_titles=account_titles(business),
        number_titles={
            *(business.money, _sentence(business.risk), "Expected loss", "Chance", "Value"),
        },
        details=packed_details(lists.accounts, scores, reasons, flags, run, history, background),
        style=Markup(style),
        script=Markup(script),
        policy=content_policy(style, script),
        footnotes=_footnotes(run, lists),
    )


def with_all_columns(scores: pd.DataFrame) -> pd.DataFrame:
    """Add the columns that pages read and a run of an earlier version lacks, as unknown."""
    return _complete(scores, _SCORE_COLUMNS)


def _complete(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Add the missing columns as unknown."""
    absent = [column for column in columns if column not in frame.columns]
    if not absent:
        # Of a large company, a copy is as large as all its scores.
        return frame
    unknown = {
        name: np.full(len(frame), *((None, object) if name in _TEXTS else (np.nan, float)))
        for name in absent
    }
    return with_columns(frame, **unknown)


def _environment() -> Environment:
    environment = page_environment("health.report")
    environment.filters.update(sort_key=_sort_key)
    return environment


def _sort_key(value: float) -> str:
    """Write the number by which a column is sorted; empty where there is none."""
    return "" if math.isnan(value) else f"{float(value):.5g}"


def _phone_labels(business: Business) -> str:
    """Name the cells of each list on a narrow page, which has no headings."""
    columns = {kind.flag: column_titles(kind, business) for kind in business.lists}
    columns[EVERYONE], columns[WEEK] = account_titles(business), week_titles(business)
    rules = [
        f'#list-{flag} td:nth-child({place})::before{{content:"{title}"}}'
        for flag, titles in columns.items()
        for place, title in enumerate(titles, 1)
        if place > 1
    ]
    return "@media screen and (max-width:1060px){" + "".join(rules) + "}\n"


def column_titles(kind: ListKind, business: Business) -> list[str]:
    """Return the headings of a list's columns, in order."""
    money = [title for title in (kind.chance, kind.value) if title]
    last = ["Why", *business.term_titles, "Since"]
    return ["Account", business.money, "Health", *money, *last]


def account_titles(business: Business) -> list[str]:
    """Return the headings of the table of all accounts, in order."""
    risk = _sentence(business.risk)
    return [
        "Account",
        business.money,
        "Health",
        risk,
        "Expected loss",
        "Stage",
        *business.term_titles,
        "Lists",
    ]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _contract_notes(days: int) -> tuple[str, ...]:
    return (
        f"Chance: the share of accounts like this one that leave, grow or buy within {days} days. "
        "Usual: the rate of similar accounts.",
        "Expected loss: chance of leaving × a year of MRR. Expected gain: chance × a year of the "
        "offer's price × the chance that the account stays.",
        "Accounts that gave notice are known to leave: they have no chance of leaving, and they "
        "are not part of the money at risk.",
    )


_ORDER_NOTES = (
    "These customers have no contract, so leaving is not observed. The chance of having left is "
    "inferred from how often a customer ordered and how long ago the last order was (BG/NBD). "
    "Usual: the chance of similar customers.",
    "Expected loss: chance of having left × what the customer would order in a year if it were "
    "still a customer. Monthly orders: the orders of the last 365 days, divided by 12.",
)


_GROWTH_NOTE = (
    f" Customers who stay are expected to grow like their peers for {GROWTH_MONTHS} months, or "
    "less if that made past values less accurate, and to pay the same after that."
)


def _band_note(run: Mapping[str, Any]) -> str:
    """Explain why a score close to a limit may have the other band."""
    bands = run.get("score_settings", {}).get("scorecard", {}).get("bands", {})
    if not bands.get("margin"):
        return ""
    return (
        f" Red is below {bands['yellow']:g}, green from {bands['green']:g}; a band changes only "
        f"{bands['margin']:g} points beyond its limit, so a score close to a limit keeps its band."
    )


def _footnotes(run: Mapping[str, Any], lists: Lists) -> list[str]:
    clv, by_orders = run["clv"], business_of(run).key == ORDERS
    auc = run.get("score_auc")
    growth = "" if by_orders else _GROWTH_NOTE
    context = "the size of the account" if by_orders else "the renewal date and the account's size"
    notes = [
        *(_ORDER_NOTES if by_orders else _contract_notes(run["horizon_days"])),
        f"Lifetime value: the margin of {wording.percent(clv['margin'])} expected over the next "
        f"{clv['horizon_months']} months, discounted at {wording.percent(clv['discount_rate'])} a "
        f"year, in {clv['currency']}. A single customer may leave early or grow, so 95 % of such "
        f"customers end in a wide range; the range of their average is narrow.{growth}",
        f"Not shown: influences that are not reasons to act, such as {context}, other time windows "
        "of a signal that is shown, and small influences. reasons.parquet contains all of them.",
        "Health score: 0 to 100, higher is better. A measure without data gives its weight to the "
        f"others; an account with too little data is not scored.{_band_note(run)}"
        f"{'' if not auc else ' ' + score_verdict(auc)}",
        f"All amounts are in {run['currency']}. All dates are UTC. Data up to "
        f"{wording.day(run['as_of'])}, not including that day.",
    ]
    if lists.left_out:
        notes.append(
            f"{wording.count(lists.left_out, 'row')} of low rank do not fit on this page; the "
            "files of the folder lists have all of them."
        )
    if lists.accounts_left_out:
        notes.append(
            f"{wording.count(lists.accounts_left_out, 'small account')} do not fit on this page; "
            "the workbook has more of them, and scores.parquet has all."
        )
    return notes
