"""Commands of the web app: serve it, send each CSM their week, and manage its users."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from features.errors import HealthError
from features.redaction import redact
from health.cli.arguments import ConfigPath, RunOf, utc_now
from health.cli.outputs import terminal

_users = typer.Typer(help="Users of the web app.", no_args_is_help=True)


def add_app_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(serve)
    app.command()(notify)
    app.add_typer(_users, name="users")


def serve(
    config: ConfigPath,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port, instead of app.port; 0 picks a free one."),
    ] = None,
) -> None:
    """Serve the web app over the published runs."""
    from health.app.serve import serve as serve_app
    from health.settings.config import load_config

    serve_app(load_config(config), clock=utc_now, say=_say, port=port)


def notify(
    config: ConfigPath,
    as_of: RunOf = None,
    csm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Notify only this CSM; can be repeated."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Send again what was already sent for this run.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent without sending it.")
    ] = False,
) -> None:
    """Send each CSM their week by email or to a webhook, once per run; off by default."""
    from health.app.notices.content import as_text
    from health.app.notices.send import notify as send
    from health.app.reading.runs import Runs
    from health.app.serve import open_app_database
    from health.settings.config import load_config

    loaded = load_config(config)
    database, runs = (
        open_app_database(loaded, now=utc_now()),
        Runs(loaded.runs_dir, loaded.file),
    )
    try:
        deliveries = send(
            loaded,
            database,
            runs,
            now=utc_now(),
            as_of=None if as_of is None else as_of.date(),
            csms=csm or (),
            again=again,
            dry_run=dry_run,
        )
    finally:
        runs.close()
        database.close()
    for delivery in deliveries:
        count = f"{delivery.accounts} account{'' if delivery.accounts == 1 else 's'}"
        to = f" to {delivery.address}" if delivery.address else ""
        detail = f" ({delivery.detail})" if delivery.detail else ""
        _say(redact(f"{delivery.csm}: {count}, {delivery.status}{to}{detail}"))
        if dry_run and delivery.status == "to send":
            _say(as_text(delivery.notice))
    failed = [d for d in deliveries if d.status in {"not sent", "unknown"}]
    if failed:
        raise HealthError(
            f"{len(failed)} of {len(deliveries)} notices may not have been sent, e.g. that of "
            f"{failed[0].csm}: {failed[0].detail}",
            where="health notify",
            fix="fix the cause and run it again: nothing is sent twice",
        )
    if any(d.status == "no address" for d in deliveries):
        _say("CSMs without an address: add them to [notify.addresses] CSM = EMAIL")


@_users.command("add")
def add(
    config: ConfigPath,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="Name for signing in.")],
    role: Annotated[str, typer.Option(metavar="ROLE", help="reader, csm, lead or admin.")] = "csm",
    name: Annotated[str, typer.Option(help="Name shown with the user's entries.")] = "",
    csm: Annotated[
        str, typer.Option(metavar="NAME", help="CSM whose accounts are the user's own.")
    ] = "",
    team: Annotated[str, typer.Option(help="Team whose accounts a lead or reader sees.")] = "",
    password: Annotated[
        bool,
        typer.Option("--password", help='Ask for a password, for sign_in = "local".'),
    ] = False,
) -> None:
    """Add a user, or change the one with this login."""
    from health.app.access.users import add_user
    from health.app.serve import open_app_database
    from health.settings.config import load_config

    # A prompt keeps it out of the shell's history and the list of processes.
    secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if password else ""
    database = open_app_database(load_config(config), now=utc_now())
    try:
        add_user(
            database,
            login,
            role=role,
            name=name,
            csm=csm,
            team=team,
            password=secret,
            now=utc_now(),
        )
    finally:
        database.close()
    _say(f"{login} has the role {role}")


@_users.command("list")
def list_all(config: ConfigPath) -> None:
    """List the users."""
    from rich.table import Table

    from health.app.access.users import list_users
    from health.app.serve import open_app_database
    from health.settings.config import load_config

    database = open_app_database(load_config(config), now=utc_now())
    table = Table("login", "name", "role", "csm", "team", "disabled")
    for user in list_users(database):
        disabled = f"{user.disabled_at:%Y-%m-%d}" if user.disabled_at else ""
        cells = (user.login, user.name, user.role, user.csm or "", user.team or "", disabled)
        table.add_row(*map(escape, cells))
    database.close()
    terminal().print(table)


@_users.command("disable")
def disable(
    config: ConfigPath,
    login: Annotated[str, typer.Argument(metavar="LOGIN", help="Login of the user.")],
) -> None:
    """Disable a user and end their sessions."""
    from health.app.access.users import disable_user
    from health.app.serve import open_app_database
    from health.settings.config import load_config

    database = open_app_database(load_config(config), now=utc_now())
    try:
        disable_user(database, login, now=utc_now())
    finally:
        database.close()
    _say(f"{login} can no longer sign in")


def _say(text: str) -> None:
    terminal().print(escape(text), highlight=False, soft_wrap=True)
