"""What the commands print: tables and sentences on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from features.catalogue_page import BETTER, families, sentence, window
from features.redaction import redact
from health.business.kinds import business_of
from health.cli.orders_console import order_lines
from health.cli.whitespace_console import show_whitespace
from health.presentation.wording import day, money, percent, points
from health.reasons.families import family_reasons

if TYPE_CHECKING:
    from collections.abc import Mapping

    from features.definitions.feature import Feature
    from health.business.company import Company
    from health.scoring.explain import Explanation
    from health.weekly.batch import RunResult

_BANDS = {"red": "red", "yellow": "yellow", "green": "green"}
#: Terms of a model shown one by one; the others are summed in one line.
MOST_TERMS = 10
#: Lists whose top stands in the summary.
_SHOWN = ("at_risk", "upsell", "cross_sell", "silent")


def say(console: Console, text: str) -> None:
    """Print one plain line."""
    console.print(escape(redact(text)), highlight=False)


def check_report(console: Console, company: Company) -> None:
    """Print rows, date ranges and everything found in the tables."""
    table = Table(title=escape(company.config.company or str(company.config.file)), box=None)
    for column, side in (("table", "left"), ("rows", "right"), ("from", "left"), ("to", "left")):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    table.add_column("source", overflow="fold")
    for s in company.opened.summaries:
        dates = [str(t.date()) if t is not None else "" for t in (s.first, s.last)]
        table.add_row(s.table, f"{s.rows:,}", *dates, escape(s.source))
    console.print(table)
    say(console, f"The data ends at {company.opened.tables.observed_until:%Y-%m-%d %H:%M} UTC.")
    missing = [f.table for f in company.opened.findings if f.code == "missing_table"]
    if missing:
        say(console, f"Not given, so nothing is made from them: {', '.join(missing)}.")
    findings = [f for f in company.opened.findings if f.code != "missing_table"]
    for finding in findings:
        console.print(f"[yellow]warning[/] {escape(str(finding))}", highlight=False)
    say(console, f"{len(findings)} warning(s), no error: the tables can be scored.")


def catalogue(console: Console, features: Mapping[str, Feature]) -> None:
    """Print every feature with what it means."""
    for family, listed in families(features).items():
        table = Table("feature", "unit", "window", "better", "says", box=None, pad_edge=False)
        table.columns[0].no_wrap = True
        for feature in listed:
            says = f"{sentence(feature)}\nnull: {feature.null_means}\n0: {feature.zero_means}"
            better = BETTER[feature.direction]
            table.add_row(feature.name, feature.unit, window(feature), better, escape(says))
        console.rule(f"{family}, from {', '.join(sorted({t for f in listed for t in f.tables}))}")
        console.print(table)
    say(console, f"{len(features)} features; null: nothing to measure, 0: it stopped")


def run_summary(console: Console, run: RunResult) -> None:
    """Print what a run found: counts, money, the top five of each list, where to read on."""
    scores, flags, info = run.scored.scores, run.scored.flags, run.info
    currency = info["currency"]
    bands = scores["health_band"].value_counts()
    shown = ", ".join(f"[{c}]{bands.get(b, 0):,} {b}[/]" for b, c in _BANDS.items())
    unscored = int(scores["health_band"].isna().sum())
    title = f"{info['company'] or 'Customer health'} as of {info['as_of']}"
    console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
    console.print(
        f"{len(scores):,} accounts scored: {shown}"
        + (f", {unscored:,} not scored (too little data)" if unscored else ""),
        highlight=False,
    )
    at_risk = flags[flags["flag"] == "at_risk"]
    say(console, money_at_risk(scores, at_risk, currency))
    lists = {kind.flag: kind.title for kind in business_of(info).lists if kind.flag in _SHOWN}
    if "upsell" in lists:
        # Where there is something to sell, who fell silent is in the report.
        lists.pop("silent")
    for flag in ("upsell", "cross_sell") if "upsell" in lists else ():
        own = flags[flags["flag"] == flag]
        say(
            console,
            f"{lists[flag]} candidates: {len(own):,}, worth "
            f"{money(own['value'].sum(), currency)} expected in a year",
        )
    for warning in info["warnings"]:
        console.print(f"[yellow]warning[/] {escape(warning)}", highlight=False)
    for flag, name in lists.items():
        _top_five(console, name, flags[flags["flag"] == flag], currency)
    folder = run.published.folder
    say(console, f"Report:   {folder / 'report.html'}")
    say(console, f"Workbook: {folder / 'flags.xlsx'}")


def money_at_risk(scores: pd.DataFrame, at_risk: pd.DataFrame, currency: str) -> str:
    """Say what is at stake: expected loss where there is a probability, else what they pay."""
    flagged = f"{len(at_risk):,} flagged account{'s' if len(at_risk) != 1 else ''}"
    value = money(at_risk["value"].sum(), currency)
    if scores["churn_probability"].isna().all():
        paid = scores.loc[scores["account_id"].isin(at_risk["account_id"]), "mrr"].sum() * 12
        value = money(paid, currency)
        return (
            f"Money at risk: the {flagged} pay {value} a year; no churn probability is "
            "published, so no loss is expected of anybody"
        )
    total = money(scores["expected_loss"].sum(), currency)
    return f"Money at risk: {total} expected loss over all accounts, {value} of it on {flagged}"


def _top_five(console: Console, title: str, flags: pd.DataFrame, currency: str) -> None:
    top = flags.sort_values(["value", "account_id"], ascending=[False, True]).head(5)
    if top.empty:
        say(console, f"\n{title}: none")
        return
    table = Table(title=f"\n{title}: the top {len(top)} by value", title_justify="left", box=None)
    table.add_column("account", max_width=28)
    table.add_column("CSM", max_width=16)
    table.add_column("value", justify="right")
    table.add_column("chance", justify="right")
    table.add_column("reasons", overflow="fold")
    for row in top.itertuples():
        name = row.name if isinstance(row.name, str) else ""
        product = " → " + row.product if isinstance(row.product, str) else ""
        table.add_row(
            escape(str(name or row.account_id) + product),
            escape(row.csm if isinstance(row.csm, str) else ""),
            money(float(row.value), currency),  # type: ignore[arg-type]
            percent(float(row.probability)),  # type: ignore[arg-type]
            escape(str(row.reasons)),
        )
    console.print(table)


def explanation(console: Console, found: Explanation) -> None:
    """Print one account: figures, reasons of each output, change, history."""
    row, currency = found.scores, found.currency
    name = row["name"] if isinstance(row["name"], str) else row["account_id"]
    console.print(f"\n[bold]{escape(name)}[/] ({escape(row['account_id'])})", highlight=False)
    ordered = order_lines(row, currency)
    paid = ordered[0] if ordered else f"MRR {money(row['mrr'], currency)}"
    say(console, f"Stage {row['stage']}; {paid}")
    if pd.notna(row["health_score"]):
        change = row["health_change"]
        moved = f", {change:+.1f} since the run before" if pd.notna(change) else ""
        say(
            console,
            f"Health {row['health_score']:.1f} of 100 ({row['health_band']}){moved}; "
            f"{percent(row['health_coverage'])} of the measures had data",
        )
        if isinstance(row.get("overridden_by"), str):
            say(
                console,
                f"  {row['overridden_by']} had a say in it; the machine's own score is "
                f"{points(row['machine_health_score'])}",
            )
    else:
        say(console, f"Health: not scored, {row['not_scored_reason']}")
    for line in ordered[1:]:
        say(console, line)
    if not ordered:
        _probability_line(console, row)
    say(
        console,
        f"Lifetime value {money(row['clv'], currency)} "
        f"({money(row['clv_low'], currency)} to {money(row['clv_high'], currency)}); "
        f"expected loss {money(row['expected_loss'], currency)}",
    )
    if "clv_margin" in row:
        say(
            console,
            f"  margin of {percent(row['clv_margin'])} over {row['clv_horizon_months']} months, "
            f"discounted at {percent(row['clv_discount_rate'])} a year",
        )
    if pd.notna(row.get("total_value")):
        say(
            console,
            f"Earned so far {money(row['past_value'], currency)}; "
            f"in all {money(row['total_value'], currency)}",
        )
    for flag in found.flags.itertuples():
        since = pd.Timestamp(flag.since).strftime("%Y-%m-%d")  # type: ignore[arg-type]
        say(console, f"Flag {flag.flag} since {since}: {flag.suggested_play}")
    for output, own in found.reasons.groupby("output", sort=False):
        if output != "health":
            _family_table(console, str(output), own)
        _reason_table(console, str(output), own)
        if output == "health" and len(found.change):
            _change_table(console, found)
    if len(found.whitespace):
        show_whitespace(console, found.whitespace, currency)
    _history_table(console, found)


def _history_table(console: Console, found: Explanation) -> None:
    if len(found.history) > 1:
        table = Table("as of", "health", "band", "churn", title="\nHistory", box=None)
        for past in found.history.itertuples():
            score = format(past.health_score, ".1f") if pd.notna(past.health_score) else "-"
            chance = percent(float(past.churn_probability))  # type: ignore[arg-type]
            table.add_row(day(past.as_of), score, str(past.health_band or "-"), chance)
        console.print(table)


def _change_table(console: Console, found: Explanation) -> None:
    """Print what moved the health score since the run before, and that it sums to the change."""
    last = found.history["as_of"].iloc[-2] if len(found.history) > 1 else None
    table = Table(title=f"\nWhat changed since {day(last)}", title_justify="left", box=None)
    table.add_column("points", justify="right")
    table.add_column("what moved", overflow="fold")
    for row in found.change.itertuples():
        moved = points(float(row.change), signed=True)  # type: ignore[arg-type]
        table.add_row(moved, escape(str(row.text)))
    total = points(found.change["change"].sum(), signed=True)
    table.add_row(total, "sum: the change of the health score")
    console.print(table)


def _probability_line(console: Console, row: pd.Series) -> None:
    if pd.isna(row["churn_probability"]):
        say(console, "Churn: no probability is published; too few accounts have churned so far")
        return
    say(
        console,
        f"Churn: {percent(row['churn_probability'], 1)} within the horizon; accounts like this: "
        f"{percent(row['churn_base_rate'], 1)}",
    )
    if isinstance(row["cross_sell_product"], str):
        say(
            console,
            f"Upsell: {percent(row['upsell_probability'], 1)}; cross-sell of "
            f"{row['cross_sell_product']}: {percent(row['cross_sell_probability'], 1)}",
        )
    else:
        say(console, f"Upsell: {percent(row['upsell_probability'], 1)}; no product left to offer")


def _family_table(console: Console, output: str, reasons: pd.DataFrame) -> None:
    """Print what each family of features adds to a probability, in a sentence."""
    title = f"\n{output.replace('_', '-').capitalize()}: by family, in log-odds"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("log-odds", justify="right")
    table.add_column("family", overflow="fold")
    for row in family_reasons(reasons).itertuples():
        table.add_row(f"{row.contribution:+.2f}", escape(str(row.text)))
    console.print(table)


def _reason_table(console: Console, output: str, reasons: pd.DataFrame) -> None:
    unit = "points" if output == "health" else "log-odds"
    title = f"\n{output.replace('_', '-').capitalize()}: contributions in {unit}"
    table = Table(title=title, title_justify="left", box=None)
    table.add_column(unit, justify="right")
    if output == "health":
        table.add_column("missing", justify="right")
    table.add_column("reason", overflow="fold")
    by = "missing" if output == "health" else "contribution"
    order = reasons[by].abs().sort_values(ascending=False, kind="stable").index
    shown = len(order) if output == "health" else MOST_TERMS
    for row in reasons.loc[order[:shown]].itertuples():
        extra = [f"{row.missing:.2f}"] if output == "health" else []
        sign = "" if output == "health" else "+"
        table.add_row(f"{row.contribution:{sign}.2f}", *extra, escape(str(row.text)))
    rest = reasons.loc[order[shown:], "contribution"]
    if len(rest):
        table.add_row(f"{rest.sum():+.2f}", f"{len(rest)} others together")
    table.add_row(
        f"{reasons['contribution'].sum():.2f}",
        *([""] if output == "health" else []),
        "sum: the published figure",
    )
    console.print(table)
