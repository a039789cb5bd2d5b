"""`health score`: the run, its progress and its summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from health.cli.faults import fault_of_the_machine
from health.cli.observed import observed
from health.cli.outputs import PlainConsole
from health.cli.publish_command import published
from health.cli.run_console import run_summary
from health.publishing.newest import publish_newest
from health.settings.config import load_config
from health.weekly.batch import RunResult, score_run
from health.weekly.progress import Bars, Lines, Voice


def run_score(
    config: Path,
    as_of: datetime | None,
    *,
    replace: bool,
    wait: bool,
    accepted: tuple[str, ...],
    features: Path | None,
    log_json: bool,
    console: Console,
    clock: Callable[[], datetime],
    timed: bool = True,
) -> None:
    """Score, report progress on standard error, and print the summary.

    With `log_json`, every line of standard error is a JSON object, errors included, and no summary
    is printed. `timed` is as in `score_run`.

    Raises
    ------
    HealthError
        As in `score_run`. With `log_json` it is logged, and SystemExit has its exit code.
    """
    now = clock()
    with _voice(clock, log_json=log_json) as voice:
        with _faults_in_the_log(voice, log_json=log_json):
            loaded = load_config(config, now=now)
            with observed(
                loaded,
                as_of=as_of.date() if as_of else None,
                clock=clock,
                describe=partial(voice.event, "observability_failed"),
            ) as succeeded:
                run = score_run(
                    loaded,
                    as_of,
                    replace=replace,
                    today=now,
                    timed=timed,
                    wait=wait,
                    accepted=accepted,
                    features=features,
                    voice=voice,
                )
                succeeded(run.published)
        if log_json:
            _describe(voice, run)
    if not log_json:
        run_summary(console, run)
    if loaded.publish is None:
        return
    with (
        _voice(clock, log_json=log_json) as voice,
        _faults_in_the_log(voice, log_json=log_json),
    ):
        publication = publish_newest(loaded, at=now)
    if not log_json:
        published(console, publication)


@contextmanager
def _faults_in_the_log(voice: Voice, *, log_json: bool) -> Iterator[None]:
    """With `log_json`, write a HealthError as a line of JSON and exit with its code."""
    try:
        yield
    except Exception as fault:
        error = fault_of_the_machine(fault)
        if not log_json or error is None:
            raise
        result = {"exit_code": error.exit_code, "where": error.where, "fix": error.fix}
        voice.event("failed", error.what, **result)
        sys.exit(error.exit_code)


@contextmanager
def _voice(clock: Callable[[], datetime], *, log_json: bool) -> Iterator[Voice]:
    """Return progress bars for a terminal, lines for a log."""
    if log_json or not sys.stderr.isatty():
        yield Lines(sys.stderr, clock, as_json=log_json)
        return
    with Bars(PlainConsole(stderr=True)) as bars:
        yield bars


def _describe(voice: Voice, run: RunResult) -> None:
    for warning in run.info["warnings"]:
        voice.event("warning", warning)
    metrics = {
        "as_of": run.info["as_of"],
        "folder": str(run.published.folder),
        "accounts": len(run.scored.scores),
        "flags": run.info["flags"],
        "seconds": run.info["timings"],
    }
    voice.event("published", f"published {run.published.folder}", **metrics)
