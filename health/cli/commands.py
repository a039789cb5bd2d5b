"""The `health` command: parses arguments and returns exit codes; other folders do the work."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from features.errors import HealthError
from health.cli import console as show
from health.cli.analysis_commands import add_analysis_commands
from health.cli.app_commands import add_app_commands
from health.cli.arguments import (
    AsOf,
    ConfigPath,
    Now,
    RunOf,
    Until,
    time_and_user,
    utc_now,
    with_its_permissions,
)
from health.cli.interrupts import interruptible
from health.cli.outputs import guarded_streams, terminal
from health.cli.running import private_files, run
from health.cli.scorecard_commands import add_scorecard_commands

app = typer.Typer(
    help="Customer health: score, churn risk, lifetime value and expansion lists.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"health {version('customer-health')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Score customer health, churn risk, lifetime value and expansion."""


actions_app = typer.Typer(help="What people did about flags.", no_args_is_help=True)
app.add_typer(actions_app, name="actions")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to create it in.")] = Path(
        "demo"
    ),
    accounts: Annotated[int, typer.Option(min=100, max=100_000, help="Number of accounts.")] = 1000,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed; each seed gives a different company.")
    ] = 7,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an existing demo company.")
    ] = False,
) -> None:
    """Create a demo company, train, score, and print where the report is."""
    from health.cli.demo_command import run_demo

    run_demo(
        folder,
        accounts=accounts,
        seed=seed,
        replace=replace,
        console=terminal(),
        today=utc_now(),
    )


@app.command()
def init(
    places: Annotated[
        list[str],
        typer.Argument(metavar="FOLDER|URL...", help="Exports, or a database ($NAME for its URL)."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The configuration to write.")
    ] = Path("health.toml"),
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite the file.")] = False,
) -> None:
    """Recognise vendors' exports and propose a configuration, with the evidence for each guess."""
    from health.cli.init_command import run_init

    run_init(places, output=output, replace=replace, console=terminal())


@app.command()
def publish(config: ConfigPath) -> None:
    """Write the newest run to the company's database, once: a table per date, a view `latest`."""
    from health.cli.publish_command import run_publish
    from health.settings.config import load_config

    run_publish(load_config(config), console=terminal(), at=utc_now())


@app.command()
def check(
    config: ConfigPath,
    connect: Annotated[
        bool, typer.Option("--connect", help="Only connect to each source and list its tables.")
    ] = False,
    now: Now = None,
) -> None:
    """Read and validate the tables; list every violation and exit 2 if there is one."""
    from health.business.company import open_company
    from health.cli.check_console import check_report, check_webhooks, run_connect
    from health.settings.config import load_config

    loaded = load_config(config, now=now or utc_now())
    check_webhooks(terminal(), loaded)
    if connect:
        run_connect(loaded, console=terminal())
        return
    check_report(terminal(), open_company(loaded))


@app.command()
def features(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help="A health.toml.", callback=with_its_permissions),
    ] = None,
    as_of: AsOf = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A .parquet or .csv file."),
    ] = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="Print the catalogue of features instead.")
    ] = False,
    now: Now = None,
) -> None:
    """Write the feature table as of a date."""
    from health.business.company import write_features
    from health.settings.config import load_config

    if list_all:
        from features.catalogue import CATALOGUE
        from health.cli.catalogue_console import catalogue
        from health.settings.custom_catalogue import catalogue_of

        known = CATALOGUE if config is None else catalogue_of(load_config(config))
        catalogue(terminal(), known)
        return
    if config is None or output is None:
        raise HealthError(
            "needs a configuration and an output file",
            where="health features",
            fix="health features CONFIG --as-of DATE -o features.parquet, or --list",
        )
    clock = now or utc_now()
    rows = write_features(load_config(config, now=clock), as_of, output, today=clock)
    show.say(terminal(), f"{rows:,} accounts written to {output}")


@app.command()
def train(
    config: ConfigPath,
    until: Until = None,
    promote: Annotated[
        bool,
        typer.Option(
            help="Promote the version unless it leaks the outcome or is worse than the champion."
        ),
    ] = True,
    now: Now = None,
) -> None:
    """Train on past dates, evaluate on later ones, and save a model version.

    Exit 3 if a leak or a better champion prevents the promotion of the version.
    """
    from health.cli.training_console import training
    from health.settings.config import load_config
    from health.training.train import train_version

    clock = now or utc_now()
    console, loaded = terminal(), load_config(config, now=clock)
    at, by = time_and_user(clock)
    trained = train_version(
        loaded, until=until, promoted=promote, at=at, by=by, say=lambda t: show.say(console, t)
    )
    training(console, trained, loaded)
    if trained.is_blocked:
        raise typer.Exit(3)


