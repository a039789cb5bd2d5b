"""Portfolio and verdicts on overrides, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.presentation import wording
from health.scorecard.verdicts import MACHINE, NEITHER, PERSON
from health.scoring.override_report import OverrideReport
from health.scoring.portfolio_report import PortfolioReport

#: Most overrides printed one by one.
MOST_OVERRIDES = 20


def print_portfolio(console: Console, report: PortfolioReport) -> None:
    """Print one group per line, the least healthy first, and all accounts below."""
    day, money = wording.day(report.as_of), report.money
    by = f"weighted by {money}" if report.weighting == "mrr" else "every account counted once"
    console.print(f"Health by {report.grouping}, {by}, {day}", highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column(report.grouping, overflow="fold")
    for heading in (
        "health",
        "change",
        "accounts",
        "red",
        "yellow",
        "green",
        money,
        f"red {money}",
    ):
        table.add_column(heading, justify="right")
    for row in report.rows.to_dict("records"):
        table.add_row(*_group_cells(row, report.currency))
    if report.grouping != "all":
        table.add_row(*_group_cells({**report.whole, "group": "all"}, report.currency))
    console.print(table)


def _group_cells(row: Mapping[Any, Any], currency: str) -> list[str]:
    return [
        escape(str(row["group"])),
        wording.points(row["health"]),
        wording.points(row["change"], signed=True),
        wording.count(row["accounts"]),
        *(wording.count(row[f"{band}_accounts"]) for band in ("red", "yellow", "green")),
        wording.money_short(row["mrr"], currency),
        wording.money_short(row["red_mrr"], currency),
    ]


def print_verdicts(console: Console, report: OverrideReport) -> None:
    """Print who was right by author, then the newest overrides one by one."""
    overridden = report.overrides
    if overridden.empty:
        console.print(f"No score was overridden in {wording.count(report.runs, 'run')}.")
        return
    console.print(
        f"{wording.count(len(overridden), 'override')} in {wording.count(report.runs, 'run')}; "
        f"each is judged {report.horizon_days} days (and the grace period) after its first run: "
        "the score closer to what happened was right.",
        highlight=False,
    )
    table = Table(title="\nWho was right", title_justify="left", box=None, pad_edge=False)
    table.add_column("author", overflow="fold")
    for heading in ("overrides", "known", "they", "the machine", "neither", "their share"):
        table.add_column(heading, justify="right")
    for row in report.authors.to_dict("records"):
        table.add_row(
            escape(row["author"] or "all"),
            *(wording.count(row[n]) for n in ("overrides", "known", PERSON, MACHINE, NEITHER)),
            _share(row["share"], row["low"], row["high"]),
        )
    console.print(table)
    _print_each(console, overridden)


def _share(share: float, low: float, high: float) -> str:
    if pd.isna(share):
        return wording.NONE
    return f"{wording.percent(share)} ({wording.percent(low)} to {wording.percent(high)})"


def _print_each(console: Console, overridden: pd.DataFrame) -> None:
    table = Table(title="\nThe newest", title_justify="left", box=None, pad_edge=False)
    for heading in ("since", "account", "measure", "author", "theirs", "machine", "then", "nearer"):
        table.add_column(heading, overflow="fold")
    table.add_column("reason", overflow="fold")
    happened = {1.0: "left", 0.0: "stayed"}
    for row in overridden.head(MOST_OVERRIDES).to_dict("records"):
        table.add_row(
            wording.day(row["as_of"]),
            escape(str(row["account_id"])),
            escape(str(row["measure"])),
            escape(str(row["author"])),
            wording.points(row["health_score"]),
            wording.points(row["machine_health_score"]),
            happened.get(row["churned"], wording.NONE),
            row["nearer"],
            escape(str(row["reason"])),
        )
    console.print(table)
