"""Secrets of the configuration: read by name from the environment or a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from features.errors import HealthError
from features.redaction import remember, remember_passwords
from features.tables.regular_files import read_regular

#: Keys whose value is a secret as a whole, if it is not the name of one.
_SECRET_KEY = re.compile(
    r"(?!.*_(env|header)$).*"
    r"(webhook|secret|passw|passphrase|token|credential|(api|signing|private|access)_?key)",
    re.I,
)
#: Size of a file with a secret: a certificate of a service account has a few thousand bytes.
_MOST_BYTES = 64 * 2**10
_NAME = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


def remember_secrets(content: Any, key: str = "") -> None:
    """Keep the secrets that a configuration contains out of all messages, valid or not.

    Parameters
    ----------
    content : object
        A value of a TOML file: tables, arrays and texts.
    key : str
        Its key.
    """
    pending = [(key, content)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [(str(inner), item) for inner, item in value.items()]
        elif isinstance(value, list | tuple):
            pending += [(name, item) for item in value]
        elif isinstance(value, str):
            remember_passwords(value)
            if _SECRET_KEY.match(name) and not value.startswith(("$", "file:")):
                remember(value)


def is_secret(loc: Iterable[int | str]) -> bool:
    """Return whether the value of a setting, given by its sections and key, may be a secret."""
    return any(_SECRET_KEY.match(str(part)) for part in loc)


def secret(value: str, *, where: str, base: Path) -> str:
    """Return the value of a setting: itself, or the content of the variable or file it names.

    Parameters
    ----------
    value : str
        ``$NAME`` or ``${NAME}`` is an environment variable, which may be part of the value;
        ``file:PATH`` is a file, relative to the configuration.
    where : str
        The setting, as messages name it.
    base : Path
        Folder of the configuration.

    Raises
    ------
    HealthError
        The variable is not set or the file cannot be read; the message never contains the value.
    """
    if value.startswith("file:"):
        found = _of_file(base / value.removeprefix("file:"), where)
    else:
        found = _NAME.sub(lambda name: _of_environment(name[1], where), value)
    if found != value:
        remember(found)
    return found


def by_name(value: str, *, example: str) -> str:
    """Return a reference to a secret unchanged, or an empty text; ValueError for a plain secret."""
    if value and not value.startswith(("$", "file:")):
        remember(value)
        raise ValueError(
            "is the secret itself; put it into an environment variable and name it: "
            f'"{example}", or into a file: "file:PATH"'
        )
    return value


def _of_environment(name: str, where: str) -> str:
    found = os.environ.get(name, "")
    if not found:
        # A password may start with $: only what is clearly a name is repeated.
        is_name = name == name.upper()
        shown = f"the environment variable {name}" if is_name else "its environment variable"
        raise HealthError(
            f"{shown} is not set",
            where=where,
            fix=f"set it before the command: export {name if is_name else 'NAME'}=…",
        )
    return found


def _of_file(file: Path, where: str) -> str:
    try:
        found = read_regular(file, most_bytes=_MOST_BYTES).decode("utf-8").strip()
    except UnicodeDecodeError:
        raise HealthError(
            "the file of the secret is not a text in UTF-8",
            where=f"{where}, {file}",
            fix="save it as UTF-8",
        ) from None
    except (OSError, ValueError) as error:
        raise HealthError(
            f"the file of the secret cannot be read: {getattr(error, 'strerror', None) or error}",
            where=f"{where}, {file}",
            fix="check its path and permissions",
        ) from None
    if not found:
        raise HealthError(
            "the file of the secret is empty",
            where=f"{where}, {file}",
            fix="write the secret into it",
        )
    return found
