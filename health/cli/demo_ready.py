"""A demo company for notebooks: made once, found again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from health.cli.demo_command import run_demo


def demo_config(folder: Path = Path("demo"), *, accounts: int = 300, seed: int = 7) -> Path:
    """Return the configuration of a demo company, which is made first where it is not there.

    Parameters
    ----------
    folder : Path
        Where the company is, or is to be: tables, a trained version and two runs.
    accounts, seed : int
        Its size and seed, where it is made.

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
