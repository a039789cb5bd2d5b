"""The `health` command."""

from health.cli.interrupts import interruptible
from health.cli.memory import manage_memory

__all__ = ["main"]


def main() -> None:
    """Run the command line, as `health.cli.commands.main` does.

    Loading a command takes up to a second; a signal during that time also ends it cleanly.
    """
    manage_memory()
    with interruptible():
        from health.cli.commands import main as run  # noqa: PLC0415

        run()