@app.command()
def score(
    config: ConfigPath,
    as_of: AsOf = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Score a date again; the old run is archived.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for a run in progress instead of exiting."),
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(metavar="GATE", help="Publish even if this gate fails; can be repeated."),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Use this feature table of the date instead of building one."
        ),
    ] = None,
    log_json: Annotated[
        bool,
        typer.Option("--log-json", help="Write JSON lines to standard error and print no summary."),
    ] = False,
    now: Now = None,
) -> None:
    """Score every paying account and publish the run: the weekly batch."""
    from health.cli.score_command import run_score

    run_score(
        config,
        as_of,
        replace=replace,
        wait=wait,
        accepted=tuple(accept or ()),
        features=features,
        log_json=log_json,
        console=terminal(),
        clock=utc_now if now is None else lambda: now,
        timed=now is None,
    )


@app.command("list")
def show_list(
    config: ConfigPath,
    flag: Annotated[
        str,
        typer.Option(
            help="at_risk, upsell, cross_sell, renewal, disagreement, advocate, leaving or silent.",
            metavar="FLAG",
        ),
    ] = "at_risk",
    csm: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the accounts of this CSM.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Only this account, by ID or name.")
    ] = None,
    as_of: RunOf = None,
) -> None:
    """Print one list of the newest run, or of the run of a date."""
    from health.cli.list_console import print_list
    from health.flags.listing import read_list
    from health.settings.config import load_config

    print_list(terminal(), read_list(load_config(config), flag, csm, as_of, account=account))


@actions_app.command("import")
def import_actions(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A filled-in flags.xlsx.")],
    config: Annotated[
        Path,
        typer.Option(metavar="CONFIG", help="A health.toml.", callback=with_its_permissions),
    ] = Path("health.toml"),
    author: Annotated[str, typer.Option(metavar="NAME", help="The person who filled it in.")] = "",
    at: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="When it was done. Default: now."),
    ] = None,
) -> None:
    """Add outcomes from a workbook to actions.csv; importing a file twice adds nothing."""
    from health.business.company import actions_file
    from health.presentation import wording
    from health.settings.config import load_config
    from health.workbook.import_check import require_valid_actions
    from health.workbook.outcomes import import_outcomes

    loaded = load_config(config, now=utc_now())
    done = import_outcomes(
        file,
        actions_file(loaded),
        at=at or utc_now().replace(microsecond=0),
        author=author,
        verify=lambda made: require_valid_actions(loaded, made),
    )
    notes = f" ({wording.count(done.notes, 'note')} without an outcome)" if done.notes else ""
    show.say(
        terminal(),
        f"{done.added:,} added{notes}, {done.known:,} already known, in {done.file}",
    )


@app.command()
def explain(
    config: ConfigPath,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Account ID or name.")],
    as_of: RunOf = None,
) -> None:
    """Explain one account of the newest run: score, reasons, changes, history."""
    from health.cli.explain_console import explanation
    from health.scoring.explain import explain_account
    from health.settings.config import load_config

    found = explain_account(load_config(config), account, as_of)
    explanation(terminal(), found)


add_analysis_commands(app)


@app.command()
def erase(
    config: ConfigPath,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="ID of the account or person.")],
    person: Annotated[
        bool,
        typer.Option(
            "--person",
            help="Erase a person: a respondent, a contact, or a user of the product or the app.",
        ),
    ] = False,
    now: Now = None,
) -> None:
    """Remove a customer or a person from runs, models, lists, the app and published tables."""
    from health.cli.erase_command import run_erase
    from health.settings.config import load_config

    clock = now or utc_now()
    _, by = time_and_user(clock)
    kind = "person" if person else "account"
    run_erase(load_config(config), identifier, kind=kind, console=terminal(), now=clock, by=by)


add_scorecard_commands(app)
add_app_commands(app)


def main() -> None:
    """Run the command line; exit 0: done, 1: a bug, 2: bad input, 3: a gate failed.

    SIGTERM exits with 143 and Ctrl+C with 130.
    """
    with interruptible(), guarded_streams(), private_files():
        run(app)
