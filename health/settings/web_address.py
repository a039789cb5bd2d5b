"""Addresses of webhooks: what a request can be sent to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

#: Blanks and control characters, which no address contains.
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_HIGHEST_PORT = 65535


def require_web_address(url: str) -> None:
    """Raise ValueError for a text to which no request can be sent; the message does not repeat it.

    Examples
    --------
    >>> require_web_address("https://hooks.example.com/services/T0/B0")
    >>> require_web_address("hooks.example.com")
    Traceback (most recent call last):
        ...
    ValueError: is not a web address: it does not start with https:// or http://
    """
    wrong = _wrong(url)
    if wrong:
        raise ValueError(f"is not a web address: {wrong}")


def _wrong(url: str) -> str:
    if _BLANK.search(url):
        return "it contains a blank or a line end"
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not url.partition(":")[2].startswith("//"):
            return "it does not start with https:// or http://"
        host, port = parts.hostname or "", parts.port
        labels = host.removesuffix(".").encode("idna").decode().split(".")
    except ValueError:
        return "its host or port cannot be read"
    if not host or ("[" not in parts.netloc and not all(labels)):
        return "it has no host"
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        return "its port is not between 1 and 65535"
    return ""


def is_by_name(value: str) -> bool:
    """Return whether a setting names, at least in part, where its value is."""
    return "$" in value or value.startswith("file:")
