"""Limits of a configuration: implausible numbers, dates, texts and nesting are rejected."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from features.errors import HealthError

_MOST_BYTES = 10 * 2**20
_DEEPEST, _MOST_VALUES = 32, 100_000
#: Maximum length of a text in characters; a query may be longer.
_LONGEST, _LONGEST_SQL, _LONGEST_PATH = 4_096, 1_000_000, 1_024
#: Largest and smallest absolute value of a number whose key has no unit.
_LARGEST, _SMALLEST = 1e15, 1e-12
#: Largest value by the suffix of a key: a century in that unit.
_UNITS = {
    "days": 36_525,
    "weeks": 5_218,
    "months": 1_200,
    "years": 100,
    "hours": 876_600,
    "minutes": 52_596_000,
    "_s": 3_155_760_000,
    "seed": 2**32 - 1,
}
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_SHOWN = 80


def read_configuration(path: Path) -> str:
    """Return the text of a configuration file.

    Raises
    ------
    HealthError
        There is no such file, it is not a regular file of a plausible size, or it is not UTF-8.
    """
    where = _shortened(str(path))
    try:
        # Opening a pipe or a device could block forever.
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise HealthError("is not a file", where=where, fix="give the path of a health.toml")
        if found.st_size > _MOST_BYTES:
            raise HealthError(
                f"has {found.st_size:,} bytes; a configuration has at most {_MOST_BYTES:,}",
                where=where,
                fix="give the path of a health.toml",
            )
        content = path.read_bytes()
    except FileNotFoundError:
        raise HealthError(
            "there is no such configuration file",
            where=where,
            fix="give the path of a health.toml; `health demo` writes one to start from",
        ) from None
    except (OSError, ValueError) as error:
        raise HealthError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}",
            where=where,
            fix="check path and permissions",
        ) from None
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise HealthError(
            "starts with a byte order mark", where=where, fix="save it as UTF-8 without one"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HealthError(
            f"is not UTF-8 text: byte {error.start:,}", where=where, fix="save it as UTF-8"
        ) from None


def refuse_absurd(content: Mapping[str, Any], where: str) -> None:
    """Raise HealthError that lists each implausible value.

    Parameters
    ----------
    content : mapping
        The parsed file.
    where : str
        The file, for the message.
    """
    problems: list[str] = []
    pending: list[tuple[str, Any, int]] = [("", content, 0)]
    n_values = 0
    while pending:
        key, value, depth = pending.pop()
        n_values += 1
        if depth > _DEEPEST or n_values > _MOST_VALUES:
            is_deep = depth > _DEEPEST
            what = f"is nested deeper than {_DEEPEST}" if is_deep else "has too many values"
            problems = [f"  {_shortened(key)}: {what}"]
            break
        if isinstance(value, Mapping):
            for inner, item in value.items():
                name = f"{key}.{inner}" if key else str(inner)
                if _unprintable(str(inner)) or len(str(inner)) > _LONGEST:
                    problems.append(
                        f"  {_shortened(name)}: the key is too long or has control characters"
                    )
                pending.append((name, item, depth + 1))
        elif isinstance(value, list):
            pending += [(key, item, depth + 1) for item in value]
        elif why := _absurd(key.rpartition(".")[2], value):
            problems.append(f"  {_shortened(key)}: {why}")
    if problems:
        more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise HealthError(
            "the configuration is not valid\n" + "\n".join(sorted(problems)[:10]) + more,
            where=where,
            fix="correct the keys and values named above; health/SETTINGS.md lists every key",
        )


def _absurd(key: str, value: Any) -> str:
    """Return why a value is implausible; empty if it is plausible."""
    if isinstance(value, str):
        return _absurd_text(key, value)
    if isinstance(value, date):
        is_near = _FIRST_YEAR <= value.year <= _LAST_YEAR
        return "" if is_near else f"{value} is not a date from {_FIRST_YEAR} to {_LAST_YEAR}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    most = next((most for unit, most in _UNITS.items() if key.endswith(unit)), _LARGEST)
    is_plausible = math.isfinite(value) and abs(value) <= most and not 0 < abs(value) < _SMALLEST
    return "" if is_plausible else f"{value:.3g} is out of range"


def _absurd_text(key: str, text: str) -> str:
    longest = _LONGEST_SQL if key == "sql" else _LONGEST
    if len(text) > longest:
        return f"has {len(text):,} characters; at most {longest:,} are allowed"
    if key in {"path", "sql_file"}:
        length = len(os.fsencode(text))
        if length > _LONGEST_PATH or any(len(os.fsencode(p)) > 255 for p in text.split("/")):
            return f"has {length:,} bytes, or a part of more than 255; no path is that long"
    return "has control characters" if _unprintable(text) else ""


def _unprintable(text: str) -> bool:
    return any((ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 for c in text)


def _shortened(text: str) -> str:
    shown = "".join(c if c.isprintable() else "�" for c in text)
    return shown if len(shown) <= 2 * _SHOWN else f"{shown[:_SHOWN]}…{shown[-_SHOWN:]}"
