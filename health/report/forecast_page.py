"""The forecast page: what a head of customer success and a CFO sign, on two printed pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup
from threadpoolctl import threadpool_limits

from health.business.kinds import Business, business_of, with_money
from health.presentation import wording
from health.presentation.html_page import content_policy, page_environment, source_of
from health.report.background import Background
from health.report.book import Tile
from health.report.forecast import MONTHS_OF_YEAR, Forecast, build_forecast
from health.report.forecast_contracts import contract_page
from health.report.forecast_orders import order_page
from health.report.page import with_all_columns


def render_forecast(
    scores: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
    *,
    background: Background | None = None,
) -> str:
    """Render the forecast of a run as one self-contained HTML page.

    Parameters
    ----------
    scores, flags : pd.DataFrame
        The tables of the run directory.
    run : mapping
        Content of run.json.
    background : Background, optional
        Past periods and past forecasts.

    Returns
    -------
    str
        HTML without a script and without any reference to a network.
    """
    business = business_of(run)
    scores = with_all_columns(with_money(scores))
    background = background or Background()
    # The small products of the draws gain nothing from threads and lose much on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        forecast = build_forecast(scores, run, background.periods)
        if business.has_terms:
            tiles, tables = contract_page(scores, flags, run, forecast, background)
        else:
            tiles, tables = order_page(scores, run, background)
    environment = page_environment("health.report")
    style = source_of(environment, "report.css") + source_of(environment, "forecast.css")
    return environment.get_template("forecast.html.j2").render(
        run=run,
        business=business,
        tiles=tiles,
        tables=tables,
        style=Markup(style),
        policy=content_policy(style),
        definitions=_definitions(run, business, tiles),
        reconciled=_reconciled(scores, run, business, forecast),
    )


def _definitions(
    run: Mapping[str, Any], business: Business, tiles: list[Tile]
) -> list[tuple[str, str]]:
    """Define every tile, in their order."""
    days = run["horizon_days"]
    words = {
        "ARR today": "Annual recurring revenue: the MRR of all accounts that pay on the date × 12.",
        f"Due within {days} days": "ARR of accounts whose running term ends within the horizon, "
        "without accounts known to leave. Month-to-month accounts are not due.",
        "Known to leave": "ARR of accounts that gave notice, in full. It is not part of the "
        "expected loss.",
        "Expected loss": "Sum over the other accounts of the chance of leaving within the horizon "
        "× a year of MRR."
        if business.has_terms
        else "Sum over all customers of the chance of having left × what the customer would order "
        "in a year if it were still a customer.",
        "Expected expansion": "Sum of the chance of accepting an upsell or a cross-sell within the "
        "horizon × a year of its price × the chance that the account stays.",
        f"ARR in {days} days": "ARR today − known to leave within the horizon − expected loss − "
        "contraction + expected expansion. New customers are not included.",
        "Orders of a year": "What all customers ordered in the last 365 days.",
        "Expected orders": "Sum over all customers of the number of orders expected within the "
        "horizon (BG/NBD).",
        "Lifetime value": "Sum over all customers of the discounted margin of their future orders.",
    }
    independent = (
        "Ranges of renewals and retention allow for accounts of a month leaving together and for "
        "the error of the rate, as far as past months show them; those of expected loss and "
        "expansion take accounts as independent"
        if business.has_terms
        else "Customers are taken as independent"
    )
    ranges = (
        "80 % range",
        f"8 of 10 outcomes lie within it, one in ten below and one in ten above. {independent}, so "
        "that a shock that hits many at once, such as a price rise, makes outcomes spread wider.",
    )
    return [*((tile.title, words[tile.title]) for tile in tiles if tile.title in words), ranges]


def _reconciled(
    scores: pd.DataFrame, run: Mapping[str, Any], business: Business, forecast: Forecast
) -> str:
    """State that the totals of the page add up to the MRR of the run."""
    currency, monthly = run["currency"], float(scores["mrr"].sum())
    if not business.has_terms:
        return (
            f"Reconciliation: {business.money.lower()} of {wording.count(len(scores), 'customer')} "
            f"{wording.money(monthly, currency)} × 12 = "
            f"{wording.money(monthly * MONTHS_OF_YEAR, currency)}, the last line of the table."
        )
    due, leaving = float(forecast.due["arr"].sum()), float(forecast.due["leaving_arr"].sum())
    return (
        f"Reconciliation: ARR due {wording.money(due, currency)} + known to leave "
        f"{wording.money(leaving, currency)} = {wording.money(due + leaving, currency)} = MRR "
        f"{wording.money(monthly, currency)} × 12, of {wording.count(len(scores), 'account')}."
    )
