"""Report a run to a company's own monitoring: its start, its end and its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from features.errors import HealthError
from features.redaction import redact
from health.cli.faults import fault_of_the_machine
from health.observability.openlineage import Ending, add_event, new_run_id, run_event
from health.observability.prometheus import Attempt, write_metrics
from health.runs.directory import PublishedRun
from health.settings.config import Config
from health.weekly.refusal import newest_refusal

#: Exit code of a run that a gate stopped.
_STOPPED = 3


@contextmanager
def observed(
    config: Config, *, as_of: date | None, clock: Callable[[], datetime], describe: Describe
) -> Iterator[Callable[[PublishedRun], None]]:
    """Write the files of `[observability]` about what happens in the block.

    A file that cannot be written is reported and does not affect the run.

    Parameters
    ----------
    config : Config
        The configuration.
    as_of : date, optional
        The date to score, if given.
    clock : callable
        The time, UTC.
    describe : callable
        Called with a message about a file that could not be written.

    Yields
    ------
    callable
        Call it with the run once it is published.
    """
    run_id, published = new_run_id(), list[PublishedRun]()

    def event(ending: Ending, message: str = "") -> None:
        file = config.observability.openlineage_file
        if file is None:
            return
        run = published[-1] if published else None
        content = run_event(
            config,
            ending,
            run_id=run_id,
            at=clock(),
            as_of=as_of,
            published=run,
            message=message,
        )
        add_event(config.base / file, content)

    def metrics(exit_code: int, gates: Sequence[Mapping[str, Any]] = ()) -> None:
        file = config.observability.prometheus_file
        if file is None:
            return
        attempt = Attempt(clock(), exit_code, gates)
        company = config.company or config.file.stem
        write_metrics(config.base / file, config.runs_dir, attempt, company=company)

    with _described(describe):
        event("START")
    try:
        yield published.append
    except BaseException as error:
        ending, code, message = _ended(error)
        gates = newest_refusal(config.runs_dir) if code == _STOPPED else []
        with _described(describe):
            event(ending, message)
        with _described(describe):
            metrics(code, gates)
        raise
    with _described(describe):
        event("COMPLETE")
    with _described(describe):
        metrics(0, published[-1].info()["gates"] if published else ())


Describe = Callable[[str], object]


@contextmanager
def _described(describe: Describe) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, HealthError) as error:
        describe(f"warning: a file of [observability] was not written ({redact(str(error))})")


def _ended(error: BaseException) -> tuple[Ending, int, str]:
    """Return how a run ended: the event, the exit code and a message."""
    if isinstance(error, SystemExit | KeyboardInterrupt):
        code = error.code if isinstance(error, SystemExit) else 130
        return "ABORT", code if isinstance(code, int) else 1, "the command was interrupted"
    known = fault_of_the_machine(error)
    if known is None:
        return "FAIL", 1, f"internal error: {type(error).__name__}"
    return "FAIL", known.exit_code, str(known)
