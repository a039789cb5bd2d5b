"""The templates of the app, with the report's words and badges."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader

from health.app.access.roles import ADMINS, LEADS, READERS
from health.presentation import wording
from health.presentation.html_page import page_environment
from health.renewals.calls import CALL_TITLES

#: Actions in the words of the buttons.
ACTION_TITLES = {
    "called": "Called",
    "saved": "Saved",
    "lost": "Lost",
    "bought": "Bought",
    "snooze": "Not now",
    "false_alarm": "False alarm",
}


#: Pages of the menu, with who sees them.
MENU = (
    ("/", "My week", READERS),
    ("/accounts", "Accounts", READERS),
    ("/renewals", "Renewals", READERS),
    ("/team", "Team", LEADS),
    ("/expansion", "Expansion", READERS),
    ("/voice", "Voice", READERS),
    ("/trust", "Trust", READERS),
    ("/scorecard", "Scorecard", LEADS),
    ("/users", "Users", ADMINS),
)
#: Pages about terms and products, which a company without contracts does not have.
CONTRACT_PAGES = frozenset({"/renewals", "/expansion"})


@cache
def templates() -> Environment:
    """Return the templates: everything escaped, an unknown name is an error."""
    environment = page_environment("health.app")
    environment.loader = ChoiceLoader(
        [PackageLoader("health.app", "templates"), PackageLoader("health.report", "templates")]
    )
    environment.filters.update(
        money_short=wording.money_short,
        points=wording.points,
        score=wording.score,
        band=wording.band_of,
        action_title=lambda action: ACTION_TITLES.get(action, wording.title_of(action)),
        call_title=lambda call: CALL_TITLES.get(call, wording.title_of(call)),
        text=wording.text_of,
        span=wording.span,
        renewal=wording.renewal,
        when=_when,
    )
    environment.tests["between"] = lambda value, low, high: low < value < high
    return environment


def _when(moment: Any) -> str:
    """Write a day and a time in UTC."""
    return f"{wording.day(moment)}, {moment:%H:%M} UTC"
