"""Every key of the configuration as a page, from the types and docstrings of its sections.

python -m health.settings.page > health/SETTINGS.md
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docstring_parser import DocstringStyle, parse
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from health.settings.config import NOT_KEYS, Config

_INTRODUCTION = """# The settings
Every key that `health.toml` may have, by section, with its type and its default. A key that is
not here is refused, and the message names the closest one. A type in brackets is a table of its
own, and its keys stand under that heading.

This page is made by `python -m health.settings.page > health/SETTINGS.md` and kept in step by a
test.
"""
_HEAD = "| key | type | default | meaning |"
_TOP = "Top level"
#: Each section once, and where it stands first.
Headings = Mapping[type[BaseModel], str]
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_LONG_DEFAULT = 60


def settings_page() -> str:
    """Return the page in Markdown: a table a section, in the order in which the keys stand."""
    parts = [_INTRODUCTION]
    headings: dict[type[BaseModel], str] = {}
    for heading, section in _sections(Config, ""):
        headings.setdefault(section, heading)
    for section, heading in headings.items():
        parts += [f"## {heading or _TOP}", *_about(section), ""]
        parts += [_HEAD, "| --- " * 4 + "|"]
        result = meanings(section)
        for name, field in _keys(section):
            parts.append(_row(name, _typed(field, headings), _default(field), result[name]))
        parts.append("")
    return "\n".join(parts)


def _keys(section: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    return [(n, f) for n, f in section.model_fields.items() if n not in NOT_KEYS]


def _sections(section: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield a section and those inside it, each with the heading under which it stands."""
    yield path, section
    for name, field in _keys(section):
        for inner in _models(field.annotation):
            yield from _sections(inner, f"{path}.{name}" if path else name)


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a type speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in typing.get_args(annotation) for m in _models(part)]


def _about(section: type[BaseModel]) -> list[str]:
    result = parse(section.__doc__ or "", DocstringStyle.NUMPYDOC)
    return [text for text in (result.short_description, result.long_description) if text]


def meanings(section: type[BaseModel]) -> dict[str, str]:
    """Return what the docstring of a section and those of its parents say of each key."""
    found: dict[str, str] = {}
    for known in reversed(section.__mro__):
        result = parse(known.__doc__ or "", DocstringStyle.NUMPYDOC)
        for listed in result.params:
            for name in listed.arg_name.split(","):
                found[name.strip()] = " ".join(
                    (listed.description or "").replace("``", "`").split()
                )
    return found


def _typed(field: FieldInfo, headings: Headings) -> str:
    bounds = [
        f"{sign} {value:g}"
        for bound in field.metadata
        for word, sign in _BOUNDS.items()
        if (value := getattr(bound, word, None)) is not None
    ]
    return ", ".join([_type_name(field.annotation, headings), *bounds])


def _type_name(annotation: Any, headings: Headings) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        annotation = inner[0]
    if origin is typing.Literal:
        return " or ".join(f"`{_toml(value)}`" for value in inner)
    each = [_type_name(part, headings) for part in inner if part not in {types.NoneType, Ellipsis}]
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(each)
    if origin in {tuple, frozenset, list}:
        return f"list of {' and '.join(dict.fromkeys(each))}"
    if origin is dict:
        return f"table of {each[1]}"
    if annotation in headings:
        return f"[{headings[annotation]}]"
    names = {
        str: "text",
        float: "number",
        int: "whole number",
        bool: "true or false",
        Path: "path",
        Any: "anything",
    }
    return names.get(annotation, getattr(annotation, "__name__", "anything"))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, BaseModel):
        return "as below"
    result = _toml(value)
    return f"`{result}`" if len(result) <= _LONG_DEFAULT else "built in"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list | frozenset):
        return f"[{', '.join(_toml(v) for v in value)}]"
    if isinstance(value, int | float):
        return f"{value:g}"
    return '"' + str(value) + '"'


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(settings_page())
