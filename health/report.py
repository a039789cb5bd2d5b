"""The report of a run: one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from health import wording
from health.report_book import book_view
from health.report_lists import details_json, list_views


def render_report(
    scores: pd.DataFrame, reasons: pd.DataFrame, flags: pd.DataFrame, run: Mapping[str, Any]
) -> str:
    """Render the report of a run as one self-contained HTML page.

    Parameters
    ----------
    scores, reasons, flags : pd.DataFrame
        The tables of the run.
    run : mapping
        The content of run.json.

    Returns
    -------
    str
        HTML. Styles and scripts are inline and allowed by their hashes only; everything that
        comes from the data is escaped. The same run gives the same page.
    """
    environment = _environment()
    style = _part(environment, "report.css")
    script = _part(environment, "report.js")
    details = Markup(details_json(scores, reasons, flags, run))
    page = environment.get_template("report.html.j2")
    return page.render(
        run=run,
        company=wording.text(run.get("company")) or "Customer health",
        currency=wording.text(run.get("currency")),
        policy=content_policy(style=style, scripts=(details, script)),
        style=style,
        script=script,
        details=details,
        book=book_view(scores, reasons, flags, run),
        lists=list_views(scores, flags, run),
        csms=_csms(flags),
    )


def content_policy(*, style: str, scripts: tuple[str, ...]) -> str:
    """Return the Content-Security-Policy that allows these inline blocks and nothing else."""
    allowed = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(block: str) -> str:
    digest = hashlib.sha256(block.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _csms(flags: pd.DataFrame) -> list[str]:
    return sorted({wording.text(csm) for csm in flags["csm"]} - {""}, key=str.casefold)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("health", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shown = ("money", "money_range", "number", "percent", "signed", "chance", "renewal", "text")
    environment.filters.update({name: getattr(wording, name) for name in shown})
    return environment


def _part(environment: Environment, name: str) -> Markup:
    """Return a file of ours, to be put inline as it is (the hash is over these characters)."""
    assert_loader = environment.loader
    source = assert_loader.get_source(environment, name)[0]  # type: ignore[union-attr]
    return Markup(source.replace("\r\n", "\n"))
