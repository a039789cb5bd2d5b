"""`health init`: a configuration proposed from what folders and databases contain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from features.errors import HealthError
from features.redaction import redact
from health.cli import console as show
from health.runs.durable import write_whole
from health.sources.propose import LEFT_OUT, Proposal, propose
from health.sources.write_config import config_text, to_confirm


def run_init(places: Sequence[str], *, output: Path, replace: bool, console: Console) -> None:
    """Inspect folders and databases, write a commented configuration, and report each guess.

    Parameters
    ----------
    places : sequence of str
        Folders, workbooks, files or URLs of databases, or ``$NAME`` for a variable that contains a
        URL.
    output : Path
        The file to write; paths in it start at its folder.
    replace : bool
        Whether an existing file may be overwritten.
    console : Console
        Where the report goes.

    Raises
    ------
    HealthError
        The file exists, a place cannot be read, or nothing is recognised.
    """
    if output.exists() and not replace:
        raise HealthError(
            "the file exists", where=str(output), fix="choose another --output, or use --replace"
        )
    base = output.resolve().parent
    base.mkdir(parents=True, exist_ok=True)
    proposal = propose(places, base=base)
    text = redact(config_text(proposal, company=_company(places)))
    write_whole(output, text)
    _report(console, proposal)
    _next_steps(console, output, to_confirm(text), proposal)


def _company(places: Sequence[str]) -> str:
    folders = [Path(place) for place in places if "://" not in place and place[:1] != "$"]
    return folders[0].resolve().with_suffix("").name.replace("_", " ") if folders else "the company"


def _report(console: Console, proposal: Proposal) -> None:
    def say(text: str) -> None:
        show.say(console, text)

    if proposal.sources:
        say("Recognised")
        for source in proposal.sources:
            where = source.config.path or str(source.config.url)
            if source.config.schema_name:
                where += f", schema {source.config.schema_name}"
            say(f"  {source.label} in {where}: {', '.join(key for key, _ in source.tables)}")
    if proposal.matches:
        say("Accounts")
        for line in proposal.matches:
            say(f"  {line}")
    say("Tables")
    for table in proposal.tables:
        say(f"  {table.name}: {_in_one_line(table.evidence)}")
    for title, lines in (
        ("Found and not used", proposal.unused),
        ("Not found", proposal.missing),
    ):
        if lines:
            say(title)
            for line in lines:
                say(f"  {line}")
    if proposal.unread:
        say(f"{len(proposal.unread)} tables have columns that are not read: the file lists them.")


def _in_one_line(evidence: Iterable[str]) -> str:
    """Return what is known of a table, with everything that is left out in one list."""
    left = [line.removeprefix(LEFT_OUT) for line in evidence if line.startswith(LEFT_OUT)]
    others = [line for line in evidence if not line.startswith(LEFT_OUT)]
    return "; ".join([*others, *([LEFT_OUT + ", ".join(left)] if left else [])])


def _next_steps(console: Console, output: Path, confirm: Sequence[str], proposal: Proposal) -> None:
    show.say(console, f"\nWritten: {output}")
    steps = []
    if confirm:
        steps.append("decide the lines marked CONFIRM:")
    steps += [
        f"health check {output}    rows, MRR and accounts by month: compare them with your books",
        f"health train {output}    learn from past dates",
        f"health score {output}    score every account",
    ]
    names = {str(s.config.url) for s in proposal.sources if str(s.config.url).startswith("$")}
    if names:
        variables = ", ".join(sorted(name.lstrip("$") for name in names))
        steps.insert(0, f"set {variables} to the database's URL")
    lacking = [line for line in proposal.missing if "required" in line]
    if lacking:
        steps.insert(0, "add to the file what is required and was not found:")
    show.say(console, "Next")
    for number, step in enumerate(steps, 1):
        show.say(console, f"  {number}. {step}")
        listed = confirm if step.startswith("decide") else lacking if step[:4] == "add " else ()
        for line in listed:
            show.say(console, f"     {line.strip()}")
