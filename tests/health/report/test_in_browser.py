"""The report in a real browser: it works, is accessible, and asks no network for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from health.report.background import Background, Voice
from health.report.history import History
from health.report.page import render_report
from health.report.revenue import RevenueMovements
from tests.health.sample_run import AS_OF, HOSTILE, sample_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

RETENTION = pd.DataFrame(
    {"group": "2025", "days": [0.0, 30.0], "survival": [1.0, 0.9], "low": 0.8, "high": 1.0}
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: install Debian's chromium"),
    # playwright 1.65: closing its transport leaves a socket to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass
class Watch:
    """What a page did that it should not have done."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    sample = sample_run()
    accounts = sample.flags["account_id"].unique()
    events = pd.DataFrame({"account_id": accounts, "at": AS_OF, "text": HOSTILE[0]})
    html = render_report(
        *sample.parts,
        history=History(sample.past_scores, sample.changes),
        background=Background(
            revenue={"the last 90 days": RevenueMovements(100, churn=10, accounts_start=9)},
            voice=(Voice("nps", 30.0, -18.0, 78.0, 10, 0.9),),
            retention=RETENTION,
            owned={account: ["Platform", HOSTILE[0]] for account in accounts},
            events=events,
        ),
    )
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(html, encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport=request.param)
    watch = Watch()
    page.on("request", lambda asked: watch.requests.append(asked.url))
    page.on("console", lambda said: said.type == "error" and watch.errors.append(said.text))
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    page.goto(address)
    yield page
    page.close()
    assert watch.errors == []
    assert watch.requests == [address]


@pytest.fixture
def wide(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport=DESKTOP)
    page.goto(address)
    yield page
    page.close()


def visible_rows(page: Page) -> int:
    return page.locator("[role=tabpanel]:visible tbody:visible > tr:first-child .o").count()


def test_a_column_sorts_both_ways(wide: Page) -> None:
    head = wide.locator("#list-at_risk thead button", has_text="MRR")
    cells = wide.locator("#list-at_risk tbody > tr:first-child > td:nth-child(2)")

    def values() -> list[float]:
        texts = cells.evaluate_all("cells => cells.map(cell => cell.dataset.s)")
        return [float(text) for text in texts]

    head.click()
    first = values()
    head.click()
    assert len(first) > 10
    assert first == sorted(first, reverse=True)
    assert values() == sorted(first)


def test_the_search_and_the_csm_narrow_the_list(page: Page) -> None:
    all_rows = visible_rows(page)
    assert all_rows > 10
    page.locator("#csm").select_option(index=2)
    own = visible_rows(page)
    assert 0 < own < all_rows
    page.locator("#csm").select_option(value="")
    page.locator("#search").fill("no such words anywhere")
    assert visible_rows(page) == 0
    assert page.get_by_text("No row matches.").locator("visible=true").count() == 1
    page.locator("#search").fill("")
    assert visible_rows(page) == all_rows


def test_a_csms_address_opens_on_their_accounts(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport=DESKTOP)
    page.goto(address)
    all_rows = visible_rows(page)
    link = page.locator("#book a[href^='#csm=']").first
    link.click()
    page.wait_for_function("document.getElementById('csm').value !== ''")
    assert 0 < visible_rows(page) < all_rows
    page.close()


def test_a_row_opens_by_keyboard_and_shows_what_stands_behind_it(page: Page) -> None:
    button = page.locator("#list-at_risk .o").first
    button.focus()
    page.keyboard.press("Enter")
    details = page.locator("#list-at_risk .open").first
    details.wait_for()
    assert button.get_attribute("aria-expanded") == "true"
    assert "Health: points earned and missing" in details.inner_text()
    assert details.locator("svg rect").count() > 5
    assert HOSTILE[0] in details.inner_text()
    page.keyboard.press("Enter")
    assert not details.is_visible()


def test_every_scored_row_has_its_line_of_scores(wide: Page) -> None:
    rows = wide.locator("#list-at_risk tbody[data-i]:has(.badge:not(.b-none))").count()
    assert rows > 10
    wide.wait_for_selector("#list-at_risk svg.k")
    assert wide.locator("#list-at_risk svg.k polyline").count() == rows


def test_tabs_answer_to_the_arrow_keys(wide: Page) -> None:
    wide.locator("#tab-at_risk").focus()
    wide.keyboard.press("ArrowRight")
    assert wide.locator("#tab-upsell").get_attribute("aria-selected") == "true"
    assert wide.locator("#list-upsell").is_visible()
    assert not wide.locator("#list-at_risk").is_visible()


def test_hostile_names_are_shown_as_text(wide: Page) -> None:
    shown = wide.locator("#list-at_risk .o bdi").all_text_contents()
    assert set(HOSTILE) <= {text.strip() for text in shown} | set(shown)


def test_nothing_is_wider_than_the_page(page: Page) -> None:
    over = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert over <= 0


def test_accessibility_has_no_serious_finding(page: Page) -> None:
    page.locator("#list-at_risk .o").first.click()
    page.locator("#list-at_risk .open").first.wait_for()
    found = Axe().run(page).response["violations"]
    serious = {
        rule["id"]: [node["html"][:120] for node in rule["nodes"][:3]]
        for rule in found
        if rule["impact"] in {"serious", "critical"}
    }
    assert serious == {}


def test_plots_are_shown(wide: Page) -> None:
    image = wide.locator("img.plot")
    assert image.evaluate("image => image.complete && image.naturalWidth > 0")
    assert "started in 2025: 90 % after" in (image.get_attribute("alt") or "")


def test_it_prints(wide: Page, tmp_path: Path) -> None:
    file = tmp_path / "report.pdf"
    wide.pdf(path=str(file))
    assert file.read_bytes().startswith(b"%PDF")
    wide.emulate_media(media="print")
    assert not wide.locator("#tools").is_visible()
    assert wide.locator("#list-upsell").is_visible()
