"""Commands that analyse the past: backtest, tuning, experiments, voice and model versions."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from features.errors import HealthError
from health.cli import console as show
from health.cli.arguments import ConfigPath, Now, Until, time_and_user, utc_now
from health.cli.outputs import terminal


def add_analysis_commands(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (backtest, tune, experiment, voice, models):
        app.command()(command)


def backtest(
    config: ConfigPath,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], metavar="DATE", help="First past date to score."
        ),
    ] = None,
    scorecard: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also evaluate the scorecard of this TOML file.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Where to write. Default: backtest/ in runs_dir."
        ),
    ] = None,
    now: Now = None,
) -> None:
    """Score past dates with what was known then, and compare the scores with what happened."""
    from health.backtest.run import run_backtest
    from health.cli.backtest_console import backtest_summary
    from health.settings.config import load_config

    loaded = load_config(config, now=now or utc_now())
    finished = run_backtest(loaded, first=first, scorecard=scorecard, output=output)
    backtest_summary(terminal(), finished)


def tune(
    config: ConfigPath,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The proposal. Default: backtest/scorecard_proposed.toml in runs_dir.",
        ),
    ] = None,
    now: Now = None,
) -> None:
    """Learn scorecard weights from past outcomes and write them as a proposal."""
    from health.backtest.tune import tune as learn
    from health.cli.backtest_console import tuned
    from health.settings.config import load_config

    tuned(
        terminal(),
        learn(load_config(config, now=now or utc_now()), output=output),
        config,
    )


def experiment(
    config: ConfigPath,
    until: Until = None,
    now: Now = None,
) -> None:
    """Compare treated with control accounts: churn, health, MRR, with intervals and warnings."""
    from health.cli.experiment_console import print_readouts
    from health.experiment.readout import read_out
    from health.settings.config import load_config

    loaded = load_config(config, now=now or utc_now())
    print_readouts(terminal(), read_out(loaded, until=until))


def voice(
    config: ConfigPath,
    until: Until = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Page to write.")
    ] = None,
    now: Now = None,
) -> None:
    """Analyse comments and tickets: sentiment, themes, and the impact of each theme in points."""
    from health.cli.voice_command import run_voice
    from health.settings.config import load_config

    loaded = load_config(config, now=now or utc_now())
    run_voice(loaded, console=terminal(), until=until, output=output)


def models(
    config: ConfigPath,
    action: Annotated[str | None, typer.Argument(metavar="[promote]")] = None,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Promote it despite objections.")] = False,
    reason: Annotated[
        str,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="Reason for forcing; recorded with your name and the time.",
        ),
    ] = "",
    now: Now = None,
) -> None:
    """List model versions with their evaluation, or promote one."""
    from health.cli import training_console as console
    from health.settings.config import load_config
    from health.training import registry

    clock = now or utc_now()
    loaded = load_config(config, now=clock)
    if action is not None:
        if action != "promote" or version is None:
            raise HealthError(
                f"cannot {action!r}",
                where="health models",
                fix="health models CONFIG, or health models CONFIG promote VERSION",
            )
        from health.training.promotion import promote_version, require_reason, weigh

        require_reason(force=force, reason=reason)
        at, by = time_and_user(clock)
        with registry.changing(loaded.models_dir):
            decision = weigh(loaded, version)
            console.compared(terminal(), decision)
            if version == decision.champion:
                show.say(terminal(), f"{version} is already the champion.")
            else:
                promote_version(loaded, decision, at=at, by=by, force=force, reason=reason)
    registry.recover(loaded.models_dir)
    champion = registry.champion(loaded.models_dir)
    console.versions(terminal(), loaded.models_dir, champion, key=loaded.model_key)
