"""What all pages share: escaped templates and a strict Content-Security-Policy."""

from __future__ import annotations

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined

from health.presentation import wording


def page_environment(package: str) -> Environment:
    """Return a package's templates, with autoescaping and the number formats as filters."""
    environment = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=wording.count,
        day=wording.day,
        money=wording.money,
        percent=wording.percent,
        title_of=wording.title_of,
    )
    return environment


def source_of(environment: Environment, name: str) -> str:
    """Return the text of a file in the templates' folder, such as a style sheet."""
    if environment.loader is None:  # pragma: no cover - `page_environment` gives one
        raise RuntimeError("no templates")
    return environment.loader.get_source(environment, name)[0]


def content_policy(style: str, script: str = "") -> str:
    """Return a Content-Security-Policy that allows this style, this script and inline images.

    Both are allowed by their hash, so nothing else that gets into the page can run.
    """
    scripts = f"script-src '{_hash(script)}'; " if script else ""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; {scripts}img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
