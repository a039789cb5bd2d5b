"""Safe terminal output: without secrets, and without characters that control the terminal."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console
from rich.segment import Segment

from features.redaction import without_known_secrets

#: Control characters, except line feed and tab, and characters that reverse the text direction.
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Return a text with control and right-to-left characters escaped.

    Examples
    --------
    >>> visible("Acme\x1b[2J \u202egnp.exe")
    'Acme\\x1b[2J \\u202egnp.exe'
    """
    return _STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


class PlainConsole(Console):
    """A console on which text from data cannot control the terminal; its own colours work."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        plain = (s if s.control else s._replace(text=visible(s.text)) for s in buffer)
        return super()._render_buffer(plain)


class _WithoutSecrets:
    """A text stream that hides every secret that the process has read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        shown = without_known_secrets(text)
        # A log has no colours: every control character comes from data.
        self._stream.write(shown if self._stream.isatty() else visible(shown))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Hide known secrets in everything printed, including warnings and logs of libraries."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows its code instead.
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (cast(TextIO, _WithoutSecrets(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def terminal() -> PlainConsole:
    """Return the console of standard output, 120 characters wide where that is no terminal."""
    return PlainConsole(width=None if sys.stdout.isatty() else 120)
