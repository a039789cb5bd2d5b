"""No message repeats a secret: passwords, tokens and connection strings are hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
#: Shorter values would hide words that are no secret.
_SHORTEST = 4
#: The same for one line of a secret that has several, such as a key in PEM.
_SHORTEST_LINE = 12
#: A password may itself contain @ and /: up to the last @ of a URL.
_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]*://)[^\s'\"]*@", re.I)
_USER_OF_URL = re.compile(r"[a-z][a-z0-9+.\-]*://([^\s'\"]*)@", re.I)
_URL = re.compile(r"[a-z][a-z0-9+.\-]*://[^\s'\"]+", re.I)
_SIGNS = re.compile(r"[:/?#@]")
_NO_PORT = re.compile(
    r"[a-z][a-z0-9+.\-]*://[^\s'\"/?#:@]*:([^\s'\"/?#@]*[^\d\s'\"/?#@][^\s'\"/?#@]*)", re.I
)
_OPTIONS_OF_URL = re.compile(r"[a-z][a-z0-9+.\-]*://[^\s'\"?]*\?([^\s'\"]+)", re.I)
_ASSIGNED = re.compile(
    r"(?P<key>\b[\w\-]*(?:password|passwd|pwd|passphrase|secret|token|api[_\-]?key|access[_\-]?key"
    r"|private[_\-]?key|authorization|credentials?)\b[\"']?\s*(?:=|:|=>)\s*)(?!is the secret)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|(?:bearer\s+|basic\s+)?[^\s,;&\"')}\]]+)",
    re.I,
)
#: Every secret that this process has read, so that no message repeats one, whatever its form.
_KNOWN: set[str] = set()


def remember(value: str) -> None:
    """Keep a secret, and the password in it where it is a URL, out of all further messages."""
    _keep([value, *_passwords(value)])


def remember_passwords(text: str) -> None:
    """Keep the passwords of the URLs in a text, such as a query, out of all further messages."""
    _keep(_passwords(text))


def _keep(parts: Iterable[str]) -> None:
    for part in parts:
        # A message may have one line of a key, or the form that a library writes.
        _KNOWN.update(form for form in _forms(part) if len(form) >= _SHORTEST)


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, encoded for a URL, escaped as in a literal, and its long lines."""
    yield from (secret, quote(secret, errors="replace"))
    yield from (quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace"))
    yield from (repr(secret)[1:-1], json.dumps(secret)[1:-1])
    lines = [line.strip() for line in secret.splitlines()]
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE)


def _passwords(text: str) -> list[str]:
    """Return what may be a password in each URL of a text: whole, and between its signs.

    A parser that takes part of a password for the port or the host repeats only that part.
    """
    found: list[str] = []
    for user in _USER_OF_URL.findall(text):
        password = user.partition(":")[2]
        for part in (password, password.rpartition("@")[2], *_SIGNS.split(password)):
            found += [part, unquote(part)]
    # What is in the place of a port and is no number, and the options, which name a path or a key;
    # of those after a semicolon, only secrets: others have values such as true.
    found += _NO_PORT.findall(text)
    found += _OPTIONS_OF_URL.findall(text)
    found += (key["value"] for url in _URL.findall(text) for key in _ASSIGNED.finditer(url))
    return found


def without_known_secrets(text: str) -> str:
    """Return a text without the secrets that this process has read; their form plays no part."""
    for known in sorted(_KNOWN, key=len, reverse=True):
        text = text.replace(known, HIDDEN)
    return text


def redact(text: str) -> str:
    """Return a message without passwords, tokens and connection strings.

    Examples
    --------
    >>> redact("cannot connect to postgresql://ann:hunter2@db/crm")
    'cannot connect to postgresql://***@db/crm'
    >>> redact("host=db user=ann password=hunter2 dbname=crm")
    'host=db user=ann password=*** dbname=crm'
    """
    return _without_patterns(without_known_secrets(text))


def shows_secret(text: str) -> bool:
    """Whether a text shows a secret by its form, such as a URL with a password."""
    return _without_patterns(text) != text


def _without_patterns(text: str) -> str:
    text = _IN_URL.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _ASSIGNED.sub(rf"\g<key>{HIDDEN}", text)


def redacted(value: Any) -> Any:
    """Return a value of JSON with every text in it redacted; keys are kept."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner) for inner in value]
    return value
