from __future__ import annotations

import html
import json
import re
from datetime import datetime
from types import SimpleNamespace
from typing import cast

import pytest

from features.reading.source import OpenedTables
from health.backtest.judge import judge
from health.backtest.page import render_page, to_json
from health.backtest.run import about_backtest
from health.backtest.verdict import verdict
from health.business.company import Company
from health.settings.config import Config
from tests.health.backtest.small_past import config, past


def _company(settings: Config) -> Company:
    """A company of which only the end of its data counts."""
    end = SimpleNamespace(observed_until=datetime(2026, 11, 1))
    return Company(settings, cast(OpenedTables, SimpleNamespace(tables=end)))


@pytest.fixture(scope="module")
def rendered() -> tuple[str, dict[str, object]]:
    settings = config()
    found = judge(past(knows=0.2), settings)
    said = verdict(found, 90, 10)
    about = about_backtest(_company(settings))
    return render_page(found, said, about), to_json(found, said, about)


def test_what_comes_from_data_is_text(rendered: tuple[str, dict[str, object]]) -> None:
    page, _ = rendered
    assert "A &amp; &lt;b&gt;B&lt;/b&gt;" in page
    assert "&lt;Large&gt;" in page
    assert "<b>B</b>" not in page


def test_the_page_needs_nothing_but_itself(rendered: tuple[str, dict[str, object]]) -> None:
    page, _ = rendered
    assert "default-src 'none'" in html.unescape(page)
    assert not re.search(r"""(src|href)=["'](?!data:image/svg\+xml;base64,|#)""", page)
    assert not re.search(r"<script|style=|javascript:|\son\w+=\"", page)
    assert len(re.findall(r"<img ", page)) == len(re.findall(r'<img [^>]*alt="[^"]+"', page)) == 4


def test_figures_are_json_without_what_json_lacks(
    rendered: tuple[str, dict[str, object]],
) -> None:
    _, metrics = rendered
    text = json.dumps(metrics, allow_nan=False)
    again = json.loads(text)
    assert again["verdict"]["kind"] == "predicts"
    assert again["bands"][0]["name"] == "red"
    assert set(again["together"]["figures"]) == {"rules", "model", "usage"}
    assert len(again["together"]["differences"]) == 15


def test_too_few_is_said_first_and_nothing_is_drawn_against() -> None:
    settings = config()
    found = judge(past(share_left=0.02), settings)
    said = verdict(found, 90, 10)
    page = render_page(found, said, about_backtest(_company(settings)))
    assert "Too few accounts left to say" in page
    assert "Compared with the alternatives" not in page
