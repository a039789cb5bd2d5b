"""The streams of the command line: no secret that was read leaves through them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from features.redaction import without_known_secrets


class _WithoutSecrets:
    """A text stream that hides every secret that the process has read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(without_known_secrets(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Hide known secrets in all that is printed, warnings and logs of libraries included."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows its code instead.
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (cast(TextIO, _WithoutSecrets(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
