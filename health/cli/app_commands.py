"""Commands of the web app: serve it, and manage its users."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from health.cli.arguments import ConfigPath

_users = typer.Typer(help="Users of the web app.", no_args_is_help=True)


def add_app_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(serve)
    app.add_typer(_users, name="users")


def serve(
    config: ConfigPath,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Instead of app.port; 0: a free one.")
    ] = None,
) -> None:
    """Serve the web app over the published runs."""
    from health.app.serve import serve as serve_app
    from health.settings.config import load_config

    serve_app(load_config(config), clock=_now, say=_say, port=port)


@_users.command("add")
def add(
    config: ConfigPath,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="What the user signs in with.")],
    role: Annotated[str, typer.Option(metavar="ROLE", help="reader, csm, lead or admin.")] = "csm",
    name: Annotated[str, typer.Option(help="Shown with what the user writes.")] = "",
    csm: Annotated[
        str, typer.Option(metavar="NAME", help="Accounts of this CSM are the user's own.")
    ] = "",
    team: Annotated[str, typer.Option(help="Leads and readers see their team's accounts.")] = "",
    password: Annotated[
        bool,
        typer.Option("--password", help='Ask for a password, for sign_in = "local".'),
    ] = False,
) -> None:
    """Add a user, or change the one with this login."""
    from health.app.access.users import add_user
    from health.app.serve import open_app_database
    from health.settings.config import load_config

    # Asked for, so that it stands in no list of commands or processes.
    secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if password else ""
    database = open_app_database(load_config(config), now=_now())
    try:
        add_user(
            database,
            login,
            role=role,
            name=name,
            csm=csm,
            team=team,
            password=secret,
            now=_now(),
        )
    finally:
        database.close()
    _say(f"{login} is a user with the role {role}")


@_users.command("list")
def list_all(config: ConfigPath) -> None:
    """List the users."""
    from rich.table import Table

    from health.app.access.users import list_users
    from health.app.serve import open_app_database
    from health.settings.config import load_config

    database = open_app_database(load_config(config), now=_now())
    table = Table("login", "name", "role", "csm", "team", "disabled")
    for user in list_users(database):
        disabled = f"{user.disabled_at:%Y-%m-%d}" if user.disabled_at else ""
        cells = (user.login, user.name, user.role, user.csm or "", user.team or "", disabled)
        table.add_row(*map(escape, cells))
    database.close()
    _console().print(table)


@_users.command("disable")
def disable(
    config: ConfigPath,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="Who may not sign in any more.")],
) -> None:
    """Refuse a user from now on, and end their sessions."""
    from health.app.access.users import disable_user
    from health.app.serve import open_app_database
    from health.settings.config import load_config

    database = open_app_database(load_config(config), now=_now())
    try:
        disable_user(database, login, now=_now())
    finally:
        database.close()
    _say(f"{login} cannot sign in any more")


def _say(text: str) -> None:
    _console().print(escape(text), highlight=False, soft_wrap=True)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120)
