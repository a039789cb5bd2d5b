"""Arguments that several commands take."""

from __future__ import annotations

import getpass
import os
import tomllib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from features.errors import HealthError
from health.settings.limits import read_configuration


def with_its_permissions(path: Path | None) -> Path | None:
    """Let the group read what the command writes, if the configuration asks for it."""
    if path is None:
        return None
    # A configuration that cannot be read is reported by the command.
    with suppress(HealthError, ValueError, RecursionError):
        storage = tomllib.loads(read_configuration(path)).get("storage", {})
        if isinstance(storage, dict) and storage.get("group_readable") is True:
            os.umask(0o027)
    return path


ConfigPath = Annotated[
    Path,
    typer.Argument(metavar="CONFIG", help="A health.toml.", callback=with_its_permissions),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Score this date, using what was known before it. Default: the last as_of_weekday "
        "covered by the data.",
    ),
]
RunOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Use the run of this date. Default: the newest run.",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Use what was known before this date."),
]
Now = Annotated[
    datetime | None,
    typer.Option(
        "--now",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
        metavar="TIME",
        help="The clock of the run (UTC): later rows do not count. Default: the machine's clock.",
    ),
]


def utc_now() -> datetime:
    """Return the time in UTC, without a time zone; the clock is read here only."""
    return datetime.now(UTC).replace(tzinfo=None)


def time_and_user(clock: datetime) -> tuple[str, str]:
    """Return the current time and user, for the records."""
    try:
        by = getpass.getuser()
    except (KeyError, OSError):
        by = "unknown"
    return clock.isoformat(timespec="seconds"), by
