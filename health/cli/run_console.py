"""What `health score` prints: the summary of a run."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from features.errors import quantity
from health.business.kinds import business_of
from health.cli.console import say
from health.presentation.wording import ACTIONS, count, day, money, percent, text_of
from health.report.forecast import known_to_leave
from health.weekly.batch import RunResult

_BANDS = {"red": "red", "yellow": "yellow", "green": "green"}
#: Rows of the week in the summary of a run.
_TOP = 5


def run_summary(console: Console, run: RunResult) -> None:
    """Print the summary of a run: counts, money, the top of the week, and the files."""
    scores, flags, info = run.scored.scores, run.scored.flags, run.info
    currency, business = info["currency"], business_of(info)
    bands = scores["health_band"].value_counts()
    shown = ", ".join(f"[{c}]{bands.get(b, 0):,} {b}[/]" for b, c in _BANDS.items())
    unscored = int(scores["health_band"].isna().sum())
    title = f"{info['company'] or 'Customer health'} as of {day(info['as_of'])}"
    console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
    console.print(
        f"{count(len(scores), 'account')} scored: {shown}"
        + (f", {unscored:,} not scored (too little data)" if unscored else ""),
        highlight=False,
    )
    say(console, money_at_risk(scores, flags[flags["flag"] == "at_risk"], currency))
    leaves = known_to_leave(scores)
    if leaves.any():
        say(
            console,
            f"Known to leave: {count(int(leaves.sum()), 'account')} with "
            f"{money(scores.loc[leaves, 'mrr'].sum() * 12, currency)} a year, in addition",
        )
    for kind in business.lists:
        own = flags[flags["flag"] == kind.flag]
        if kind.flag in {"upsell", "cross_sell"}:
            say(
                console,
                f"{kind.title} candidates: {len(own):,}, worth "
                f"{money(own['value'].sum(), currency)} expected in a year",
            )
    sizes = flags["flag"].value_counts()
    lists = ", ".join(f"{kind.title} {sizes.get(kind.flag, 0):,}" for kind in business.lists)
    say(console, f"Lists: {lists}")
    for warning in info["warnings"]:
        console.print(f"[yellow]warning[/] {escape(warning)}", highlight=False)
    _top_of_week(console, run.scored.raised.week, currency)
    folder = run.published.folder
    say(console, f"Report:   {folder / 'report.html'}")
    say(console, f"Forecast: {folder / 'forecast.html'}")
    if (folder / "voice.html").is_file():
        say(console, f"Voice:    {folder / 'voice.html'}")
    say(console, f"Workbook: {folder / 'flags.xlsx'}")


def money_at_risk(scores: pd.DataFrame, at_risk: pd.DataFrame, currency: str) -> str:
    """Describe the money at risk: expected loss or, without a probability, what accounts pay."""
    flagged = quantity(len(at_risk), "flagged account")
    value = money(at_risk["value"].sum(), currency)
    if scores["churn_probability"].isna().all():
        paid = scores.loc[scores["account_id"].isin(at_risk["account_id"]), "mrr"].sum() * 12
        return (
            f"Money at risk: the {flagged} pay {money(paid, currency)} a year; no churn "
            "probability is published, so there is no expected loss"
        )
    total = money(scores["expected_loss"].sum(), currency)
    return f"Money at risk: {total} expected loss over all accounts, {value} of it on {flagged}"


def _top_of_week(console: Console, week: pd.DataFrame, currency: str) -> None:
    """Print the first rows of the week of all CSMs."""
    if week.empty:
        say(console, "\nMy week: no account is on a list")
        return
    people = week["csm"].nunique()
    whose = f" of {count(people, 'CSM')}" if people else ""
    by = ", the first {} by value" if week["value"].notna().any() else ", the first {}"
    top = week.sort_values(["value", "rank", "account_id"], ascending=[False, True, True])
    top = top.head(_TOP)
    table = Table(
        title=f"\nMy week: {count(len(week), 'account')}{whose}{by.format(len(top))}",
        title_justify="left",
        box=None,
    )
    table.add_column("account", max_width=28)
    table.add_column("CSM", max_width=16)
    table.add_column("action", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("chance", justify="right")
    table.add_column("why", overflow="fold")
    for row in top.to_dict("records"):
        why = "; ".join(text for text in (text_of(row["offered"]), text_of(row["reasons"])) if text)
        table.add_row(
            escape(text_of(row["name"]) or str(row["account_id"])),
            escape(text_of(row["csm"])),
            ACTIONS.get(row["main_action"], str(row["main_action"])),
            money(row["value"], currency),
            percent(row["probability"]),
            escape(why),
        )
    console.print(table)
