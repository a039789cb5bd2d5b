"""What `health check` prints: rows, findings, money by month, and whether sources answer."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from features.errors import HealthError
from features.redaction import redact
from features.tables.connection import connect
from features.windows.contracts import load_contracts
from features.windows.table_columns import moment
from health.business.company import Company
from health.business.reconciliation import Reconciliation, reconcile
from health.cli.console import say
from health.experiment.assignment import assignments
from health.flags.actions import read_actions
from health.presentation.wording import count, money, percent
from health.renewals.calls import read_calls
from health.settings.config import Config
from health.settings.notify import check_webhook
from health.settings.secrets import secret
from health.settings.web_address import require_web_address
from health.sources.open import Sources
from health.weekly.table_gates import freshness_gates


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
    # What the weekly batch and `health experiment` would refuse.
    tables = company.opened.tables
    read_calls(tables, tables.observed_until)
    read_actions(tables, tables.observed_until)
    assignments(tables, [], tables.observed_until)
    found = [str(f) for f in company.opened.findings if f.code != "missing_table"]
    found += _stale(company)
    for warning in found:
        console.print(f"[yellow]warning[/] {escape(warning)}", highlight=False)
    say(console, f"{count(len(found), 'warning')}, no error: the tables can be scored.")


def _stale(company: Company) -> list[str]:
    """Return a warning for each table whose last row is so old that a run would be stopped."""
    end, config = company.opened.tables.observed_until, company.config.gates
    return [
        f"{gate.name} on {end:%Y-%m-%d}: {gate.what}; remedy: load the newer rows, or correct "
        "observed_until; the gate freshness stops health score on this date"
        for gate in freshness_gates(company.opened.summaries, end, config)
        if not gate.passed
    ]


def _usual_lag(company: Company) -> str:
    """State how long a contract row counts after its end while its successor is not known."""
    tables = company.opened.tables
    contracts = load_contracts(tables, grace_days=company.config.labels.grace_days)
    end = moment(pd.Timestamp(tables.observed_until))
    lag, pairs = pd.Timedelta(contracts.usual_lag(end), unit="us"), len(contracts.gaps(end))
    if not lag:
        return f"Contracts: {pairs:,} renewals; a row counts until its end (usual lag: none)."
    return (
        f"Contracts: {pairs:,} renewals, 90 % within {lag} of the previous end; a row counts "
        "that much longer (the usual lag), unless notice was given."
    )


def check_webhooks(console: Console, config: Config) -> None:
    """Refuse webhooks to which nothing can be sent; warn where the address is not known here.

    Raises
    ------
    HealthError
        A value is not a web address; the message names the setting, never the address.
    """
    hooks = {"alerts.webhook": (config.alerts.webhook, require_web_address),
             "notify.webhook.url": (config.notify.webhook.url, check_webhook)}  # fmt: skip
    for where, (value, check) in hooks.items():
        if not value:
            continue
        try:
            url = secret(value, where=where, base=config.base)
        except HealthError as error:
            console.print(f"[yellow]warning[/] {escape(f'{where}: {error.what}')}; no message can "
                          "be sent from here", highlight=False)  # fmt: skip
            continue
        try:
            check(url)
        except ValueError as error:
            fix = "correct the address, or the variable or file that contains it"
            raise HealthError(str(error), where=where, fix=fix) from None


_MOVED = ("gained", "lost", "expanded", "contracted")


def show_reconciliation(console: Console, found: Reconciliation) -> None:
    """Print money and accounts by month, and which accounts and rows the tables cover."""
    title = f"\n{found.money} by month ({found.currency}); compare it with your books"
    table = Table(title=escape(title), title_justify="left", box=None)
    table.add_column("until")
    for column in (found.money, "accounts", *_MOVED):
        table.add_column(escape(column), justify="right")
    for row in found.months.to_dict("records"):
        amounts = [money(row[name], "") for name in ("mrr", *_MOVED)]
        table.add_row(str(row["until"]), amounts[0], f"{row['accounts']:,}", *amounts[1:])
    console.print(table)
    lines = [
        f"{found.money} per account: median {money(found.median, found.currency)}, largest "
        f"{money(found.largest, found.currency)} ({found.largest_account or 'none'})."
    ]
    if found.covered:
        shares = [f"{percent(share)} have {what}" for what, share in found.covered.items()]
        lines.append(f"Of the paying accounts {', '.join(shares)}.")
    without = [
        f"{name} {int(of['rows']):,} ({percent(of['share'], 1)})"
        for name, of in found.unmatched.items()
        if of["rows"]
    ]
    lines.append(f"Rows that belong to no account: {', '.join(without) or 'none'}.")
    for line in lines:
        console.print(escape(line), highlight=False)


#: Tables of a source that are listed by name.
_LISTED = 20


def run_connect(config: Config, *, console: Console) -> None:
    """Try every source of a configuration and report each result.

    Raises
    ------
    HealthError
        A source cannot be read; the others are tried first.
    """
    sources = Sources(config.sources, config.shared, config.base)
    if not config.sources:
        say(console, "The configuration has no [sources].")
        return
    failed = []
    connection = connect("duckdb://", Path(config.base), config.data.memory_limit)
    try:
        for name in config.sources:
            try:
                tables = sources.tables(name, connection)
            except HealthError as error:
                failed.append(name)
                say(console, redact(f"{name}: failed; {error.what}; remedy: {error.fix}"))
                continue
            shown = ", ".join(table.label for table in tables[:_LISTED])
            more = f" and {len(tables) - _LISTED} more" if len(tables) > _LISTED else ""
            number = "1 table" if len(tables) == 1 else f"{len(tables):,} tables"
            say(console, f"{name}: connected; {number}: {shown}{more}")
    finally:
        connection.close()
    if failed:
        raise HealthError(
            f"{len(failed)} of {len(config.sources)} sources cannot be read",
            where=", ".join(failed),
            fix="see the lines above",
        )
