"""What `health portfolio`, `health overrides` and `health restate` print."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.presentation import wording
from health.restate.past import Restatement
from health.scorecard.change import LEAST
from health.scorecard.verdicts import MACHINE, NEITHER, PERSON
from health.scoring.override_report import OverrideReport
from health.scoring.portfolio_report import PortfolioReport

#: Maximum number of overrides printed one by one.
MOST_OVERRIDES = 20


def print_portfolio(console: Console, report: PortfolioReport) -> None:
    """Print one group per line, the least healthy first, and all accounts below."""
    day, money = wording.day(report.as_of), report.money
    by = f"weighted by {money}" if report.weighting == "mrr" else "every account weighted equally"
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
        f"each is evaluated {report.horizon_days} days (and the grace period) after its first run: "
        "the score closer to what happened was right.",
        highlight=False,
    )
    table = Table(title="\nWho was right", title_justify="left", box=None, pad_edge=False)
    table.add_column("author", overflow="fold")
    for heading in ("overrides", "known", "they", "the score", "neither", "their share"):
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


#: Maximum number of accounts printed.
MOST_ACCOUNTS = 10


def print_restatement(console: Console, restated: Restatement, folder: Path) -> None:
    """Print the book by date and the accounts that the configuration changed most."""
    scores = restated.scores
    console.print(
        f"{wording.count(scores['as_of'].nunique(), 'run')} under scorecard "
        f"{restated.settings.hash}; {_published(restated)}",
        highlight=False,
    )
    if restated.rebuilt:
        console.print(
            f"Features were rebuilt from the tables for {', '.join(restated.rebuilt)}: "
            "those runs stored none.",
            highlight=False,
        )
    for weighting in ("mrr", "account"):
        by = (
            f"weighted by {restated.money}"
            if weighting == "mrr"
            else "every account weighted equally"
        )
        _print_book(console, restated.book[restated.book["weighting"] == weighting], by)
    _print_bands(console, scores)
    _print_accounts(console, restated)
    console.print(f"Written to {escape(str(folder))}", highlight=False)


def _published(restated: Restatement) -> str:
    hashes = restated.scores["published_scorecard_hash"].dropna().unique()
    if not len(hashes):
        return "the scorecard of the published runs is not recorded"
    same = "the same scorecard" if list(hashes) == [restated.settings.hash] else ", ".join(hashes)
    return f"published under {same}"


def _print_book(console: Console, book: pd.DataFrame, by: str) -> None:
    table = _table(console, f"The book, {by}: change since the previous run", "run")
    for heading in ("published", "restated", "change", "behaviour", "configuration", "mix"):
        table.add_column(heading, justify="right")
    parts = ("published", "behaviour", "configuration", "mix")
    for row in book.to_dict("records"):
        table.add_row(
            wording.day(row["as_of"]),
            wording.points(row["published"]),
            wording.points(row["restated"]),
            *(wording.points(row[f"{part}_change"], signed=True) for part in parts),
        )
    console.print(table)


def _print_bands(console: Console, scores: pd.DataFrame) -> None:
    table = _table(console, "Accounts by band, published → restated", "run")
    for band in ("red", "yellow", "green", "not scored"):
        table.add_column(band, justify="right")
    for day, own in scores.groupby("as_of"):
        then, now = (own[c].fillna("not scored") for c in ("published_band", "health_band"))
        cells = [
            f"{(then == band).sum():,} → {(now == band).sum():,}"
            for band in ("red", "yellow", "green", "not scored")
        ]
        table.add_row(wording.day(day), *cells)
    console.print(table)


def _print_accounts(console: Console, restated: Restatement) -> None:
    """Print the accounts with a different score, and those whose change came from the scorecard."""
    scores, changes = restated.scores, restated.changes
    last = scores[scores["as_of"] == scores["as_of"].max()]
    seen = last.assign(difference=last["health_score"] - last["published_score"])
    day = wording.day(last["as_of"].iloc[0])
    _print_top(
        console,
        f"Largest differences on {day}",
        seen,
        {"published": "published_score", "restated": "health_score"},
        {"difference": "difference"},
    )
    moved = changes[changes["configuration_change"].abs() > LEAST]
    if len(moved):
        newest = moved[moved["as_of"] == moved["as_of"].max()]
        _print_top(
            console,
            f"Changes up to {wording.day(newest['as_of'].iloc[0])}, when the scorecard changed",
            newest,
            {},
            {
                "configuration": "configuration_change",
                "behaviour": "behaviour_change",
                "published change": "published_change",
            },
        )


def _print_top(
    console: Console,
    title: str,
    rows: pd.DataFrame,
    levels: dict[str, str],
    changes: dict[str, str],
) -> None:
    """Print the accounts with the largest first change."""
    size = rows[next(iter(changes.values()))].abs()
    top = rows.loc[size[size > LEAST].sort_values(ascending=False).index[:MOST_ACCOUNTS]]
    if top.empty:
        return
    table = _table(console, title, "account")
    for heading in (*levels, *changes):
        table.add_column(heading, justify="right")
    for row in top.to_dict("records"):
        metrics = [wording.points(row[column]) for column in levels.values()]
        metrics += [wording.points(row[column], signed=True) for column in changes.values()]
        table.add_row(escape(str(row["account_id"])), *metrics)
    console.print(table)


def _table(console: Console, title: str, first: str) -> Table:
    console.print(f"\n{title}", highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column(first, overflow="fold")
    return table
