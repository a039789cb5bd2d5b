"""The proposed configuration as a commented file."""

from __future__ import annotations

from pathlib import PurePath

import tomlkit
from tomlkit.items import Table

from health.sources.propose import Currency, Proposal

#: Marks a line that only a person can decide.
CONFIRM = "CONFIRM"


def config_text(proposal: Proposal, *, company: str) -> str:
    """Return a proposal as the text of a health.toml: every guess with its evidence."""
    document = tomlkit.document()
    document.add(tomlkit.comment("Proposed by `health init` from what the sources contain."))
    document.add(tomlkit.comment(f"Lines with {CONFIRM} are guesses that only you can decide."))
    document.add(tomlkit.nl())
    document.add("company", _item(company, f"{CONFIRM}: the name in the headings of reports"))
    code, evidence = _currency(proposal.currencies)
    document.add("currency", _item(code, evidence))
    document.add("as_of_weekday", _item("sunday", "accounts are scored as of its midnight, UTC"))
    others = [c for c in proposal.currencies if c.code != code]
    if others:
        rates = _table("Units of the company's currency for one unit of the other.")
        for currency in others:
            rates.add(
                tomlkit.comment(
                    f"{currency.code} = …  # {CONFIRM}: remove the # and give the rate; "
                    f"{currency.customers:,} customers pay in it"
                )
            )
        document.add(tomlkit.nl())
        document.add("exchange_rates", rates)
    _add_allowed(document, proposal)
    _add_sources(document, proposal)
    _add_tables(document, proposal)
    for title, lines in (
        ("Found and not used:", proposal.unused),
        ("Columns that are not read:", proposal.unread),
        ("Not found:", proposal.missing),
    ):
        if lines:
            document.add(tomlkit.nl())
            document.add(tomlkit.comment(title))
            for line in lines:
                document.add(tomlkit.comment(f"  {_one_line(line)}"))
    return tomlkit.dumps(document)


def to_confirm(text: str) -> list[str]:
    """Return the lines of a configuration that a person must decide."""
    return [line for line in text.splitlines() if f"{CONFIRM}:" in line]


def _currency(currencies: tuple[Currency, ...]) -> tuple[str, str]:
    if not currencies:
        return "USD", f"{CONFIRM}: no currency was found"
    first = currencies[0]
    if len(currencies) == 1:
        return first.code, f"all {first.customers:,} paying customers pay in it"
    shares = ", ".join(f"{c.code} {c.customers:,}" for c in currencies)
    return first.code, f"{CONFIRM}: the most common of several (customers: {shares})"


def _add_allowed(document: tomlkit.TOMLDocument, proposal: Proposal) -> None:
    """Name the places outside of the configuration's folder, which SQL may then read."""
    paths = [source.config.path for source in proposal.sources]
    paths += [str(table.settings["path"]) for table in proposal.tables if "path" in table.settings]
    outside = sorted({p for p in paths if p and (PurePath(p).is_absolute() or p[:2] == "..")})
    if outside:
        data = _table("Places outside of this file's folder that SQL may read.")
        data.add("allow", outside)
        document.add(tomlkit.nl())
        document.add("data", data)


def _add_sources(document: tomlkit.TOMLDocument, proposal: Proposal) -> None:
    if not proposal.sources:
        return
    sources = tomlkit.table(is_super_table=True)
    for source in proposal.sources:
        tables = ", ".join(key for key, _ in source.tables)
        entry = _table(f"{source.label}: {tables}")
        for key, value in source.config.model_dump(by_alias=True, exclude_defaults=True).items():
            entry.add(key, value)
        sources.add(source.name, entry)
    document.add(tomlkit.nl())
    document.add("sources", sources)
    if proposal.account_key:
        shared = tomlkit.table(is_super_table=True)
        customers = _table(*proposal.matches)
        customers.add("preset", "customers")
        customers.add("account_key", _item(proposal.account_key, "whose rows are the accounts"))
        shared.add("customers", customers)
        document.add(tomlkit.nl())
        document.add("shared", shared)


def _add_tables(document: tomlkit.TOMLDocument, proposal: Proposal) -> None:
    tables = tomlkit.table(is_super_table=True)
    for table in proposal.tables:
        entry = _table(*table.evidence)
        for key, value in table.settings.items():
            entry.add(key, value)
        tables.add(table.name, entry)
    document.add(tomlkit.nl())
    document.add("tables", tables)


def _table(*comments: str) -> Table:
    table = tomlkit.table()
    for comment in comments:
        table.add(tomlkit.comment(_one_line(comment)))
    return table


def _item(value: str, comment: str) -> tomlkit.items.Item:
    item = tomlkit.item(value)
    item.comment(_one_line(comment))
    return item


def _one_line(text: str) -> str:
    """Names of files and tables are not ours: no control characters, no second line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
