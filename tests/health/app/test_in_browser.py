"""Every page in a real browser, at three widths: no error, no violation, usable by keyboard."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from health.app.database.engine import open_database
from health.app.page import CONTRACT_PAGES
from tests.health.app.company import BY_ORDERS, NOW, OWN, build_app, write_runs
from tests.health.sample_run import HOSTILE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
WIDTHS = (390, 900, 1400)
PAGES = (
    "/",
    "/accounts",
    f"/accounts/{OWN}",
    f"/accounts/{OWN}/brief",
    "/renewals",
    "/team",
    "/expansion",
    "/voice",
    "/trust",
    "/scorecard",
    "/users",
    "/profile",
    "/nothing-here",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: install Debian's chromium"),
    # playwright 1.65: closing its transport leaves a socket to the collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass
class Watch:
    """What a page did that it should not have done."""

    address: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def of(self, page: Page) -> Page:
        page.on("request", lambda asked: self.requests.append(asked.url))
        page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def check(self) -> None:
        # The one page that is asked for and is not there says so on the console.
        assert [e for e in self.errors if "404" not in e] == []
        assert [url for url in self.requests if not url.startswith(self.address)] == []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app that one person uses on this machine."""
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def orders_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same of a company whose customers order."""
    with served(tmp_path_factory.mktemp("orders"), by_orders=True) as found:
        yield found


@contextmanager
def served(folder: Path, *, by_orders: bool = False) -> Iterator[str]:
    """Serve a company's app in a thread."""
    database = open_database(f"sqlite:///{folder / 'app.sqlite'}", now=NOW)
    runs = write_runs(folder / "runs", by_orders=by_orders)
    tables = BY_ORDERS if by_orders else None
    app = build_app(database, runs, folder, tables=tables, sign_in="none", capacity=8)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # Who comes before the server runs waits.
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app.asgi, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of 1400 px that is watched."""
    watch = Watch(address)
    page = watch.of(browser.new_page(viewport={"width": 1400, "height": 900}))
    yield page
    page.close()
    watch.check()


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("company", ["address", "orders_address"])
def test_every_page_at_every_width(
    browser: Browser, company: str, width: int, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue(company)
    watch = Watch(address)
    page = watch.of(browser.new_page(viewport={"width": width, "height": 900}))
    faults = {}
    for path in PAGES:
        answer = page.goto(address + path)
        assert answer is not None
        missing = path == "/nothing-here" or (company != "address" and path in CONTRACT_PAGES)
        assert answer.status == (404 if missing else 200), path
        over = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        serious = serious_findings(page)
        if over > 0 or serious:
            faults[path] = (over, serious)
    page.close()
    assert faults == {}
    watch.check()


def serious_findings(page: Page) -> dict[str, list[str]]:
    found = Axe().run(page).response["violations"]
    return {
        rule["id"]: [node["html"][:160] for node in rule["nodes"][:3]]
        for rule in found
        if rule["impact"] in {"serious", "critical"}
    }


#: Notes what has had the focus, and what does not show that it has it.
NOTE_FOCUS = """
document.addEventListener("focusin", event => {
    const style = getComputedStyle(event.target)
    event.target.dataset.had = "1"
    if (style.outlineStyle === "none" && style.boxShadow === "none")
        event.target.dataset.unseen = "1"
})
"""
#: What can be used and has not had the focus, or has had it without showing it.
LEFT_OUT = """
() => [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
)].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled
    && (!e.dataset.had || e.dataset.unseen)
).map(e => e.outerHTML.slice(0, 120))
"""


@pytest.mark.slow
@pytest.mark.parametrize("company", ["address", "orders_address"])
def test_everything_on_every_page_can_be_reached_by_tab(
    browser: Browser, company: str, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue(company)
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    left_out = {}
    for path in PAGES:
        page.goto(address + path)
        page.evaluate(NOTE_FOCUS)
        for _ in range(400):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
        left_out[path] = page.evaluate(LEFT_OUT)
    page.close()
    assert {path: found for path, found in left_out.items() if found} == {}


@pytest.mark.slow
def test_every_screen_does_its_work_by_keyboard(  # noqa: PLR0915 (one screen after another)
    page: Page, address: str
) -> None:
    def use(text: str) -> None:
        """Go to a button or link by Tab, and press it."""
        press_to(page, page.locator("main").locator("button, a, summary", has_text=text).first)
        page.keyboard.press("Enter")

    def fill(field: str, text: str) -> None:
        press_to(page, page.locator(f"main [name={field}]:visible").first)
        page.keyboard.type(text)

    page.goto(f"{address}/accounts")
    fill("q", "ACC-00007")
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    press_to(page, page.locator("#results tbody a").first)
    page.keyboard.press("Enter")
    page.wait_for_url("**/accounts/ACC-00007")
    use("Note")
    fill("text", "By keyboard alone")
    use("Save note")
    page.wait_for_selector(".notice >> text=Note saved")
    use("Override")
    fill("value", "30")
    fill("reason", "The sponsor left")
    use("Save override")
    page.wait_for_selector(".notice >> text=Override saved")
    use("Printable brief")
    page.wait_for_url("**/brief")
    use("back")
    page.wait_for_url("**/accounts/ACC-00007")
    page.goto(f"{address}/renewals")
    fill("call", "Com")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice >> text=Renewal call: Commit")
    use("Undo")
    page.wait_for_selector(".notice >> text=Undone")
    page.goto(f"{address}/expansion")
    press_to(page, page.locator("select[name=product]"))
    page.keyboard.press("ArrowDown")
    use("Show")
    page.wait_for_url("**/expansion?product=*")
    page.goto(f"{address}/team")
    fill("accounts", "ACC-00150")
    fill("csm", "Chloe")
    with page.expect_navigation():
        use("Reassign")
    page.goto(f"{address}/trust")
    use("week")
    page.wait_for_url("**/?as_of=*")
    page.goto(f"{address}/scorecard")
    press_to(page, page.locator("[name=yellow]"))
    page.keyboard.press("Control+A")
    page.keyboard.type("60")
    page.keyboard.press("Enter")
    page.wait_for_selector("#result")
    page.goto(f"{address}/users")
    fill("login", "by-keyboard")
    use("Save user")
    expect(page.locator("tbody th", has_text="by-keyboard")).to_be_visible()
    page.goto(f"{address}/profile")
    fill("name", "crm")
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice code")


def press_to(page: Page, target: Locator, *, most: int = 200) -> None:
    """Move the focus by Tab until it is on an element."""
    wanted = target.element_handle()
    for _ in range(most):
        if page.evaluate("wanted => document.activeElement === wanted", wanted):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the element cannot be reached by Tab")


def test_a_row_is_worked_and_undone_by_keyboard(page: Page, address: str) -> None:
    page.goto(address)
    rows = page.locator("article.week")
    before = rows.count()
    name = rows.first.locator("h3 bdi").inner_text()
    press_to(page, rows.first.locator("button", has_text="Called"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice")
    assert page.locator("article.week").count() == before - 1
    # The focus is on the way back, and takes it.
    assert page.evaluate("document.activeElement.textContent") == "Undo"
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice >> text=Undone")
    assert page.locator("article.week").count() == before
    assert page.locator("article.week h3 bdi").first.inner_text() == name


def test_a_second_click_does_not_finish_the_next_row(page: Page, address: str) -> None:
    page.goto(address)
    rows = page.locator("article.week")
    before = rows.count()
    button = rows.first.locator("button", has_text="False alarm")
    # Half a second takes half a minute, so that a busy machine is fast enough for the second click.
    time = page.context.new_cdp_session(page)
    time.send("Animation.enable")
    button.click(trial=True)
    time.send("Animation.setPlaybackRate", {"playbackRate": 1 / 60})
    button.click()
    page.wait_for_selector(".notice >> text=False alarm")
    # The page moves by the height of the notice: click where the next row's button is now.
    following = rows.first.locator("button", has_text="False alarm").bounding_box()
    assert following is not None
    page.mouse.click(following["x"] + 5, following["y"] + 5)
    page.wait_for_timeout(300)
    assert rows.count() == before - 1
    time.send("Animation.setPlaybackRate", {"playbackRate": 100})
    rows.first.locator("button", has_text="False alarm").click()
    expect(rows).to_have_count(before - 2)
    for left in (before - 1, before):
        page.locator("ul.done button").first.click()
        expect(rows).to_have_count(left)


def test_a_row_is_set_aside_and_a_note_is_written(page: Page, address: str) -> None:
    page.goto(address)
    row = page.locator("article.week").nth(1)
    press_to(page, row.locator("summary", has_text="Not now until"))
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    button = row.locator("button", has_text="Set aside")
    press_to(page, button, most=8)
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice >> text=Not now until")
    row = page.locator("article.week").first
    row.locator("summary", has_text="Note").click()
    row.locator("textarea").fill(HOSTILE[0])
    row.locator("button", has_text="Save note").click()
    page.wait_for_selector(".notice >> text=Note saved")
    assert HOSTILE[0] in page.locator("article.week").first.inner_text()


def test_the_search_narrows_while_typing_and_leaves_the_address_alone(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/accounts")
    search = page.locator("input[type=search]")
    search.press_sequentially("W" * 8)
    expect(page.locator("#results tbody tr")).to_have_count(1)
    assert page.url == f"{address}/accounts"
    assert search.evaluate("field => field === document.activeElement")
    search.fill("no such account")
    page.wait_for_selector("#results >> text=No account matches")


def test_a_view_is_saved_and_opened(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts")
    page.locator("select[name=band]").select_option("red")
    page.locator("summary", has_text="Save as a view").click()
    page.locator("input[name=name]").fill("Red ones")
    page.locator("button", has_text="Save view").click()
    page.wait_for_url("**/accounts?view=*")
    bands = page.locator("#results tbody .badge").all_inner_texts()
    assert bands
    assert all(text.startswith("R ") for text in bands)


def test_a_call_is_saved_on_the_renewals_page(page: Page, address: str) -> None:
    page.goto(f"{address}/renewals")
    row = page.locator("form.call-form").first
    row.locator("select").select_option("lost")
    row.locator("button").click()
    page.wait_for_selector(".notice >> text=Renewal call: Lost")
    page.reload()
    assert page.locator("tr.diff").count() == 1


def test_an_override_is_written_on_the_account_and_a_mistake_is_named(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/accounts/{OWN}")
    page.locator("summary", has_text="Override").click()
    page.locator("input[name=value]").fill("20")
    page.locator("input[name=reason]").fill("The sponsor left")
    page.locator("button", has_text="Save override").click()
    page.wait_for_selector(".notice >> text=Override saved")
    assert "The sponsor left" in page.locator("main").inner_text()
    page.locator("summary", has_text="Not now until").click()
    page.locator("input[name=until]").evaluate("field => { field.value = '' }")
    # A field that the browser would have filled in.
    page.locator("button", has_text="Set aside").click()
    page.wait_for_selector("#notice [role=alert]")
    assert "needs a date" in page.locator("#notice").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_brief_of_an_account_with_much_to_say_is_one_page(
    browser: Browser, tmp_path: Path, paper: str
) -> None:
    with served(tmp_path) as address:
        newest = sorted((tmp_path / "runs").glob("as_of=*"))[-1]
        crowd(newest, OWN)
        page = browser.new_page()
        for path in (f"/accounts/{OWN}", f"/accounts/{OWN}/brief"):
            page.goto(address + path)
            for _ in range(6 if path.endswith(OWN) else 0):
                page.locator("summary", has_text="Note").first.click()
                page.locator("textarea[name=text]").first.fill("A long note. " * 300)
                page.locator("button", has_text="Save note").click()
                page.wait_for_selector(".notice >> text=Note saved")
                page.reload()
        text = page.locator("main").inner_text()
        assert "more contracts" in text
        assert "And 3 more notes and actions" in text
        printed = page.pdf(format=paper)
        page.close()
    assert len(re.findall(rb"/Type */Page[^s]", printed)) == 1


def crowd(run: Path, account_id: str) -> None:
    """Give an account of a run many contracts, contacts, tickets, answers and long texts."""
    long = "A sentence that a customer wrote, and many more of its kind. " * 40
    own = {"account_id": account_id}
    for table, column, rows in (
        ("contracts", "product", [{**own, "product": long} for _ in range(40)]),
        ("contacts", "contact_id", [{**own, "contact_id": "a" * 300} for _ in range(30)]),
        ("events", "text", [{**own, "title": long, "text": long} for _ in range(30)]),
        ("flags", "reasons", [{**own, "suggested_play": long} for _ in range(6)]),
        ("changes", "text", [{**own, "text": long, "change": -3.0} for _ in range(12)]),
    ):
        path = run / f"{table}.parquet"
        known = pd.read_parquet(path)
        like = known[known["account_id"] == account_id].head(1)
        if like.empty:
            like = known.head(1)
        many = pd.concat([like] * len(rows), ignore_index=True)
        for name in rows[0]:
            many[name] = [row[name] for row in rows]
        if table == "events":
            many["is_open"] = [number % 2 == 0 for number in range(len(many))]
            many["kind"] = ["ticket" if open_ else "answer" for open_ in many["is_open"]]
        if table == "flags":
            many["reasons"] = ["; ".join([long] * 4)] * len(many)
        assert column in many
        pd.concat([known[known["account_id"] != account_id], many]).to_parquet(path, index=False)


@pytest.mark.slow
def test_a_scorecard_is_tried_out(page: Page, address: str) -> None:
    page.goto(f"{address}/scorecard")
    page.locator("input[name=yellow]").fill("60")
    page.locator("button", has_text="Try it").first.click()
    page.wait_for_selector("#result")
    assert "would change band" in page.locator("#result").inner_text()
    with page.expect_download() as download:
        page.locator("button", has_text="Download as a file").click()
    assert "yellow = 60.0" in Path(download.value.path()).read_text(encoding="utf-8")


@pytest.mark.slow
def test_pages_work_without_a_script(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    left = page.locator("article.week").count()
    page.locator("article.week").first.locator("button", has_text="False alarm").click()
    expect(page.locator("article.week")).to_have_count(left - 1)
    page.locator("ul.done button").first.click()
    expect(page.locator("article.week")).to_have_count(left)
    context.close()
