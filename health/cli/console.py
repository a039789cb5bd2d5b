"""Print tables and sentences on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from features.catalogue_page import BETTER, families, sentence, window
from features.redaction import redact
from features.windows.contracts import load_contracts
from features.windows.table_columns import moment
from health.business.kinds import business_of
from health.business.reconciliation import reconcile
from health.cli.orders_console import order_lines
from health.cli.reconciliation_console import show_reconciliation
from health.cli.whitespace_console import show_whitespace
from health.presentation.wording import ACTIONS, count, day, money, percent, points, text_of
from health.reasons.families import family_reasons
from health.report.forecast import known_to_leave

if TYPE_CHECKING:
    from collections.abc import Mapping

    from features.definitions.feature import Feature
    from health.business.company import Company
    from health.scoring.explain import Explanation
    from health.weekly.batch import RunResult

_BANDS = {"red": "red", "yellow": "yellow", "green": "green"}
#: Terms of a model shown one by one; the others are one line.
MOST_TERMS = 10
#: Rows of the week in the summary of a run.
_TOP = 5


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
    if company.opened.tables.has("subscriptions"):
        say(console, _usual_lag(company))
    show_reconciliation(console, reconcile(company))
    missing = [f.table for f in company.opened.findings if f.code == "missing_table"]
    if missing:
        say(console, f"Missing tables, so their features are left out: {', '.join(missing)}.")
    findings = [f for f in company.opened.findings if f.code != "missing_table"]
    for finding in findings:
        console.print(f"[yellow]warning[/] {escape(str(finding))}", highlight=False)
    say(console, f"{count(len(findings), 'warning')}, no error: the tables can be scored.")


def _usual_lag(company: Company) -> str:
    """State how long a contract row counts past its end while its successor is not known."""
    tables = company.opened.tables
    contracts = load_contracts(tables, grace_days=company.config.labels.grace_days)
    end = moment(pd.Timestamp(tables.observed_until))
    lag, pairs = pd.Timedelta(contracts.usual_lag(end), unit="us"), len(contracts.gaps(end))
    if not lag:
        return f"Contracts: {pairs:,} renewals; a row counts until its end (usual lag: none)."
    return (
        f"Contracts: {pairs:,} renewals, 90 % of them within {lag} of the end before; a row counts "
        "that much longer (the usual lag), unless notice was given."
    )


def catalogue(console: Console, features: Mapping[str, Feature]) -> None:
    """Print every feature with what it means."""
    for family, listed in families(features).items():
        table = Table("feature", "unit", "window", "better", "meaning", box=None, pad_edge=False)
        table.columns[0].no_wrap = True
        for feature in listed:
            says = f"{sentence(feature)}\nnull: {feature.null_means}\n0: {feature.zero_means}"
            better = BETTER[feature.direction]
            table.add_row(feature.name, feature.unit, window(feature), better, escape(says))
        console.rule(f"{family}, from {', '.join(sorted({t for f in listed for t in f.tables}))}")
        console.print(table)
    say(console, f"{len(features)} features; null: nothing to measure, 0: activity stopped")


def run_summary(console: Console, run: RunResult) -> None:
    """Print what a run found: counts, money, the top of the week, where to read on."""
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
    say(console, f"Workbook: {folder / 'flags.xlsx'}")


def money_at_risk(scores: pd.DataFrame, at_risk: pd.DataFrame, currency: str) -> str:
    """Describe what is at stake: the expected loss; without a probability, what accounts pay."""
    flagged = f"{len(at_risk):,} flagged account{'s' if len(at_risk) != 1 else ''}"
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
    people = week["csm"].nunique(dropna=False)
    top = week.sort_values(["value", "rank", "account_id"], ascending=[False, True, True])
    top = top.head(_TOP)
    table = Table(
        title=f"\nMy week: {count(len(week), 'account')} of {count(people, 'CSM')}; "
        f"the first {len(top)} by value",
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


def explanation(console: Console, found: Explanation) -> None:
    """Print one account: values, reasons of each output, change, history."""
    row, currency = found.scores, found.currency
    name = row["name"] if isinstance(row["name"], str) else row["account_id"]
    console.print(f"\n[bold]{escape(name)}[/] ({escape(row['account_id'])})", highlight=False)
    for line in _about(row, currency):
        say(console, line)
    for flag in found.flags.itertuples():
        since = day(flag.since)
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


def _about(row: pd.Series, currency: str) -> list[str]:
    """Word what is known about an account: stage, money, health, chances, value."""
    ordered = order_lines(row, currency)
    who = [f"CSM {text_of(row.get('csm'))}" if text_of(row.get("csm")) else "", *_contract(row)]
    paid = ordered[0] if ordered else f"MRR {money(row['mrr'], currency)}"
    lines = [", ".join(part for part in (f"Stage {row['stage']}; {paid}", *who) if part)]
    lines += _health_lines(row)
    lines += ordered[1:] if ordered else _probability_lines(row)
    return [*lines, *_value_lines(row, currency)]


def _contract(row: pd.Series) -> list[str]:
    """Word plan, seats and the end of the term or the last day."""
    found = [f"plan {row['plan']}"] if text_of(row.get("plan")) else []
    if pd.notna(row.get("seats")):
        found.append(count(row["seats"], "seat"))
    if pd.notna(row.get("renewal_date")):
        found.append(f"renewal on {day(row['renewal_date'])}")
    if pd.notna(row.get("last_day")):
        found.append(f"last day {day(row['last_day'])}")
    return found


def _health_lines(row: pd.Series) -> list[str]:
    if pd.isna(row["health_score"]):
        return [f"Health: not scored, {row['not_scored_reason']}"]
    change = row["health_change"]
    moved = f", {points(change, signed=True)} since the previous run" if pd.notna(change) else ""
    lines = [
        f"Health {row['health_score']:.1f} of 100 ({row['health_band']}){moved}; "
        f"{percent(row['health_coverage'])} of the measures had data"
    ]
    if isinstance(row.get("overridden_by"), str):
        lines.append(
            f"  overridden by {row['overridden_by']}; the score without overrides is "
            f"{points(row['machine_health_score'])}"
        )
    return lines


def _value_lines(row: pd.Series, currency: str) -> list[str]:
    lines = []
    if pd.notna(row["clv"]):
        lines.append(
            f"Lifetime value {money(row['clv'], currency)} "
            f"({money(row['clv_low'], currency)} to {money(row['clv_high'], currency)})"
        )
        if "clv_margin" in row:
            lines.append(
                f"  margin of {percent(row['clv_margin'])} over {row['clv_horizon_months']} "
                f"months, discounted at {percent(row['clv_discount_rate'])} a year"
            )
    if pd.notna(row["expected_loss"]):
        lines.append(f"Expected loss {money(row['expected_loss'], currency)}")
    if pd.notna(row.get("total_value")):
        lines.append(
            f"Earned so far {money(row['past_value'], currency)}; "
            f"in total {money(row['total_value'], currency)}"
        )
    return lines


def _history_table(console: Console, found: Explanation) -> None:
    if len(found.history) > 1:
        table = Table("as of", "health", "band", "churn", title="\nHistory", box=None)
        for past in found.history.itertuples():
            score = format(past.health_score, ".1f") if pd.notna(past.health_score) else "-"
            chance = percent(float(past.churn_probability))  # type: ignore[arg-type]
            table.add_row(day(past.as_of), score, str(past.health_band or "-"), chance)
        console.print(table)


def _change_table(console: Console, found: Explanation) -> None:
    """Print what changed the health score since the previous run; it sums to the change."""
    last = found.history["as_of"].iloc[-2] if len(found.history) > 1 else None
    table = Table(title=f"\nWhat changed since {day(last)}", title_justify="left", box=None)
    table.add_column("points", justify="right")
    table.add_column("what changed", overflow="fold")
    for row in found.change.itertuples():
        moved = points(float(row.change), signed=True)  # type: ignore[arg-type]
        table.add_row(moved, escape(str(row.text)))
    total = points(found.change["change"].sum(), signed=True)
    table.add_row(total, "sum: change of the health score")
    console.print(table)


def _probability_lines(row: pd.Series) -> list[str]:
    if row.get("known_to_leave") is True or row["stage"] == "leaving":
        return ["Known to leave: notice was given, so no probability is published"]
    if pd.isna(row["churn_probability"]):
        return ["Churn: no probability is published; `health models` states why"]
    lines = [
        f"Churn: {percent(row['churn_probability'], 1)} within the horizon; similar accounts: "
        f"{percent(row['churn_base_rate'], 1)}"
    ]
    upsell = f"Upsell: {percent(row['upsell_probability'], 1)}"
    if isinstance(row["cross_sell_product"], str):
        chance = percent(row["cross_sell_probability"], 1)
        return [*lines, f"{upsell}; cross-sell of {row['cross_sell_product']}: {chance}"]
    return [*lines, f"{upsell}; no product left to offer"]


def _family_table(console: Console, output: str, reasons: pd.DataFrame) -> None:
    """Print what each family of features adds to a probability."""
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
        "sum: the published value",
    )
    console.print(table)
