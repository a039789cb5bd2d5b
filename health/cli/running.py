"""How a command runs: private files, and errors as a line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer
from rich.markup import escape

from features.errors import HealthError
from features.redaction import redact
from health.cli.outputs import PlainConsole
from health.settings.custom_modules import exited_module


@contextmanager
def private_files() -> Iterator[None]:
    """Let only the owner read new files; `[storage]` may add the group."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def run(app: typer.Typer) -> None:
    """Run a command; errors become a line on standard error and an exit code."""
    errors = PlainConsole(stderr=True, soft_wrap=True)
    try:
        try:
            app()
        finally:
            # A failure to write to standard output is reported like any other error.
            sys.stdout.flush()
    except SystemExit as error:
        module = exited_module(error)
        if module is None:
            raise
        what = f"the custom module {module} ends the process ({error.code!r})"
        fault = HealthError(what, where="the section own", fix="raise an exception in it instead")
        errors.print(f"[bold red]error:[/] {escape(redact(str(fault)))}", highlight=False)
        sys.exit(fault.exit_code)
    except BrokenPipeError:
        _discard_output()
        sys.exit(0)
    except Exception as error:
        # Engines are only loaded by commands that use them, so that the others start fast.
        from health.cli.faults import fault_of_the_machine  # noqa: PLC0415

        known = fault_of_the_machine(error)
        if known is not None:
            if isinstance(error, OSError):
                _discard_output()
            errors.print(f"[bold red]error:[/] {escape(redact(str(known)))}", highlight=False)
            sys.exit(known.exit_code)
        errors.print("[bold red]internal error:[/] please report the lines below", highlight=False)
        sys.stderr.write(redact(traceback.format_exc()))
        sys.exit(1)


def _discard_output() -> None:
    """Discard output that could not be written, so that closing standard output does not fail."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
