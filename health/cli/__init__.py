"""The `health` command."""

from health.cli.commands import main

__all__ = ["main"]
