"""`health demo`: a simulated company, its models and its first runs in one folder."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pandas as pd
from rich.console import Console

from features.errors import HealthError
from health.cli import console as show
from health.cli.run_console import run_summary
from health.cli.training_console import training
from health.demo import DemoCompany, simulate_company, write_company
from health.runs.durable import named
from health.runs.lock import locked
from health.settings.config import Config, load_config
from health.training.train import train_version
from health.weekly.batch import score_run

#: Files and folders of a demo.
_MADE = ("tables", "models", "runs", "health.toml", "truth.parquet")


def run_demo(
    folder: Path, *, accounts: int, seed: int, replace: bool, console: Console, today: datetime
) -> None:
    """Simulate a company, train on it, score its last two weeks and print the summary.

    Parameters
    ----------
    folder : Path
        Gets health.toml, tables, truth.parquet, models and runs.
    accounts : int
        Number of accounts.
    seed : int
        Random seed; each seed gives a different company.
    replace : bool
        Remove an earlier demo from the folder.
    console : Console
        Where the summary is printed.
    today : datetime
        The time of the run, for run.json.

    Raises
    ------
    HealthError
        The folder contains an earlier demo and `replace` is not given.
    """
    with locked(folder, work="demo", patience=0), named(folder):
        _clear(folder, replace=replace)
        _run(folder, accounts=accounts, seed=seed, console=console, today=today)


def _run(folder: Path, *, accounts: int, seed: int, console: Console, today: datetime) -> None:
    with console.status("Creating the demo company"):
        company = simulate_company(accounts, seed=seed)
        text = files("health.demo").joinpath("health.toml").read_text(encoding="utf-8")
        text = text.replace("OBSERVED_UNTIL", str(company.observed_until.date()))
        try:
            write_company(company, folder)
            (folder / "health.toml").write_text(text, encoding="utf-8")
        except BaseException:
            # Part of a company would be taken for a whole one by the next command.
            _clear(folder, replace=True)
            raise
    config = load_config(folder / "health.toml")
    end = company.observed_until
    last = end - timedelta(days=(end.weekday() - config.weekday) % 7)
    show.say(
        console,
        f"Demo company of {accounts:,} accounts in {folder}/tables: "
        + ", ".join(
            f"{len(t):,} {name}" for name, t in company.tables.items() if name != "accounts"
        ),
    )
    with console.status("Training on past dates"):
        trained = train_version(
            config,
            truth=_true_probabilities(company, config),
            at=today.isoformat(timespec="seconds"),
            by="health demo",
        )
    training(console, trained, config)
    # The previous week is scored first, so the last run can show what changed.
    with console.status("Scoring two weeks"):
        score_run(config, last - timedelta(days=7), replace=False, today=today)
        run = score_run(config, last, replace=False, today=today)
    run_summary(console, run)
    show.say(console, f"Next: health explain {folder / 'health.toml'} ACCOUNT")


def _true_probabilities(company: DemoCompany, config: Config) -> pd.DataFrame:
    """Return the simulator's true probabilities under the names of the models' targets."""
    days = config.labels.horizon_days
    names = {f"{target}_probability_{days}d": target for target in ("churn", "upsell")}
    return company.truth[["account_id", "as_of", *names]].rename(columns=names)


def _clear(folder: Path, *, replace: bool) -> None:
    present = [folder / name for name in _MADE if (folder / name).exists()]
    if present and not replace:
        raise HealthError(
            "the folder already contains a demo company",
            where=str(folder),
            fix="use --replace to replace it, or another folder",
        )
    for path in present:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def demo_config(folder: Path = Path("demo"), *, accounts: int = 300, seed: int = 7) -> Path:
    """Return the configuration of a demo company, which is created if it does not exist.

    Parameters
    ----------
    folder : Path
        Folder of the company: tables, a trained version and two runs.
    accounts, seed : int
        Its size and seed, if it is created.

    Returns
    -------
    Path
        Its health.toml.
    """
    config = folder / "health.toml"
    if not config.exists():
        now = datetime.now(UTC).replace(tzinfo=None)
        quiet = Console(quiet=True)
        run_demo(folder, accounts=accounts, seed=seed, replace=True, console=quiet, today=now)
    return config
