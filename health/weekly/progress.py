"""Progress of a run: bars on a terminal, lines with timestamps or JSON elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from features.redaction import redact, redacted

Clock = Callable[[], datetime]


class Voice(Protocol):
    """Receives events and progress."""

    def event(self, name: str, text: str, **metrics: Any) -> None:
        """Report an event: a short name, a message and values."""

    def share(self, step: str, done: float) -> None:
        """Report how much of a step is done, 0-1."""


class Silence:
    """Reports nothing."""

    def event(self, name: str, text: str, **metrics: Any) -> None:
        """Do nothing."""

    def share(self, step: str, done: float) -> None:
        """Do nothing."""


class Lines:
    """One line per event with the time in UTC, for logs.

    Parameters
    ----------
    stream : TextIO
        Where the lines go.
    clock : callable
        The time.
    as_json : bool
        Each line is a JSON object with time, event, text and values.
    """

    def __init__(self, stream: TextIO, clock: Clock, *, as_json: bool = False) -> None:
        self._stream, self._clock, self._as_json = stream, clock, as_json

    def event(self, name: str, text: str, **metrics: Any) -> None:
        """Write a line."""
        when = self._clock().isoformat(timespec="seconds") + "Z"
        line = redact(f"{when} {text}")
        if self._as_json:
            # Keys are not redacted: a secret may be a word such as "text".
            content = redacted({"text": text, **metrics})
            line = json.dumps(
                {"time": when, "event": name, **content}, ensure_ascii=False, default=str
            )
        self._stream.write(line + "\n")
        self._stream.flush()

    def share(self, step: str, done: float) -> None:
        """Do nothing: a log has no bars."""


class Bars:
    """One bar per step on a terminal.

    Parameters
    ----------
    console : Console
        The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def event(self, name: str, text: str, **metrics: Any) -> None:
        """Start or end the bar of a step; print other events."""
        step = str(metrics.get("step", ""))
        if name == "step_begun":
            self._tasks[step] = self._progress.add_task(step, total=None)
        elif name == "step_ended":
            self._progress.update(self._tasks[step], total=1.0, completed=1.0)
        else:
            self._progress.console.print(redact(text), markup=False, highlight=False)

    def share(self, step: str, done: float) -> None:
        """Move a bar."""
        self._progress.update(self._tasks[step], total=1.0, completed=done)


class Steps:
    """Times the steps of a run and reports when they start and end.

    Attributes
    ----------
    seconds : dict of str to float
        Duration of each step, in order.
    voice : Voice
        Receives the events.
    """

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[float], None]]:
        """Time a step; yields a function to be called with the share that is done."""
        start = time.perf_counter()
        self.voice.event("step_begun", f"{name} …", step=name)
        yield lambda share: self.voice.share(name, share)
        took = round(time.perf_counter() - start, 3)
        self.seconds[name] = took
        self.voice.event("step_ended", f"{name}: {took:.1f} s", step=name, seconds=took)
