"""What `health explain` prints about one account."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from health.business.kinds import business_of_scores
from health.cli.console import say
from health.presentation.lifetime_value import ranges_in_words
from health.presentation.wording import count, day, money, not_shown, percent, points, text_of
from health.reasons.families import family_reasons
from health.scoring.explain import Explanation

#: How the basis of a chance is described.
_BASES = {"rules": "rules, no model"}
_NUMBERS = ("chance", "a month", "worth a year")
#: Terms of a model that are shown one by one; the others are summed in one line.
MOST_TERMS = 10


def show_whitespace(console: Console, whitespace: pd.DataFrame, currency: str) -> None:
    """Print a row per product: chance, value in a year, and the reasons for and against it."""
    table = Table(title="\nProducts: what could be offered", title_justify="left", box=None)
    for column in ("product", "now", "chance", "basis", "a month", "worth a year"):
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    table.add_column("why, and why not", overflow="fold")
    order = whitespace.sort_values(["offer", "value"], ascending=[False, False]).index
    for row in whitespace.loc[order].to_dict("records"):
        table.add_row(
            escape(str(row["product"])),
            row["status"] + (" (listed)" if row["listed"] else ""),
            percent(row["probability"], 1),
            _BASES.get(row["basis"], row["basis"]),
            money(row["step_mrr"], currency),
            money(row["value"], currency),
            escape(_both(row)),
        )
    console.print(table)


def _both(row: dict[Any, Any]) -> str:
    """Return the reasons for an offer, then those against it."""
    signs = "; ".join(text for text in (row["asked"], row["signs"]) if text)
    both = (row["why"] or signs, row["why_not"])
    return "; ".join(text for text in both if text) or "no reason at the moment"


def order_lines(row: pd.Series, currency: str) -> list[str]:
    """Describe the orders of an account, its size first; empty for one with a contract.

    Parameters
    ----------
    row : pd.Series
        A row of scores.parquet.
    currency : str
        Currency of every amount.
    """
    if business_of_scores(row.to_frame().T).has_terms:
        return []
    lines = [f"monthly orders {money(row['monthly_orders'], currency)}"]
    if pd.isna(row["churn_probability"]):
        lines.append("Churn: no chance of having left is published")
    else:
        lines.append(
            f"Chance of having left: {percent(row['churn_probability'], 1)}, inferred from orders; "
            f"similar customers: {percent(row['churn_base_rate'], 1)}"
        )
    if pd.notna(row["order_probability"]):
        lines.append(
            f"Chance of an order within the horizon: {percent(row['order_probability'], 1)}; "
            f"{row['orders_expected']:.1f} orders expected"
        )
    return lines


def explanation(console: Console, found: Explanation) -> None:
    """Print one account: values, reasons of each output, change, history."""
    row, currency = found.scores, found.currency
    name = row["name"] if isinstance(row["name"], str) else row["account_id"]
    console.print(f"\n[bold]{escape(name)}[/] ({escape(row['account_id'])})", highlight=False)
    for line in _about(row, currency):
        say(console, line)
    stated = set()
    for flag in found.flags.to_dict("records"):
        amount = f", {money(flag['value'], currency)} in a year" if pd.notna(flag["value"]) else ""
        since = f"since {day(flag['since'])}{amount}"
        say(console, f"Flag {flag['flag']} {since}: {flag['suggested_play']}")
        reasons = text_of(flag["reasons"])
        if reasons in stated:
            continue
        stated.add(reasons)
        for text in filter(None, (*reasons.split("; "), not_shown(flag.get("reasons_share")))):
            say(console, f"  {text}")
    for output, own in found.reasons.groupby("output", sort=False, observed=True):
        if output != "health":
            _family_table(console, str(output), own)
        _reason_table(console, str(output), own)
        if output == "health" and len(found.change):
            _change_table(console, found)
    if len(found.whitespace):
        show_whitespace(console, found.whitespace, currency)
    _history_table(console, found)


def _about(row: pd.Series, currency: str) -> list[str]:
    """Describe an account: stage, money, health, chances, value."""
    ordered = order_lines(row, currency)
    who = [f"CSM {text_of(row.get('csm'))}" if text_of(row.get("csm")) else "", *_contract(row)]
    paid = ordered[0] if ordered else f"MRR {money(row['mrr'], currency)}"
    lines = [", ".join(part for part in (f"Stage {row['stage']}; {paid}", *who) if part)]
    lines += _health_lines(row)
    lines += ordered[1:] if ordered else _probability_lines(row)
    return [*lines, *_value_lines(row, currency)]


def _contract(row: pd.Series) -> list[str]:
    """Describe plan, seats and the end of the term or the last day."""
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
        lines.append(f"Lifetime value {money(row['clv'], currency)}")
        lines += [f"  {text}" for text in ranges_in_words(row.to_dict(), currency)]
        if "clv_margin" in row:
            lines.append(
                f"  margin of {percent(row['clv_margin'])} over {row['clv_horizon_months']} "
                f"months, discounted at {percent(row['clv_discount_rate'])} a year"
            )
    if pd.notna(row["expected_loss"]):
        lines.append(f"Expected loss {money(row['expected_loss'], currency)} in a year")
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
    table.add_row(total, "sum: change in the health score")
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
