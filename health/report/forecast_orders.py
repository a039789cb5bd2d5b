"""The forecast of a company whose customers order: expected orders, and expected loss."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from health.presentation import wording
from health.report.background import Background
from health.report.book import Tile
from health.report.forecast import MONTHS_OF_YEAR, Range, draw_range, expected_losses
from health.report.forecast_tables import (
    MOST_ACCOUNTS,
    Line,
    Table,
    account_name,
    none_yet,
    range_ends,
    range_words,
    spaced,
)

#: Chances of having left by which customers are grouped.
_CHANCE_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def order_page(
    scores: pd.DataFrame, run: Mapping[str, Any], background: Background
) -> tuple[list[Tile], dict[str, Table]]:
    """Return tiles and tables of a company whose customers order."""
    days, currency = run["horizon_days"], run["currency"]
    a_year = scores["mrr"] * MONTHS_OF_YEAR
    chance = scores["churn_probability"].astype(float)
    potential = expected_losses(scores) / chance.where(chance > 0)
    found = draw_range(chance, potential)
    loss = Range() if found.empty else Range(*map(float, found.iloc[0]))
    expected = scores["orders_expected"]
    tiles = [
        Tile(
            "Orders of a year",
            wording.money_short(float(a_year.sum()), currency),
            f"of the last 365 days, by {wording.count(len(scores), 'customer')}",
        ),
        Tile(
            "Expected orders",
            wording.count(round(expected.sum())) if expected.notna().any() else wording.NONE,
            f"number in the next {days} days",
        ),
        Tile(
            "Expected loss",
            wording.money_short(loss.value, currency),
            range_words(loss, currency) or "no chance of having left is published",
        ),
        Tile(
            "Lifetime value",
            wording.money_short(scores["clv"].sum(min_count=1), currency),
            f"margin of the next {run['clv']['horizon_months']} months, discounted",
        ),
    ]
    tables = {
        "due": _by_chance(scores, run, potential),
        "top": _top_order_losses(scores, run),
        "past": _past_orders(background.monitor, run),
    }
    return tiles, tables


def _by_chance(scores: pd.DataFrame, run: Mapping[str, Any], potential: pd.Series[float]) -> Table:
    """Group customers by their chance of having left; the last line is the total."""
    chance = scores["churn_probability"].astype(float)
    bands = pd.cut(chance, list(_CHANCE_EDGES), include_lowest=True, labels=False)
    ranges = draw_range(chance, potential, bands)
    lines = []
    for number, (low, high) in enumerate(pairwise(_CHANCE_EDGES)):
        own = scores[bands == number]
        found = ranges[ranges.index == number]
        spread = None if found.empty else found.iloc[0]
        title = f"{low:.0%} to {high:.0%}".replace("%", " %")
        lines.append(_chance_line(title, own, spread, run))
    if bands.isna().any():
        lines.append(_chance_line("not published", scores[bands.isna()], None, run))
    whole = draw_range(chance, potential)
    spread = None if whole.empty else whole.iloc[0]
    lines.append(_chance_line("All customers", scores, spread, run, strong=True))
    return Table(
        "Customers by their chance of having left",
        [
            "Chance of having left",
            "Customers",
            "Orders of a year",
            "Expected orders",
            "Expected loss",
            "80 % range",
        ],
        lines,
        f"Expected orders: number in the next {run['horizon_days']} days. Expected loss: chance of "
        "having left × what the customer would order in a year if it were still a customer.",
    )


def _chance_line(
    title: str,
    own: pd.DataFrame,
    spread: pd.Series[float] | None,
    run: Mapping[str, Any],
    *,
    strong: bool = False,
) -> Line:
    currency, expected = run["currency"], own["orders_expected"]
    amount = Range() if spread is None else Range(*map(float, spread))
    cells = [
        title,
        wording.count(len(own)),
        wording.money(float(own["mrr"].sum()) * MONTHS_OF_YEAR, currency),
        wording.count(round(expected.sum())) if expected.notna().any() else wording.NONE,
        wording.money(amount.value, currency),
        range_ends(amount, currency),
    ]
    return Line(cells, strong)


def _top_order_losses(scores: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    own = scores[scores["expected_loss"] > 0]
    top = own.sort_values(["expected_loss", "account_id"], ascending=[False, True])
    lines = [
        Line(
            [
                account_name(row),
                wording.text_of(row["csm"]),
                wording.money(row["mrr"] * MONTHS_OF_YEAR, run["currency"]),
                wording.percent(row["churn_probability"]),
                wording.money(row["expected_loss"], run["currency"]),
            ]
        )
        for row in top.head(MOST_ACCOUNTS).to_dict("records")
    ]
    return Table(
        "Top ten by expected loss",
        ["Customer", "CSM", "Orders of a year", "Chance of having left", "Expected loss"],
        lines,
        "",
        "No expected loss: no chance of having left is published.",
    )


def _past_orders(monitor: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    lines = []
    for row in spaced(monitor, "orders_expected").to_dict("records"):
        ends = [row["orders_ratio_low"], row["orders_ratio_high"]]
        lines.append(
            Line(
                [
                    wording.day(row["as_of"]),
                    wording.count(row["accounts"]),
                    f"{row['orders_expected']:,.0f}",
                    wording.count(row["orders"]),
                    f"{row['orders_ratio']:.2f} ({ends[0]:.2f} to {ends[1]:.2f})",
                ]
            )
        )
    return Table(
        "Past forecasts and what happened",
        ["Run", "Customers", "Orders expected", "Orders", "Orders ÷ expected (95 % interval)"],
        lines,
        f"Runs whose {run['horizon_days']} days have passed, at least four weeks apart.",
        none_yet(run),
    )
