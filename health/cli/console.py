"""Print sentences on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from features.redaction import redact


def say(console: Console, text: str) -> None:
    """Print one plain line."""
    console.print(escape(redact(text)), highlight=False)
