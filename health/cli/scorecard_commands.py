"""Commands about the health score: the portfolio, overrides, history under another scorecard."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from health.cli.arguments import ConfigPath, Now, RunOf, utc_now
from health.cli.outputs import terminal


def add_scorecard_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(portfolio)
    app.command()(overrides)
    app.command()(restate)


def portfolio(
    config: ConfigPath,
    by: Annotated[
        str, typer.Option(metavar="BY", help="Group by csm, segment, parent or all.")
    ] = "csm",
    weight: Annotated[
        str, typer.Option(metavar="WEIGHT", help="How accounts are weighted: mrr or account.")
    ] = "mrr",
    as_of: RunOf = None,
) -> None:
    """Print the health of the book by CSM, segment or parent account."""
    from health.cli.scorecard_console import print_portfolio
    from health.scoring.portfolio_report import read_portfolio
    from health.settings.config import load_config

    print_portfolio(terminal(), read_portfolio(load_config(config), by, weight, as_of))


def overrides(config: ConfigPath, now: Now = None) -> None:
    """Print whether overrides or the scorecard were closer to what happened."""
    from health.cli.scorecard_console import print_verdicts
    from health.scoring.override_report import report_overrides
    from health.settings.config import load_config

    print_verdicts(terminal(), report_overrides(load_config(config, now=now or utc_now())))


def restate(
    config: ConfigPath,
    new: Annotated[
        Path,
        typer.Option(
            "--config",
            metavar="NEW",
            help="A file whose scorecard, stages and peer_group are used to score history again.",
        ),
    ],
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="DATE", help="Only runs from this date onwards."
        ),
    ] = None,
    now: Now = None,
) -> None:
    """Score the published dates again under another scorecard; published runs stay unchanged."""
    from health.cli.scorecard_console import print_restatement
    from health.restate.write import restate_history
    from health.settings.config import load_config

    old = load_config(config, now=now or utc_now())
    other = load_config(config, scorecard_of=new)
    print_restatement(terminal(), *restate_history(old, other.score_settings, since))
