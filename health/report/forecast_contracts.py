"""The forecast of a company with contracts: what is due, expected to leave, and to grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from health.presentation import wording
from health.report.background import Background
from health.report.book import Tile, no_chance
from health.report.forecast import (
    MONTHS_OF_YEAR,
    Bridge,
    Forecast,
    Range,
    expected_losses,
    known_to_leave,
    last_days,
    renewal_dates,
)
from health.report.forecast_renewals import due_table, ledger_table, retention_tables
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
from health.report.revenue import RevenueMovements


def contract_page(
    scores: pd.DataFrame,
    flags: pd.DataFrame,
    run: Mapping[str, Any],
    forecast: Forecast,
    background: Background,
) -> tuple[list[Tile], dict[str, Table]]:
    """Return tiles and tables of a company with contracts.

    Parameters
    ----------
    scores, flags : pd.DataFrame
        The tables of the run directory.
    run : mapping
        Content of run.json.
    forecast : Forecast
        The sums.
    background : Background
        Past forecasts.
    """
    tables = {
        "bridge": _bridge_table(forecast.bridge, run),
        "due": due_table(forecast, background.outlook, run),
        **retention_tables(background.outlook),
        "ledger": ledger_table(background.outlook.ledger, run),
        "top": _top_losses(scores, flags, run),
        "gains": _top_gains(scores, flags, run),
        "leaving": _leaving(scores, run),
        "past": _past_churn(background.monitor, run),
        "periods": _periods(forecast, run),
    }
    return _contract_tiles(scores, run, forecast), tables


def _contract_tiles(scores: pd.DataFrame, run: Mapping[str, Any], forecast: Forecast) -> list[Tile]:
    days, currency, bridge = run["horizon_days"], run["currency"], forecast.bridge
    leaves = known_to_leave(scores)
    soon = scores["days_to_renewal"].round().between(0, days) & ~leaves
    arr = scores["mrr"] * MONTHS_OF_YEAR
    return [
        Tile(
            "ARR today",
            wording.money_short(bridge.arr, currency),
            f"MRR × 12 of {wording.count(len(scores), 'account')}",
        ),
        Tile(
            f"Due within {days} days",
            wording.money_short(float(arr[soon].sum()), currency),
            f"ARR of {wording.count(int(soon.sum()), 'account')} whose term ends by then",
        ),
        Tile(
            "Known to leave",
            wording.money_short(float(arr[leaves].sum()), currency),
            f"ARR of {wording.count(int(leaves.sum()), 'account')} that gave notice",
        ),
        Tile(
            "Expected loss",
            wording.money_short(bridge.loss.value, currency),
            range_words(bridge.loss, currency) or no_chance(run),
        ),
        Tile(
            "Expected expansion",
            wording.money_short(bridge.expansion.value, currency),
            range_words(bridge.expansion, currency) or "no chance of growing is published",
        ),
        Tile(
            f"ARR in {days} days",
            wording.money_short(bridge.expected.value, currency),
            range_words(bridge.expected, currency)
            or "not published: there is no expected loss to subtract",
        ),
    ]


def _bridge_table(bridge: Bridge, run: Mapping[str, Any]) -> Table:
    currency, days = run["currency"], run["horizon_days"]

    def line(
        name: str, amount: float, spread: Range | None = None, *, strong: bool = False
    ) -> Line:
        words = range_ends(spread, currency) if spread is not None else ""
        return Line([name, wording.money(amount, currency), words], strong)

    shrinks = bridge.contraction
    lines = [
        line("ARR today", bridge.arr, strong=True),
        line(f"Known to leave within {days} days", -bridge.leaving),
        line("Expected loss of the other accounts", -bridge.loss.value, _minus(bridge.loss)),
        line("Contraction, at the mean rate of past periods", -shrinks.value, _minus(shrinks)),
        line(
            "Expected expansion (upsell and cross-sell)", bridge.expansion.value, bridge.expansion
        ),
        line(
            f"ARR in {days} days, without new customers",
            bridge.expected.value,
            bridge.expected,
            strong=True,
        ),
    ]
    later = (
        f" Another {wording.money(bridge.leaving_later, currency)} is known to leave later."
        if bridge.leaving_later
        else ""
    )
    return Table(
        f"From today's ARR to the ARR in {days} days",
        ["", "ARR", "80 % range"],
        lines,
        "The range of contraction is the lowest and highest of the past periods; it is part of the "
        f"last line with its mean.{later}",
    )


def _top_losses(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    loss = expected_losses(scores)
    keys = pd.DataFrame({"loss": loss, "account_id": scores["account_id"]})[loss > 0]
    first = keys.sort_values(["loss", "account_id"], ascending=[False, True]).index[:MOST_ACCOUNTS]
    top = scores.loc[first].assign(loss=loss[first])
    top = top.assign(renews=renewal_dates(top, run["as_of"]))
    reasons = _first_reasons(flags, ("at_risk", "renewal", "silent"))
    lines = [
        Line(
            [
                account_name(row),
                wording.text_of(row["csm"]),
                wording.money(row["mrr"] * MONTHS_OF_YEAR, run["currency"]),
                wording.percent(row["churn_probability"]),
                wording.money(row["loss"], run["currency"]),
                wording.day(row["renews"]),
                reasons.get(row["account_id"], "") or "not on a list this week",
            ]
        )
        for row in top.to_dict("records")
    ]
    share = float(top["loss"].sum() / loss.sum()) if len(top) else 0.0
    note = f"Together {wording.percent(share)} of the expected loss." if len(top) else ""
    return Table(
        "Top ten by expected loss",
        ["Account", "CSM", "ARR", "Chance", "Expected loss", "Renewal", "Main reason"],
        lines,
        note,
        f"No expected loss: {no_chance(run)}.",
    )


def _top_gains(scores: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    own = flags[flags["flag"].isin(["upsell", "cross_sell"])]
    top = own.sort_values(["value", "account_id"], ascending=[False, True]).head(MOST_ACCOUNTS)
    lines = [
        Line(
            [
                account_name(row),
                wording.text_of(row["csm"]),
                wording.text_of(row.get("offered")) or wording.text_of(row["product"]),
                wording.percent(row["probability"]),
                wording.money(row["value"], run["currency"]),
            ]
        )
        for row in top.to_dict("records")
    ]
    return Table(
        "Top ten by expected gain",
        ["Account", "CSM", "Offer", "Chance", "Expected gain"],
        lines,
        "Offers on this week's lists.",
        "No offer is on a list this week.",
    )


def _leaving(scores: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    own = scores[known_to_leave(scores)]
    own = own.assign(ends=last_days(scores, run["as_of"]).reindex(own.index))
    ordered = own.sort_values(["mrr", "account_id"], ascending=[False, True])
    lines = [
        Line(
            [
                account_name(row),
                wording.text_of(row["csm"]),
                wording.money(row["mrr"] * MONTHS_OF_YEAR, run["currency"]),
                "not recorded" if pd.isna(row["ends"]) else wording.day(row["ends"]),
            ]
        )
        for row in ordered.head(MOST_ACCOUNTS).to_dict("records")
    ]
    total = wording.money(own["mrr"].sum() * MONTHS_OF_YEAR, run["currency"])
    more = len(own) - len(lines)
    lines += [Line([f"{wording.count(more, 'other account')}", "", "", ""])] if more > 0 else []
    lines += (
        [Line([f"All {wording.count(len(own), 'account')}", "", total, ""], True)]
        if len(own)
        else []
    )
    return Table(
        "Known to leave",
        ["Account", "CSM", "ARR", "Last day"],
        lines,
        "",
        "No account has given notice.",
    )


def _periods(forecast: Forecast, run: Mapping[str, Any]) -> Table:
    """Describe the movements of the last periods that are as long as the horizon."""
    days = int(run["horizon_days"])
    lines = [
        Line(
            [
                f"{wording.day(end - pd.Timedelta(days=days))} to {wording.day(end)}",
                wording.money(moved.start * MONTHS_OF_YEAR, run["currency"]),
                wording.percent(moved.churn / moved.start, 1) if moved.start else wording.NONE,
                wording.percent(moved.contraction / moved.start, 1)
                if moved.start
                else wording.NONE,
                wording.percent(moved.expansion / moved.start, 1) if moved.start else wording.NONE,
                wording.relative(moved.nrr, 1),
            ]
        )
        for end, moved in forecast.periods.items()
    ]
    bridge = forecast.bridge
    if bridge.arr and bridge.expected.value == bridge.expected.value:
        shares = [
            (bridge.loss.value + bridge.leaving) / bridge.arr,
            bridge.contraction.value / bridge.arr,
            bridge.expansion.value / bridge.arr,
            bridge.expected.value / bridge.arr,
        ]
        rates = [wording.percent(share, 1) for share in shares[:-1]]
        cells = [*rates, wording.relative(shares[-1], 1)]
        start = wording.money(bridge.arr, run["currency"])
        lines.insert(0, Line([f"Forecast for the next {days} days", start, *cells], True))
    return Table(
        f"The forecast next to the last periods of {days} days",
        ["Period", "ARR at the start", "Churn", "Contraction", "Expansion", "NRR"],
        lines,
        "Rates of the ARR at the start. Expansion of the past includes price rises and whatever "
        "customers took by themselves; the forecast's is what offers are expected to bring.",
        "The data does not reach back a whole period.",
    )


def _moved(period: RevenueMovements) -> tuple[float, float, float]:
    return period.churn, period.contraction, period.expansion


def _share(amount: float, whole: float) -> float:
    return amount / whole if whole else float("nan")


def _past_churn(monitor: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    """Describe the last forecasts whose horizon has passed, next to what happened."""
    heads = [
        "Run",
        "Accounts",
        "Expected to leave",
        "Left",
        "Expected loss (ARR)",
        "80 % range",
        "Lost (ARR)",
    ]
    lines = [_past_line(row, run) for row in spaced(monitor, "expected").to_dict("records")]
    return Table(
        "Past forecasts and what happened",
        heads,
        lines,
        "Runs whose horizon and grace period have passed, at least four weeks apart. Accounts "
        "known to leave are not included. In a well-calibrated forecast, four in five outcomes lie "
        "within their range.",
        none_yet(run),
    )


def _past_line(row: Mapping[Any, Any], run: Mapping[str, Any]) -> Line:
    currency = run["currency"]
    spread = Range(*(float(row.get(key, np.nan)) for key in _PAST_RANGE))
    lost = float(row.get("lost_arr", np.nan))
    inside = "" if np.isnan(lost) else " ✓" if spread.low <= lost <= spread.high else " (outside)"
    return Line(
        [
            wording.day(row["as_of"]),
            wording.count(row["accounts"]),
            f"{row['expected']:,.1f}",
            wording.count(row["churned"]),
            wording.money(spread.value, currency),
            range_ends(spread, currency),
            wording.money(lost, currency) + inside,
        ]
    )


_PAST_RANGE = ("expected_loss", "expected_loss_low", "expected_loss_high")


def _minus(amount: Range) -> Range:
    return Range(-amount.value, -amount.high, -amount.low)


def _first_reasons(flags: pd.DataFrame, kinds: tuple[str, ...]) -> dict[str, str]:
    """Return the first reason of each account's most urgent of some lists."""
    own = flags[flags["flag"].isin(kinds)]
    order = own["flag"].map({kind: place for place, kind in enumerate(kinds)})
    first = (
        own.assign(place=order).sort_values("place", kind="stable").drop_duplicates("account_id")
    )
    reasons = first["reasons"].map(lambda text: wording.text_of(text).split("; ")[0])
    return dict(zip(first["account_id"], reasons, strict=True))
