"""`health erase`: what was removed, and what is left to do."""

from __future__ import annotations

from datetime import datetime

from rich.console import Console

from health.cli import console as show
from health.erasure.erase import erase
from health.presentation.wording import count
from health.settings.config import Config
from health.weekly.pages import PAGE_FOLDERS


def run_erase(
    config: Config, identifier: str, *, kind: str, console: Console, now: datetime, by: str
) -> None:
    """Erase an account or a person, and print what was changed without repeating who it was."""
    erased = erase(config, identifier, kind=kind, now=now, by=by)
    rebuilt = [page for page in erased.rebuilt if page.parent.name not in PAGE_FOLDERS]
    show.say(
        console,
        f"Erased: {count(erased.rows, 'row')} in {count(erased.files, 'file')}; "
        f"{count(len(rebuilt), 'page')} and {count(len(erased.rebuilt) - len(rebuilt), 'list')} "
        "written again from what is left",
    )
    if not (erased.rows or erased.rebuilt or erased.removed):
        meant = f"; did you mean {' or '.join(erased.similar)}?" if erased.similar else ""
        show.say(
            console,
            "warning: nothing that is stored has this id; ids are compared as they are, with their "
            f"capitals{meant}",
        )
    for page, why in erased.removed:
        show.say(console, f"Removed: {page}: {why}")
    for line in erased.left:
        show.say(console, f"Left: {line}")
    show.say(
        console,
        "The company's own tables were not changed: remove the rows there, too, or they will be "
        "back in the next run.",
    )
